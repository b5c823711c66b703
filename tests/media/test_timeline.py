from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media.films import CUT, cut_of
from wan_render.cut import Event
from wan_render.media.frame_layers import Layer, film_layers
from wan_render.plan import CardText, PlannedJoint

HALF = Fraction(1, 2)


def card(frames: int, joint: PlannedJoint | None = CUT, hold: int = 0) -> Event:
    return Event("", CardText(""), 0, frames, hold, joint)


def weights(*events: Event, fades: tuple[int, int] = (0, 0)) -> list[list[tuple[int, int, Fraction]]]:
    return [
        [(layer.event, layer.offset, layer.weight) for layer in layers]
        for layers in film_layers(cut_of(*events, fades=fades))
    ]


def test_cut_events_follow_each_other_alone() -> None:
    one = Fraction(1)
    assert [layers for (layers,) in weights(card(2), card(1, hold=1))] == [
        (0, 0, one),
        (0, 1, one),
        (1, 0, one),
        (1, 1, one),
    ]


def test_a_dissolve_has_even_steps_and_repeats_neither_neighbour() -> None:
    third, two_thirds = Fraction(1, 3), Fraction(2, 3)
    assert weights(card(3, PlannedJoint("dissolve", 2)), card(3)) == [
        [(0, 0, 1)],
        [(0, 1, two_thirds), (1, 0, third)],
        [(0, 2, third), (1, 1, two_thirds)],
        [(1, 2, 1)],
    ]


def test_a_fade_goes_down_and_comes_up_through_black() -> None:
    third, two_thirds = Fraction(1, 3), Fraction(2, 3)
    assert [layers[0][2] for layers in weights(card(4, PlannedJoint("fade", 5)), card(4))] == (
        [1, two_thirds, third, 0, 0, HALF, 1, 1]
    )


def test_the_film_fades_in_from_black_and_out_to_black() -> None:
    assert [layers[0][2] for layers in weights(card(3), card(3), fades=(2, 2))] == [0, HALF, 1, 1, HALF, 0]


def test_a_fade_of_the_film_covers_a_dissolve() -> None:
    assert weights(card(2, PlannedJoint("dissolve", 2)), card(2), fades=(0, 2)) == [
        [(0, 0, Fraction(1, 3)), (1, 0, Fraction(1, 6))],
        [(0, 1, 0), (1, 1, 0)],
    ]


def test_three_events_can_overlap() -> None:
    first, second, third = weights(card(2, PlannedJoint("dissolve", 2)), card(3, PlannedJoint("dissolve", 2)), card(3))[
        1
    ]
    assert (first[:2], second[:2], third[:2]) == ((0, 1), (1, 1), (2, 0))
    assert first[2] + second[2] + third[2] == 1


joints = st.builds(PlannedJoint, st.sampled_from(["cut", "dissolve", "fade", "continuous"]), st.integers(0, 5))


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 4), joints), min_size=1, max_size=8))
def test_any_film_has_every_frame_and_every_event_in_order(parts: list[tuple[int, int, PlannedJoint]]) -> None:
    lengths = [frames + hold for frames, hold, _ in parts]
    events = [
        card(frames, PlannedJoint(joint.kind, min(joint.frames, *lengths[index : index + 2])), hold)
        for index, (frames, hold, joint) in enumerate(parts)
    ]
    cut = cut_of(*events)
    layers = list(film_layers(cut))
    assert len(layers) == cut.frames
    for index, (start, event) in enumerate(zip(cut.starts, events, strict=True)):
        assert [layer.offset for part in layers for layer in part if layer.event == index] == list(range(event.length))
        assert [layer.event for layer in layers[start]][-1] >= index
    assert all(0 <= sum(layer.weight for layer in part) <= 1 for part in layers)


def test_a_layer_is_a_value() -> None:
    layer = Layer(0, 0, HALF)
    with pytest.raises(AttributeError):
        layer.weight = Fraction(1)  # type: ignore[misc]
