"""`through`: when a shot reaches the keyframes on its way."""

from __future__ import annotations

import pytest

from tests.plan.conftest import Mistakes, Plan
from wan_render.plan import FilmPlan, Rendered


def passed(plan: FilmPlan) -> list[int]:
    content = plan.shots[0].content
    assert isinstance(content, Rendered)
    return [leg.frame for leg in content.takes[0].take.through]


@pytest.mark.parametrize(
    ("through", "frames"),
    [
        ("b", [40]),
        ("[b, c, d]", [20, 40, 60]),
        ("[b, c]", [28, 52]),  # 26.7 and 53.3 on a grid of 4
        ("[{keyframe: b, at: 1s}, c]", [16, 48]),
        ("[b, {keyframe: c, at: 2s}, d]", [16, 32, 56]),
        ("[{keyframe: b, at: 32f}]", [32]),
        ("[{keyframe: b, at: 0.25s}, {keyframe: c, at: 4.75s}]", [4, 76]),
    ],
)
def test_keyframes_stand_where_they_are_written_and_else_evenly(plan: Plan, through: str, frames: list[int]) -> None:
    film = plan(f"shots: [{{from: a, through: {through}, to: e}}]")
    assert passed(film) == frames
    assert not [warning for warning in film.warnings if "between two frames" in warning.found]


def test_a_time_off_the_grid_is_moved_and_told(plan: Plan) -> None:
    film = plan("shots: [{from: a, through: {keyframe: b, at: 2.1s}, to: c}]")
    assert passed(film) == [32]
    (told,) = [str(warning) for warning in film.warnings if "through" in warning.where]
    assert "2.1s is between two possible times of a keyframe; one every 0.25s; it is moved to 2s" in told


@pytest.mark.parametrize(
    ("shot", "found"),
    [
        ("through: [{keyframe: b, at: 5s}]", "b is reached at 5s"),
        ("through: [{keyframe: b, at: 9s}]", "b is reached at 9s"),
        ("through: [{keyframe: b, at: 0.1s}]", "b is reached at 0s"),
        ("through: [{keyframe: b, at: 3s}, {keyframe: c, at: 2s}]", "b is reached at 3s"),
        ("through: [b, {keyframe: c, at: 0.25s}]", "b is reached at"),
        ("duration: 0.5s, through: [b, c]", "2 keyframes in `through` for a take of 9 frames"),
    ],
)
def test_times_that_cannot_be_are_mistakes(mistakes: Mistakes, shot: str, found: str) -> None:
    (told,) = mistakes(f"shots: [{{from: a, to: e, {shot}}}]")
    assert found in told
    assert "through" in told


def test_each_way_may_be_as_long_as_the_model_was_trained_for(plan: Plan, mistakes: Mistakes) -> None:
    film = plan("shots: [{from: a, through: [b, c, d], to: e, duration: 20s}]")
    assert not [warning for warning in film.warnings if "trained" in warning.allowed + warning.found]
    film = plan("shots: [{from: a, through: [b], to: e, duration: 12s}]")
    assert "97 frames between two keyframes" in str(film.warnings)
    (told,) = mistakes("shots: [{from: a, through: [b], to: e, duration: 30s}]")
    assert "241 frames between two keyframes" in told


def test_the_way_there_has_its_own_action_or_the_shots(plan: Plan) -> None:
    text = "look: {style: oil}\nshots: [{from: a, through: [{keyframe: b, action: up}, c], to: d, SAID}]"
    for said, prompts in (("action: on", ["oil, up", "oil, on"]), ("prompt: whole", ["oil, up", "whole"])):
        content = plan(text.replace("SAID", said)).shots[0].content
        assert isinstance(content, Rendered)
        take = content.takes[0].take
        assert [*(leg.prompt for leg in take.through), take.prompt] == [*prompts, prompts[-1]]


def test_neighbours_on_the_way_are_compared(plan: Plan) -> None:
    film = plan("shots: [{from: a, through: [a], to: e}]")
    assert [warning.found for warning in film.warnings if "identical" in warning.found] == [
        "a and a are nearly identical: 1/010"
    ]
