"""The film's clock: whole frames of exact time, with errors that never add up."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from wan_render.plan.clock import FilmClock, nearest_frame

RATES = st.sampled_from([Fraction(16), Fraction(24), Fraction(30), Fraction(25), Fraction(24000, 1001)])
SECONDS = st.fractions(Fraction(1, 10), Fraction(60), max_denominator=1000)
MOMENTS = st.fractions(-1000, 1000)


@given(MOMENTS, st.integers(-1000, 1000))
def test_rounding_is_the_same_at_every_moment_of_a_film(moment: Fraction, frames: int) -> None:
    assert nearest_frame(moment + frames) == nearest_frame(moment) + frames
    assert abs(nearest_frame(moment) - moment) <= Fraction(1, 2)


@given(RATES, st.lists(SECONDS, min_size=1, max_size=50))
def test_the_frames_of_all_shots_are_the_rounded_length_of_the_film(rate: Fraction, shots: list[Fraction]) -> None:
    clock, frames = FilmClock(rate), 0
    for seconds in shots:
        shown = clock.frames_until(seconds)
        assert abs(shown - seconds * rate) <= 1
        clock, frames = clock.after(seconds, shown), frames + shown
    assert frames == clock.at == nearest_frame(sum(shots, Fraction(0)) * rate)


@given(RATES, st.lists(st.tuples(SECONDS, st.integers(0, 2)), min_size=1, max_size=50))
def test_dissolves_keep_the_film_on_its_clock(rate: Fraction, shots: list[tuple[Fraction, int]]) -> None:
    clock = FilmClock(rate)
    for seconds, overlap in shots:
        clock = clock.after(seconds, clock.frames_until(seconds)).overlapped(overlap)
    exact = sum((seconds * rate - overlap for seconds, overlap in shots), Fraction(0))
    assert clock.exact == exact
    assert clock.at == nearest_frame(exact)


@given(RATES, SECONDS, SECONDS)
def test_a_frame_lost_at_the_end_of_a_take_is_made_good_by_the_next_shot(
    rate: Fraction, first: Fraction, second: Fraction
) -> None:
    start = FilmClock(rate)
    short = start.after(first, start.frames_until(first) - 1)
    assert short.at + short.frames_until(second) == nearest_frame((first + second) * rate)
