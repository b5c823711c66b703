"""The film's own clock: exact time in, whole frames out, with errors that never add up."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

HALF = Fraction(1, 2)


def nearest_frame(frames: Fraction) -> int:
    """To the nearest whole frame, halves up: unlike Python's round, it treats every moment of a film alike."""
    return (frames + HALF).__floor__()


@dataclass(frozen=True)
class FilmClock:
    """A moment of the film. exact: as the storyboard's times add up, in frames; at: the frame that is shown there."""

    rate: Fraction
    exact: Fraction = Fraction(0)
    at: int = 0

    def frames_until(self, seconds: Fraction) -> int:
        """Whole frames from here to `seconds` later, out-point rounded on the film's clock."""
        return nearest_frame(self.exact + seconds * self.rate) - self.at

    def after(self, seconds: Fraction, frames: int) -> FilmClock:
        """The clock when `seconds` are told and `frames` are shown of it."""
        return FilmClock(self.rate, self.exact + seconds * self.rate, self.at + frames)

    def overlapped(self, frames: int) -> FilmClock:
        """The clock set back by a dissolve."""
        return FilmClock(self.rate, self.exact - frames, self.at - frames)
