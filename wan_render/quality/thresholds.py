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

THRESHOLDS = (
    Threshold("first", "first_likeness", "likeness of the first frame to its keyframe", 0.75, 0.5, "low", _FIRST_GUESS),
    Threshold("first", "first_colour", "colour difference of the first frame, in Lab", 12, 20, "high", _FIRST_GUESS),
    Threshold("last", "last_likeness", "likeness of the last frame to its keyframe", 0.75, 0.5, "low", _FIRST_GUESS),
    Threshold("last", "last_colour", "colour difference of the last frame, in Lab", 12, 20, "high", _FIRST_GUESS),
    Threshold("jump", "jump", "largest step near an end, in steps of the clip", 3, 4, "high", _FIRST_GUESS),
    Threshold("cut", "cut", "largest step inside, in steps of the clip", 3, 4, "high", _FIRST_GUESS),
    Threshold("freeze", "freeze", "frames in a row that stand still", 8, 16, "high", _FIRST_GUESS),
    Threshold("black", "black", "black frames", 1, 1, "high", _FIRST_GUESS),
    Threshold("flat", "flat", "frames of one colour", 1, 1, "high", _FIRST_GUESS),
    Threshold("noise", "noise", "fine detail, in that of the keyframes", 4, 8, "high", _FIRST_GUESS),
    Threshold("ghost", "ghost", "share that a blend of the keyframes explains", 0.75, 0.9, "high", _FIRST_GUESS),
    Threshold("sharpness", "sharpness", "detail, in that of the keyframes", 0.3, 0.15, "low", _FIRST_GUESS),
    Threshold("drift", "drift", "colour shift from the keyframes, in Lab", 15, 25, "high", _FIRST_GUESS),
)
