"""`render.gpus`: inherited like every setting of rendering, and in no key."""

from __future__ import annotations

import pytest

from tests.plan.conftest import Plan
from wan_render.errors import StoryboardError
from wan_render.plan import FilmPlan, Rendered


def asked(film: FilmPlan) -> list[int | None]:
    """For each shot; None leaves it open. All takes of a shot, and what they are joined from, ask for the same."""
    found: list[int | None] = []
    for shot in film.shots:
        assert isinstance(shot.content, Rendered)
        takes = [take.take for take in shot.content.takes]
        numbers = {film.gpus.get(each.key) for take in takes for each in (take, *take.segments)}
        assert len(numbers) == 1
        found += numbers
    return found


def test_film_scene_and_shot_inherit_the_number(plan: Plan) -> None:
    film = plan(
        "defaults: {render: {gpus: 2}}\n"
        "scenes:\n"
        "  - shots: [{from: a}, {from: b, takes: 2, render: {gpus: 1}}, {from: c, render: {gpus: AUTO}}]\n"
        "  - render: {gpus: 4}\n"
        "    shots: [{from: d}, {from: a, through: [b], to: c}]\n"
    )
    assert asked(film) == [2, 1, None, 4, 4]


def test_nothing_is_asked_where_nothing_is_written(plan: Plan) -> None:
    assert not plan("shots: [{from: a}]\n").gpus


def test_no_key_knows_it(plan: Plan) -> None:
    without, with_gpus = plan("shots: [{from: a}]\n"), plan("shots: [{from: a, render: {gpus: 2}}]\n")
    assert list(without.by_key) == list(with_gpus.by_key)


def test_a_take_of_two_shots_has_the_first_number_that_is_named(plan: Plan) -> None:
    film = plan("shots: [{from: a}, {from: a, render: {gpus: 4}}, {from: a, render: {gpus: 2}}]\n")
    assert asked(film) == [4, 4, 4]


def test_a_painted_keyframe_inherits_from_the_film_and_has_its_own(plan: Plan) -> None:
    head = "version: 1\nfilm: {title: Harbour}\ndefaults: {render: {gpus: 8}}\n"
    film = plan(
        head + "keyframes: {sea: {prompt: a sea}, sky: {prompt: a sky, render: {gpus: 2}}}\n"
        "shots: [{from: sea, to: sky}]\n"
    )
    assert [film.gpus[film.paintings[name].key] for name in ("sea", "sky")] == [8, 2]


@pytest.mark.parametrize("number", ["3", "0", "16", "many"])
def test_other_numbers_are_a_mistake(plan: Plan, number: str) -> None:
    with pytest.raises(StoryboardError, match=f"'{number}' is not a number of devices; allowed: auto, 1, 2, 4, 8"):
        plan(f"shots: [{{from: a, render: {{gpus: {number}}}}}]\n")
