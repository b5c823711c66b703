"""The film's clock: exact times in, whole frames out. Rounding errors do not add up."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

HALF = Fraction(1, 2)


def nearest_frame(frames: Fraction) -> int:
    """The nearest whole frame, halves up. Python's round would round halves down in some places of a film."""
    return (frames + HALF).__floor__()


@dataclass(frozen=True)
class FilmClock:
    """A moment of the film. exact: the sum of the storyboard's times, in frames. at: the frame that is shown then."""

    rate: Fraction
    exact: Fraction = Fraction(0)
    at: int = 0

    def frames_until(self, seconds: Fraction) -> int:
        """Whole frames from here to `seconds` later. The end is rounded on the film's clock."""
        return nearest_frame(self.exact + seconds * self.rate) - self.at

    def after(self, seconds: Fraction, frames: int) -> FilmClock:
        """The clock after a shot of `seconds` that shows `frames` frames."""
        return FilmClock(self.rate, self.exact + seconds * self.rate, self.at + frames)

    def overlapped(self, frames: int) -> FilmClock:
        """The clock set back by a dissolve."""
        return FilmClock(self.rate, self.exact - frames, self.at - frames)
