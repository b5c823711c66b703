"""A pace: at which place of its source an event is in each of its frames. Pure.

A film shows a source evenly. Weights change that: each says how long one step of the source, from frame k to frame
k + 1, is shown in terms of the others. The ends stay where they are, and so does the number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from math import ceil, floor

import numpy as np

from wan_render.cut import Event
from wan_render.retime.motion_curve import Floats

GRAIN = 100
"""Places are whole hundredths of a source frame, so that equal clips give equal paces on every machine."""


@dataclass(frozen=True)
class SourcePart:
    """The part of its source that an event shows: from a place to a place, in `frames` film frames.

    count: the film frames of the event: as many as `frames` if the next event begins at `end`, else one more, which
           shows `end`.
    """

    begin: Fraction
    end: Fraction
    frames: int
    count: int

    @classmethod
    def of(cls, event: Event, film_rate: Fraction, *, continues: bool) -> SourcePart:
        """continues: whether the next event shows a clip that begins where this one ends."""
        each = (event.rate or film_rate) / film_rate
        frames = event.frames if continues else event.frames - 1
        return cls(event.first * each, (event.first + frames) * each, frames, event.frames)

    @property
    def first(self) -> int:
        """The first source frame that is needed; step 0 of `lengths` begins on it."""
        return floor(self.begin)

    @property
    def lengths(self) -> Floats:
        """(steps,) how much of each source step is shown, 0 to 1."""
        ends = np.arange(self.first, ceil(self.end) + 1)
        return np.diff(np.clip(ends, float(self.begin), float(self.end)))

    def evenly(self, at: int) -> Fraction:
        """The place of a film frame without weights."""
        return self.begin + (self.end - self.begin) * at / self.frames


def pace(part: SourcePart, weights: Floats) -> tuple[Fraction, ...] | None:
    """The place of each film frame, in source frames; None if the weights change nothing.

    weights: (steps,) one for each of `part.lengths`, more than 0.
    """
    if part.frames < 1:
        return None
    lengths = part.lengths
    times = np.concatenate([[0.0], np.cumsum(lengths * weights)])
    places = np.concatenate([[0.0], np.cumsum(lengths)]) + float(part.begin)
    moments = np.arange(part.count) * (times[-1] / part.frames)
    wanted = (_place(part, at, float(place)) for at, place in enumerate(np.interp(moments, times, places)))
    found = tuple(accumulate(wanted, max))  # rounding never turns back
    return None if all(place == part.evenly(at) for at, place in enumerate(found)) else found


def _place(part: SourcePart, at: int, place: float) -> Fraction:
    even = part.evenly(at)
    if abs(place - float(even)) * GRAIN < 1:
        return even
    last = part.end if at == part.frames else part.end - Fraction(1, GRAIN)  # the next event shows the end itself
    return min(Fraction(round(place * GRAIN), GRAIN), last)
