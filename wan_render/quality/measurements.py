"""What was measured in a clip. take.json keeps this and nothing else of quality control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MEASURING = 10
"""The version of the measures. It goes up when a measure changes its meaning, so that old takes can be measured
again."""

LEAST_FRAMES = 2
"""One frame is a picture, not a clip: it is never measured."""


@dataclass(frozen=True)
class Measurements:
    """The numbers of one clip.

    frames:  how many frames were measured.
    motion:  the median difference of neighbouring frames (small_frames.frame_difference), 0 to 1. Seams need it.
    values:  by the name of the measure (thresholds.THRESHOLDS explains them). A measure that does not apply is None.
    places:  the frame, counted from 0, where a measure has its value; only for measures that have a place.
    version: of the measures.
    """

    frames: int
    motion: float
    values: Mapping[str, float | None]
    places: Mapping[str, int] = field(default_factory=dict)
    version: int = MEASURING
