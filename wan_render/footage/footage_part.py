"""Which moments of a video file a film shows, as a value.

A file with evenly spaced frames keeps its own rate: each frame of the result is one of its frames. For others, each
frame of the result is the one that is on screen at its moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wan_render.footage.footage_facts import FootageFacts
from wan_render.take import Size

FOOTAGE_FORM = "footage/1"
"""Tag and version of the keys of conformed footage. Raise it when the same part becomes other frames."""

NEARLY_EQUAL = Fraction(1, 500)
"""Up to this difference, a rate counts as the film's: 23.976 in a film of 24. A frame is repeated every 42 seconds,
instead of making all frames anew."""

_HALF = Fraction(1, 2)


@dataclass(frozen=True)
class FootagePart:
    """A part of a video file.

    footage: the SHA-256 of the file's bytes.
    begin:  where it begins in the file, in seconds.
    frames: how many frames it has, `rate` a second.
    own_rate: that of the file; None if its frames are not evenly spaced.
    focus, fit: how its pictures get the film's shape; see Plate.
    """

    footage: str
    begin: Fraction
    frames: int
    rate: Fraction
    own_rate: Fraction | None
    focus: tuple[Fraction, Fraction] = (_HALF, _HALF)
    fit: str = "cover"


@dataclass(frozen=True)
class SizedFootage:
    """Everything that determines conformed footage: a part at a size."""

    part: FootagePart
    size: Size


def shown_rate(facts: FootageFacts, film: Fraction) -> Fraction:
    """The rate at which a file's frames are taken for a film: its own, unless it has none or nearly the film's."""
    if facts.rate is None or abs(facts.rate - film) <= NEARLY_EQUAL * film:
        return film
    return facts.rate


def nearest_footage_frame(begin: Fraction, own_rate: Fraction) -> int:
    """The frame of a file with evenly spaced frames that a moment means: the nearest."""
    return (begin * own_rate + _HALF).__floor__()
