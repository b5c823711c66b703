"""What fewer steps would give at any speed, take by take."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Curve:
    """Points in the order of their speed, each with the PSNR of every take."""

    points: tuple[tuple[float, tuple[float, ...]], ...]

    @staticmethod
    def of(points: Iterable[tuple[float, tuple[float, ...]]]) -> Curve | None:
        """None without points."""
        ordered = tuple(sorted(points))
        return Curve(ordered) if ordered else None

    def at(self, speed: float) -> tuple[float, ...] | None:
        """The PSNR of every take at a speed, between the two nearest points, even in the logarithm of the speed. None
        if it is slower or faster than all."""
        for (slower, below), (faster, above) in pairwise(self.points):
            if slower <= speed <= faster:
                share = math.log(speed / slower) / math.log(faster / slower)
                return tuple(one + share * (other - one) for one, other in zip(below, above, strict=True))
        return None


def gain(psnr: Sequence[float], other: Sequence[float] | None) -> str:
    """How much nearer takes are than the same takes in another way, and in how many of them; empty without one."""
    if other is None:
        return ""
    nearer = sum(one > two for one, two in zip(psnr, other, strict=True))
    return f"{with_error(psnr, other)} ({nearer} of {len(psnr)})"


def with_error(psnr: Sequence[float], other: Sequence[float]) -> str:
    """The mean difference of the same takes, with its standard error."""
    differences = [one - two for one, two in zip(psnr, other, strict=True)]
    if len(differences) < 2:
        return f"{differences[0]:+.2f}"
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return f"{statistics.fmean(differences):+.2f} ± {error:.2f}"
