"""The profile `balanced` is `fast` with seven eighths of the steps, of which three quarters are guided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.plan.conftest import Plan
from wan_render.authored import Document
from wan_render.keys import canonical
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


@pytest.mark.parametrize(
    ("written", "steps", "guided"), [("", 35, 26), (", i2v: {steps: 30}", 26, 20), (", i2v: {steps: 2}", 2, 2)]
)
def test_it_takes_fewer_steps_and_guides_the_first_of_them(plan: Plan, written: str, steps: int, guided: int) -> None:
    film = plan(f"shots: [{{from: a, render: {{profile: balanced{written}}}}}]")
    take = take_of(film)
    sampling = take.sampling
    assert (sampling.profile, sampling.steps, sampling.guided_steps) == ("fast", steps, guided)
    words = f"{steps} steps" if guided == steps else f"{steps} steps, of which the first {guided} are guided"
    (note,) = [note.found for note in film.notes if "balanced" in note.found]
    assert note.startswith(f"profile balanced is fast with {words}; fast has ")
    assert film.remarks[take.key] == (f"profile balanced: fast, with {words}",)


def test_without_guidance_it_is_fast_with_three_quarters_of_the_steps(plan: Plan) -> None:
    """So it takes three quarters of the time of `fast`, as with guidance."""
    film = plan("shots: [{from: a, render: {profile: balanced, i2v: {steps: 30, guidance: 1}}}]")
    same = take_of(plan("shots: [{from: a, render: {profile: fast, i2v: {steps: 22, guidance: 1}}}]"))
    assert take_of(film).key == same.key


def test_takes_with_guidance_in_all_steps_keep_their_keys(plan: Plan) -> None:
    take = take_of(plan("shots: [{from: a, render: {profile: fast}}]"))
    assert "guided_share" not in canonical(take)["sampling"]
    fewer = replace(take, sampling=replace(take.sampling, guided_share=0.75))
    assert fewer.key != take.key
    assert changes(canonical(take), fewer) == ("steps that are guided",)


def test_a_take_of_before_is_rendered_again_and_the_plan_says_why(plan: Plan) -> None:
    """It skipped blocks instead of steps, and its key says so."""
    take = take_of(plan("shots: [{from: a, render: {profile: balanced}}]"))
    before = {"sampling": {"steps": 30, "guidance": take.sampling.guidance, "shift": 5.0, "profile": "balanced"}}
    assert {"steps", "profile", "steps that are guided"} <= set(changes(before, take))


def test_a_distilled_model_keeps_its_steps(document: Callable[[str], Document], models: Models) -> None:
    card = replace(models.card("wan2.1-i2v-14b-480p"), is_distilled=True)
    modelled = Modelled(ShotKind.I2V, KindSettings(None, None, None, None), card)
    found = balanced_sampling(modelled, (), Findings(document("shots: [{from: a}]")))
    assert (found.steps, found.guided_share) == (card.kinds[ShotKind.I2V].sampling.steps, 1.0)
