"""The one table of limits. Every number says where it comes from; `benchmarks/qc` measures them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CHECKS = ("first", "last", "jump", "cut", "freeze", "black", "flat", "noise", "ghost", "sharpness", "drift")
"""The checks, in the order in which they are listed."""


@dataclass(frozen=True)
class Threshold:
    """From when on a measure is flagged, and from when on it fails.

    check:   the check that the measure belongs to. A check with several measures has the worst of their verdicts.
    measure: its name in Measurements.values.
    means:   what it measures, in words.
    flag, fail: the limits; None if the measure never fails.
    bad:     which values are bad: high or low ones.
    source:  where the numbers come from.
    provisional: until real weights or a trained model have been judged.
    """

    check: str
    measure: str
    means: str
    flag: float
    fail: float | None
    bad: Literal["high", "low"]
    source: str
    provisional: bool = True


_FIRST_GUESS = "a first guess"


def _end_rows(name: str) -> tuple[Threshold, ...]:
    frame = f"the {name} frame"
    return (
        Threshold(name, f"{name}_likeness", f"likeness of {frame} to its keyframe", 0.75, 0.42, "low", _FIRST_GUESS),
        Threshold(
            name, f"{name}_mistaken", f"{frame} is more like the other keyframe", 0.05, 0.1, "high", _FIRST_GUESS
        ),
        Threshold(name, f"{name}_colour", f"colour distance of {frame} in Lab", 9, 14, "high", _FIRST_GUESS),
    )


THRESHOLDS = (
    *_end_rows("first"),
    *_end_rows("last"),
    Threshold("jump", "jump", "a step near an end, over its neighbours", 2.1, 2.7, "high", _FIRST_GUESS),
    Threshold("cut", "cut", "a step, over its neighbours", 2.1, 2.7, "high", _FIRST_GUESS),
    Threshold("freeze", "freeze_frames", "frames that stand still in a row", 7, 12, "high", _FIRST_GUESS),
    Threshold("freeze", "freeze_share", "part of the clip that stands still", 0.2, 0.3, "high", _FIRST_GUESS),
    Threshold("black", "black", "black frames", 1, 1, "high", _FIRST_GUESS),
    Threshold("flat", "flat", "frames of one colour", 1, 1, "high", _FIRST_GUESS),
    Threshold("noise", "noise", "how far a frame is noise", 1.1, 1.3, "high", _FIRST_GUESS),
    Threshold("ghost", "ghost", "how well a blend of the keyframes explains it", 0.8, 0.92, "high", _FIRST_GUESS),
    Threshold("ghost", "ghost_moved", "the same of keyframes that move", 0.7, 0.8, "high", _FIRST_GUESS),
    Threshold(
        "sharpness", "sharpness", "steepness of edges, in that of the keyframes", 0.65, 0.57, "low", _FIRST_GUESS
    ),
    Threshold("drift", "drift", "colour shift in Lab", 9, 14, "high", _FIRST_GUESS),
    Threshold("drift", "first_colour", "colour distance of the first frame in Lab", 9, 14, "high", _FIRST_GUESS),
    Threshold("drift", "last_colour", "colour distance of the last frame in Lab", 9, 14, "high", _FIRST_GUESS),
)
