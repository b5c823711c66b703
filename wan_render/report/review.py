"""What is reported of one version of a film, as values: the report reads this and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from wan_render.take import Size


@dataclass(frozen=True)
class ReviewTake:
    """One take of a shot as shown for review.

    state:    `rendered` in this run, `found` in the store, `kept` by a pin, or `missing`.
    preview:  its H.264 preview; None where it is missing. settings: every resolved setting, in words, in order.
    seconds:  what each phase took when it was rendered; why: why it was rendered ("prompt changed").
    """

    number: int
    key: str
    seed: int
    state: str
    chosen: bool
    preview: Path | None
    prompt: str
    negative: str
    settings: Mapping[str, str]
    seconds: Mapping[str, float]
    device: str
    why: str


@dataclass(frozen=True)
class ReviewShot:
    """One shot of the film. start, frames: its film frames; keyframes: (name, picture file) as conformed;
    slate: why it is missing from the film, or None."""

    id: str
    slugline: str | None
    action: str | None
    notes: str | None
    what: str
    model: str | None
    start: int
    frames: int
    keyframes: tuple[tuple[str, Path], ...]
    takes: tuple[ReviewTake, ...]
    slate: str | None


@dataclass(frozen=True)
class Review:
    """One version of a film. `video` is the finished film, in the folder that the report is written into."""

    title: str
    slug: str
    version: str
    storyboard: str
    video: Path
    frames: int
    rate: Fraction
    delivery: Size
    backend: str
    preview: str
    made: datetime
    tool: str
    warnings: tuple[str, ...]
    shots: tuple[ReviewShot, ...]
