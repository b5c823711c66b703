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


_BENCH = "benchmarks/qc, November 2026: "
"""Clean clips and faults of the half that sets limits, with a set of 150 clean and 176 faulty clips made before."""

_OTHER = "another set, November 2026: "
"""157 clean clips and 198 faults, made to attack the checks."""


def _end_rows(name: str) -> tuple[Threshold, ...]:
    frame = f"the {name} frame"
    like = f"{_BENCH}clean ends from 0.88, with a lamp that goes out 0.50; other pictures up to 0.31"
    mistaken = f"{_BENCH}clean ends 0 at most; the other keyframe from 0.7. The limit is for keyframes that are alike"
    light = f"{_OTHER}clean ends up to 1.9, with gamma 2.2 from 15"
    colour = f"{_BENCH}clean ends up to 8.7, tinted ones from 15"
    return (
        Threshold(name, f"{name}_likeness", f"likeness of {frame} to its keyframe", 0.75, 0.42, "low", like),
        Threshold(name, f"{name}_mistaken", f"{frame} is more like the other keyframe", 0.05, 0.1, "high", mistaken),
        Threshold(name, f"{name}_light", f"distance of {frame} in lightness, 0 to 100", 5, 10, "high", light),
        Threshold(name, f"{name}_colour", f"colour distance of {frame} in Lab", 9, 14, "high", colour),
    )


_STEP = f"{_BENCH}clean clips up to 2.3, some on fours more; nineteen faults in twenty from 2.8"
_HELD = "12 frames are 0.75 s at 16 fps; a short clip cannot stand still that long"
_NONE = f"{_BENCH}clean clips have none"
_COLOUR = "as for `first` and `last`: the ends may drift as well"

THRESHOLDS = (
    *_end_rows("first"),
    *_end_rows("last"),
    Threshold("jump", "jump", "a step near an end, over its neighbours", 2.1, 2.8, "high", _STEP),
    Threshold("cut", "cut", "a step, over its neighbours", 2.1, 2.8, "high", _STEP),
    Threshold("freeze", "freeze_frames", "frames that stand still in a row", 7, 12, "high", _HELD),
    Threshold("freeze", "freeze_share", "part of the clip that stands still", 0.2, 0.3, "high", _HELD),
    Threshold("black", "black", "black frames", 1, 1, "high", _NONE),
    Threshold("flat", "flat", "frames of one colour", 1, 1, "high", _NONE),
    Threshold("flat", "white", "white frames", 1, 1, "high", _NONE),
    Threshold(
        "noise", "noise", "how far a frame is noise", 1.1, 1.3, "high", f"{_BENCH}clean up to 1.16, noise from 1.45"
    ),
    Threshold(
        "ghost",
        "ghost",
        "how well a blend of the keyframes explains it",
        0.8,
        0.92,
        "high",
        f"{_BENCH}clean up to 0.73, one wall of bricks 0.9; dissolves from 0.95",
    ),
    Threshold(
        "ghost",
        "ghost_moved",
        "the same of keyframes that move",
        0.7,
        0.8,
        "high",
        f"{_BENCH}clean up to 0.33, the same wall 0.9; dissolves from 0.97, of the animatic from 0.88",
    ),
    Threshold(
        "sharpness",
        "sharpness",
        "steepness of edges, in that of the keyframes",
        0.65,
        0.57,
        "low",
        f"{_BENCH}clean from 0.69, a whip pan of another set 0.59; blurs up to 0.54, a box blur 0.58",
    ),
    Threshold(
        "sharpness", "blocks", "how far a frame is blocks", 2.2, 3, "high", f"{_OTHER}clean up to 1.9, blocks from 3.9"
    ),
    Threshold(
        "drift",
        "chroma",
        "change of chroma in Lab",
        6.5,
        9,
        "high",
        f"{_OTHER}clean up to 4.9, in benchmarks/qc two whip pans 8.2 and 11; faults from 9.4",
    ),
    Threshold(
        "drift",
        "drift",
        "colour shift in Lab",
        12,
        18,
        "high",
        f"{_BENCH}clean up to 12.2, of another set 13.4; weaker drifts than this change the chroma",
    ),
    Threshold("drift", "first_colour", "colour distance of the first frame in Lab", 9, 14, "high", _COLOUR),
    Threshold("drift", "last_colour", "colour distance of the last frame in Lab", 9, 14, "high", _COLOUR),
)
