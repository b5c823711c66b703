"""What is made of a finished film besides film.mp4, as values."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from wan_render.authored import DeliverableForm
from wan_render.take import Size

CROP_SHAPES: Mapping[DeliverableForm, Size] = {"square": Size(1, 1), "vertical": Size(9, 16)}
"""Deliverables that are cropped by each shot's focus, with their shapes."""

MOVING_PICTURES: tuple[DeliverableForm, ...] = ("gif", "webp")
LIKE_THE_FILM: tuple[DeliverableForm, ...] = ("preview", "square", "vertical")
"""Made as film.mp4 is, in H.264. All others are composed with 16 bits per channel, and dithered to what they have."""

ENCODERS: Mapping[DeliverableForm, tuple[str, ...]] = {
    "hevc10": ("libx265",),
    "av1": ("libsvtav1", "libaom-av1"),
    "prores422hq": ("prores_ks",),
    "prores4444": ("prores_ks",),
    "png": ("png",),
    "poster": ("png",),
    "gif": ("gif",),
    "webp": ("libwebp_anim",),
}
"""The encoders of ffmpeg that can make each form, the best first. Others need only those of every film."""

BYTES_PER_PIXEL: Mapping[DeliverableForm, float] = {
    "hevc10": 0.06,
    "av1": 0.05,
    "prores422hq": 0.7,
    "prores4444": 1.1,
    "png": 2.2,
    "poster": 2.2,
    "preview": 0.03,
    "webp": 0.3,
    "gif": 1.0,
    "square": 0.06,
    "vertical": 0.06,
}
"""About how large a frame is: more than a drawn picture with noise needed (`docs/finishing.md`)."""


@dataclass(frozen=True)
class PlannedDeliverable:
    """A file to make of the film. size, rate, frames: of its pictures."""

    form: DeliverableForm
    size: Size
    rate: Fraction
    frames: int

    @property
    def bytes(self) -> int:
        """About how large it becomes."""
        return round(self.size.width * self.size.height * self.frames * BYTES_PER_PIXEL[self.form]) + 100_000

    @property
    def in_words(self) -> str:
        """`vertical, 404x720`."""
        return f"{self.form}, {self.size}"


@dataclass(frozen=True)
class FocusPoint:
    """Where the focus is at a moment. at: film frames since its shot began; it may lie before or after what is shown.
    left, top: 0 to 1, of the raster."""

    at: Fraction
    left: Fraction
    top: Fraction

    @property
    def place(self) -> tuple[Fraction, Fraction]:
        """From left, from top."""
        return self.left, self.top


def focus_at(points: Sequence[FocusPoint], at: Fraction) -> tuple[Fraction, Fraction]:
    """Where the focus is at a moment: it stands still before the first point and after the last, and moves evenly from
    one to the next."""
    after = bisect_right([point.at for point in points], at)
    if after == 0 or after == len(points):
        return points[0 if after == 0 else -1].place
    one, other = points[after - 1], points[after]
    part = (at - one.at) / (other.at - one.at)
    return one.left + part * (other.left - one.left), one.top + part * (other.top - one.top)


@dataclass(frozen=True)
class FilmDeliverables:
    """What is made of a film besides film.mp4. first_timecode: of its first frame, in film frames. poster: the film
    frame that the poster shows; None for one from the middle of the first shot. focus: shot id → around what it is
    cropped; empty if nothing is cropped."""

    wanted: tuple[PlannedDeliverable, ...] = ()
    first_timecode: int = 0
    poster: int | None = None
    focus: Mapping[str, tuple[FocusPoint, ...]] = field(default_factory=dict)

    @property
    def is_cropped(self) -> bool:
        """Whether a deliverable is cropped around the focus of each shot."""
        return any(each.form in CROP_SHAPES for each in self.wanted)


ONLY_THE_FILM = FilmDeliverables()


def encoder_of(form: DeliverableForm, encoders: Collection[str]) -> str:
    """The encoder that makes a form with this ffmpeg. Raises LookupError if it has none."""
    return next(name for name in ENCODERS[form] if name in encoders)
