"""The take for the film, retakes, and shots that others continue: what a plan makes of the checks of finished takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from wan_render.authored import Document
from wan_render.facts import FactCache
from wan_render.model_card import Models
from wan_render.plan import FilmPlan, JudgedTake, Rendered, TakeChecks, make_plan
from wan_render.plan.film_take import film_take, numbers_with_retakes
from wan_render.take import FramePlate

PASSED, BAD, WORSE = JudgedTake(), JudgedTake(("cut",), (), 1.2), JudgedTake(("cut", "black"), (), 2.1)
GIVEN_UP = JudgedTake(given_up=True)

Judge = Callable[..., FilmPlan]


@pytest.mark.parametrize(
    ("takes", "circled", "chosen"),
    [
        ({1: None}, None, 1),
        ({1: PASSED, 2: PASSED}, None, 1),
        ({1: BAD, 2: PASSED}, None, 2),
        ({1: BAD, 2: None}, None, 2),
        ({1: BAD, 2: WORSE}, None, 1),
        ({1: WORSE, 2: BAD}, None, 2),
        ({1: BAD, 2: BAD}, None, 1),
        ({1: BAD, 2: GIVEN_UP}, None, 1),
        ({1: GIVEN_UP, 2: BAD}, None, 2),
        ({1: GIVEN_UP, 2: PASSED}, None, 1),
        ({1: BAD, 3: PASSED}, 1, 1),
        ({1: PASSED, 2: WORSE}, 2, 2),
    ],
)
def test_the_rule(takes: Mapping[int, JudgedTake | None], circled: int | None, chosen: int) -> None:
    assert film_take(tuple(takes), circled, takes.get) == chosen


@pytest.mark.parametrize(
    ("stored", "refused", "retakes", "numbers"),
    [
        ({}, (), 2, (1,)),
        ({1: PASSED}, (), 2, (1,)),
        ({1: BAD}, (), 0, (1,)),
        ({1: BAD}, (), 1, (1, 2)),
        ({1: BAD, 2: PASSED}, (), 0, (1, 2)),
        ({1: BAD, 2: BAD}, (), 1, (1, 2)),
        ({1: BAD, 2: BAD}, (), 2, (1, 2, 3)),
        ({1: BAD, 2: BAD, 3: BAD}, (), 0, (1, 2, 3)),
        ({2: BAD}, (1, 3), 1, (2, 4)),
        ({1: BAD, 2: GIVEN_UP}, (), 2, (1, 2)),
    ],
)
def test_a_shot_gets_the_next_number_while_all_its_takes_failed(
    stored: Mapping[int, JudgedTake], refused: tuple[int, ...], retakes: int, numbers: tuple[int, ...]
) -> None:
    assert numbers_with_retakes(1, refused, retakes, stored.get) == numbers


@pytest.fixture
def judge(document: Callable[[str], Document], cache: FactCache, models: Models) -> Judge:
    """The plan of a text, with what is known of takes by their keys."""

    def plan(text: str, stored: Mapping[str, JudgedTake] | None = None, retakes: int = 0) -> FilmPlan:
        checks = TakeChecks((stored or {}).get, retakes)
        return make_plan(document(text), models=models, backend_id="animatic/1", cache=cache, checks=checks)

    return plan


def rendered(plan: FilmPlan, at: int = 0) -> Rendered:
    content = plan.shots[at].content
    assert isinstance(content, Rendered)
    return content


def keys(plan: FilmPlan, at: int = 0) -> list[str]:
    return [take.take.key for take in rendered(plan, at).takes]


def test_a_retake_is_the_take_that_one_more_wanted_take_would_be(judge: Judge) -> None:
    wanted = keys(judge("shots: [{from: a, to: b, takes: 2}]"))
    plan = judge("shots: [{from: a, to: b, qc: {retakes: 1}}]", {wanted[0]: BAD})
    assert keys(plan) == wanted
    assert [take.retake for take in rendered(plan).takes] == [(), ("cut",)]
    assert rendered(plan).chosen == 2


@pytest.mark.parametrize(
    ("defaults", "shot", "numbers"),
    [
        ("", "", [1, 2]),
        ("", "qc: {retakes: 0}, ", [1]),
        ("defaults: {qc: {retakes: 0}}\n", "", [1]),
        ("defaults: {qc: {retakes: 0}}\n", "qc: {check: on}, ", [1]),
        ("defaults: {qc: {check: off}}\n", "qc: {retakes: 3}, ", [1]),
        ("", "circle: 1, ", [1]),
        ("", "takes: 2, ", [1, 2]),
    ],
)
def test_a_run_says_how_many_retakes_where_the_film_does_not(
    judge: Judge, defaults: str, shot: str, numbers: list[int]
) -> None:
    text = f"{defaults}shots: [{{{shot}from: a, to: b}}]"
    stored = {keys(judge(text))[0]: BAD}
    assert [take.number for take in rendered(judge(text, stored, retakes=1)).takes] == numbers


def test_checks_that_are_off_are_a_note(judge: Judge) -> None:
    plan = judge("defaults: {qc: {check: off}}\nshots: [{from: a, to: b}, {from: b, to: c}]")
    assert [note.found for note in plan.notes if "checked" in note.found] == ["takes are not checked"]
    assert not rendered(plan).is_checked


CHAIN = "shots: [{from: a, qc: {retakes: 1}}, {from: previous}]"


def continued(plan: FilmPlan) -> str:
    """The take that the second shot begins on."""
    first = rendered(plan, 1).takes[0].take.first
    assert isinstance(first, FramePlate)
    return first.take


def test_a_shot_continues_the_retake_of_a_failed_take(judge: Judge) -> None:
    (first,) = keys(judge(CHAIN))
    failed = judge(CHAIN, {first: BAD})
    assert continued(failed) == keys(failed)[1]
    worse = judge(CHAIN, {first: BAD, keys(failed)[1]: WORSE})
    assert continued(worse) == first


def test_a_chain_that_is_rendered_stays_when_its_first_take_fails_later(judge: Judge) -> None:
    before = judge(CHAIN)
    stored = {keys(before)[0]: BAD, keys(before, 1)[0]: PASSED}
    plan = judge(CHAIN, stored)
    assert (keys(plan), keys(plan, 1)) == (keys(before), keys(before, 1))
    words = "the checks prefer take 2, but 1/020 continues take 1, which stays in the film"
    assert [warning.found for warning in plan.warnings if "prefer" in warning.found] == [words]
    circled = judge("shots: [{from: a, circle: 2}, {from: previous}]", stored)
    assert continued(circled) == keys(circled)[1]
    assert not [warning for warning in circled.warnings if "prefer" in warning.found]
