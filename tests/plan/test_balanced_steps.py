"""The profile `balanced` is `fast` with three quarters of the steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.plan.conftest import Plan
from wan_render.authored import Document
from wan_render.model_card import Models
from wan_render.plan import FilmPlan, Rendered
from wan_render.plan.balanced_steps import balanced_sampling
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import KindSettings
from wan_render.plan.model_choice import Modelled
from wan_render.take import ShotKind, Take
from wan_render.take_changes import changes


def take_of(film: FilmPlan) -> Take:
    (shot,) = film.shots
    assert isinstance(shot.content, Rendered)
    return shot.content.takes[0].take


@pytest.mark.parametrize(("written", "steps"), [("", 30), (", i2v: {steps: 50}", 38), (", i2v: {steps: 1}", 1)])
def test_it_takes_three_quarters_of_the_steps(plan: Plan, written: str, steps: int) -> None:
    film = plan(f"shots: [{{from: a, render: {{profile: balanced{written}}}}}]")
    take = take_of(film)
    assert (take.sampling.profile, take.sampling.steps) == ("fast", steps)
    same = take_of(plan(f"shots: [{{from: a, render: {{profile: fast, i2v: {{steps: {steps}}}}}}}]"))
    assert take.key == same.key, "it is the same take as fast with so many steps"
    (note,) = [note.found for note in film.notes if "balanced" in note.found]
    assert note.startswith(f"profile balanced is fast with {steps} of ")
    assert film.remarks[take.key] == (f"profile balanced: fast, with {steps} steps",)


def test_a_take_of_before_is_rendered_again_and_the_plan_says_why(plan: Plan) -> None:
    """It skipped blocks instead of steps, and its key says so."""
    take = take_of(plan("shots: [{from: a, render: {profile: balanced}}]"))
    before = {"sampling": {"steps": 40, "guidance": take.sampling.guidance, "shift": 5.0, "profile": "balanced"}}
    assert {"steps", "profile"} <= set(changes(before, take))


def test_a_distilled_model_keeps_its_steps(document: Callable[[str], Document], models: Models) -> None:
    card = replace(models.card("wan2.1-i2v-14b-480p"), is_distilled=True)
    modelled = Modelled(ShotKind.I2V, KindSettings(None, None, None, None), card)
    found = balanced_sampling(modelled, (), Findings(document("shots: [{from: a}]")))
    assert found.steps == card.kinds[ShotKind.I2V].sampling.steps
