"""Paces: where a shot is in its source, by weights of its steps."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wan_render.cut import ClipSource, Event
from wan_render.retime.gaps import gaps
from wan_render.retime.late_jump import evened_steps, evening_weights
from wan_render.retime.pace import SourcePart, pace


@given(
    st.integers(2, 40),
    st.integers(0, 9),
    st.sampled_from([16, 24, 30]),
    st.sampled_from([16, 24]),
    st.sampled_from([0, 1]),
    st.integers(0, 99),
)
def test_a_pace_begins_and_ends_where_the_shot_does_and_never_turns_back(
    frames: int, first: int, rate: int, source: int, joined: int, seed: int
) -> None:
    film_rate, is_joined = Fraction(rate), bool(joined)
    event = Event("a", ClipSource("a"), first, frames, rate=None if rate == source else Fraction(source))
    part = SourcePart.of(event, film_rate, continues=is_joined)
    weights = np.random.default_rng(seed).uniform(0.2, 4, len(part.lengths))
    found = pace(part, weights) or tuple(map(part.evenly, range(frames)))
    assert len(found) == frames
    assert found[0] == event.source_position(0, film_rate)
    assert is_joined or abs(found[-1] - event.source_position(frames - 1, film_rate)) < Fraction(1, 100)
    assert all(one <= other for one, other in pairwise(found))
    assert found[-1] < part.end or not is_joined
    assert sum(len(gap.parts) for gap in gaps(event, film_rate, continues=is_joined)) == frames
    assert pace(part, np.full(len(part.lengths), 2.5)) is None


def test_weights_move_the_middle_and_leave_what_is_outside() -> None:
    speeds = np.array([1.0] * 10 + [7.0] + [1.0] * 3)
    steps = evened_steps(speeds, 10)
    assert steps is not None
    assert (steps.leap, steps.end) == (7, 14)
    weights = evening_weights(speeds, steps)
    even = speeds / weights
    assert np.allclose(even[steps.first : steps.end], even[steps.first])
    assert even[steps.first] <= 1.5
    found = pace(SourcePart.of(Event("a", ClipSource("a"), 0, 15), Fraction(16), continues=False), weights)
    assert found is not None
    assert found[: steps.first + 1] == tuple(map(Fraction, range(steps.first + 1)))
    assert found[-1] == 14
    assert evened_steps(np.ones(12), 8) is None
