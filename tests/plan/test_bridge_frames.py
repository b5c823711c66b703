"""Which frames of two takes a bridge is made of, at any rate of the film and for any length of the takes."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_render.plan.bridge_frames import CONTEXT, LEAST_CONTEXT, BridgeEnd, BridgeModel, bridge_frames

NATIVE = BridgeModel(Fraction(1), 81, 4)
FILM_RATES = (16, 24, 25, 30, 48)


def test_a_bridge_between_two_takes_of_five_seconds() -> None:
    """80 of 81 frames are shown; of the first take, the frames 48 to 63 are kept, and 16 to 32 of the second."""
    found = bridge_frames(BridgeEnd(81, 80), BridgeEnd(81, 0), 16, NATIVE)

    assert (found.before, found.after, found.frames, found.first) == ((48, 16), (16, 17), 65, 16)
    assert found.rendered == 32
    assert not found.moved


def test_takes_that_are_cut_into_keep_their_places() -> None:
    """With `out` in the first and `in` in the second, the frames beyond are not seen."""
    found = bridge_frames(BridgeEnd(81, 40), BridgeEnd(81, 24), 8, NATIVE)

    assert (found.before, found.after[0], found.rendered) == ((16, 16), 32, 16)


def test_a_bridge_that_is_as_long_as_the_model_allows_keeps_few_frames() -> None:
    found = bridge_frames(BridgeEnd(81, 80), BridgeEnd(81, 0), NATIVE.longest, NATIVE)

    assert found.frames <= 81
    assert min(found.before[1], found.after[1]) >= LEAST_CONTEXT


def test_a_take_that_is_too_short_keeps_too_little() -> None:
    assert bridge_frames(BridgeEnd(17, 16), BridgeEnd(81, 0), 14, NATIVE).before[1] < LEAST_CONTEXT
    assert bridge_frames(BridgeEnd(81, 80), BridgeEnd(17, 0), 14, NATIVE).after[1] < LEAST_CONTEXT


@given(
    rate=st.sampled_from(FILM_RATES),
    steps=st.tuples(st.integers(6, 20), st.integers(6, 20)),
    frames=st.integers(1, 30),
    ends=st.tuples(st.integers(0, 12), st.integers(0, 12)),
)
def test_any_bridge_fits_into_both_takes_and_runs_on_in_time(
    rate: int, steps: tuple[int, int], frames: int, ends: tuple[int, int]
) -> None:
    model = BridgeModel(Fraction(16, rate), 81, 4)
    lengths = [4 * each + 1 for each in steps]
    shown = ((lengths[0] - 1) / model.step).__floor__()
    before, after = BridgeEnd(lengths[0], shown - ends[0]), BridgeEnd(lengths[1], ends[1])
    found = bridge_frames(before, after, min(frames, model.longest), model)
    if min(found.before[1], found.after[1]) < LEAST_CONTEXT:
        return
    count = min(frames, model.longest)

    assert found.frames % 4 == 1
    assert found.frames <= 81
    assert found.before[0] >= 0
    assert sum(found.after) <= after.frames
    assert found.before[1] < CONTEXT + model.step.numerator
    # The first film frame of the bridge follows the last one that is shown of the take before it.
    assert found.first * model.step + found.before[0] == (before.joint - count) * model.step
    # Its last one is before the first one that is shown of the take after it; both are as far apart as film frames are.
    last = (found.first + 2 * count - 1) * model.step
    follows = (after.joint + count) * model.step - found.after[0] + found.before[1] + found.rendered
    assert follows - last == model.step - found.moved
    assert abs(found.moved) <= Fraction(1, 2)
    # No frame that is shown lies outside of the bridge, and none that the model renders is shown outside of it.
    assert found.first * model.step >= 0
    assert last <= found.frames - 1
    assert found.first * model.step > found.before[1] - 1
    assert last < found.before[1] + found.rendered + Fraction(1, 2)


@pytest.mark.parametrize(("rate", "longest"), [(16, 35), (24, 51), (25, 42), (30, 59), (48, 105)])
def test_the_longest_bridge_at_each_rate(rate: int, longest: int) -> None:
    assert BridgeModel(Fraction(16, rate), 81, 4).longest == longest
