"""What is reported of one version of a film, as values: the report reads this and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from wan_render.render_values import Phase
from wan_render.take import Size


@dataclass(frozen=True)
class ReviewTake:
    """One take of a shot as shown for review.

    state:    `rendered` in this run, `found` in the store, `kept` by a pin, or `missing`.
    preview, clip: its H.264 preview and its lossless clip, as they lie in the store; both None where it is missing, the
              preview also where it could not be made.
    frames:   of its clip, both ends included. settings: every resolved setting, in words, in order.
    seconds:  what each phase took when it was rendered; why: why it was rendered ("prompt changed").
    """

    number: int
    key: str
    seed: int
    state: str
    chosen: bool
    preview: Path | None
    clip: Path | None
    frames: int
    prompt: str
    negative: str
    settings: Mapping[str, str]
    seconds: Mapping[str, float]
    device: str
    why: str

    @property
    def spent(self) -> float:
        """Seconds that it took to render: every phase but waiting for another run."""
        return sum(seconds for phase, seconds in self.seconds.items() if phase != Phase.WAITING)


@dataclass(frozen=True)
class ShownCrop:
    """A keyframe's whole picture with what is kept in a frame, and the share of it that is cropped, 0 to 1."""

    picture: Path
    lost: float


@dataclass(frozen=True)
class ReviewShot:
    """One shot of the film.

    id:      "1/020"; what: what it is, in a word: `flf2v`, `i2v`, `t2v`, `still`, `card`.
    action:  what happens in it; the text of a card.
    start, frames: its film frames, half-open [start, start + frames), `hold` included: the last picture is frozen for
             that many of them.
    first:   the frame of the chosen take's clip that it begins on; it shows [first, first + frames - hold) of it.
    keyframes: (name, picture file) as conformed, in the order they are passed. slate: why it is missing, or None.
    crops:   by the name of a keyframe that loses much to cropping: all of it, with what is kept in a frame.
    """

    id: str
    slugline: str | None
    action: str | None
    notes: str | None
    what: str
    model: str | None
    start: int
    frames: int
    first: int
    hold: int
    keyframes: tuple[tuple[str, Path], ...]
    takes: tuple[ReviewTake, ...]
    slate: str | None
    crops: Mapping[str, ShownCrop] = field(default_factory=dict)


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
