"""A take: one performance of a shot, fully resolved. It holds everything that decides the pixels
and nothing else; its key is the hash of all of its fields."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from wan_render.keys import ADDED_LATER, content_key

TAKE_FORM = "take/1"
"""Tag and version of the take's canonical form: to change it renders everything again."""

CONFORM_VERSION = "cover/1"
"""How keyframes are made into plates (see plates.conform); part of every plate, so of every key."""

FINE_CONFORM_VERSION = "cover/2"
"""The same for pictures that `cover/1` reads too coarsely: with more than 8 bits a channel, which are dithered, or with
colours that are stated otherwise than by an ICC profile."""

FRAME_VERSION = "frame/1"
"""How a frame of another take is made into a plate: taken over as it is."""


class ShotKind(StrEnum):
    """What a model is asked for; it follows from the plates that a shot has."""

    T2V = "t2v"
    I2V = "i2v"
    FLF2V = "flf2v"


@dataclass(frozen=True, order=True)
class Size:
    """Width and height in pixels, both positive."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"expected a positive size, got {self}")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Plate:
    """A keyframe conformed to a size: which bytes, and how they are fitted.

    `picture` is the SHA-256 of the file's bytes; `focus` is (from left, from top), each 0 to 1: the point
    that the crop keeps as near to its middle as it can. `fit`: `cover` crops the picture, `contain` shows all of it on
    black, `blur` over an enlarged, blurred copy of itself.
    """

    picture: str
    size: Size
    focus: tuple[Fraction, Fraction] = (Fraction(1, 2), Fraction(1, 2))
    conform: str = CONFORM_VERSION
    fit: str = field(default="cover", metadata=ADDED_LATER)

    @property
    def shows(self) -> str:
        """Equal for two plates that show the same picture."""
        return self.picture


@dataclass(frozen=True)
class FramePlate:
    """A frame of another take, bit for bit: the end of the shot before, or a keyframe painted by a model.

    `take` is that take's key, so whatever changes it changes this; `frame` counts from 0; `size` is that take's, which
    is also the size that it is used at.
    """

    take: str
    frame: int
    size: Size
    conform: str = FRAME_VERSION

    @property
    def shows(self) -> str:
        """Equal for two plates that show the same picture."""
        return f"{self.take}:{self.frame}"


AnyPlate = Plate | FramePlate


ProfileVariant = tuple[str, str]
"""A profile and its variant: together they say how a take is computed."""


@dataclass(frozen=True)
class Sampling:
    """How a model is sampled: resolved, no None left.

    `guidance` has one value for each expert of the model, in the order they are used (high noise first).
    variant: how the profile is computed, where it can be in several ways; "" is the strongest of them, and the only one
             that there was once.
    """

    steps: int
    guidance: tuple[float, ...]
    shift: float
    profile: str = "exact"
    variant: str = field(default="", metadata=ADDED_LATER)

    @property
    def way(self) -> ProfileVariant:
        """How it is computed."""
        return self.profile, self.variant

    @property
    def is_guided(self) -> bool:
        """Whether any expert uses the negative prompt: guidance of 1 or less leaves it without effect."""
        return any(value > 1.0 for value in self.guidance)


@dataclass(frozen=True)
class Lora:
    """A LoRA by the SHA-256 of its safetensors file, and its scale.

    expert: which transformer of a model with two wears it: `high`, `low` (noise), or `both`. Of a file with a part for
    each of them every transformer wears its own part: `each` of them, or only one (`high part`, `low part`).
    """

    content: str
    scale: float
    expert: str = field(default="both", metadata=ADDED_LATER)

    @property
    def by_part(self) -> bool:
        """Whether the file has a part for each of two transformers."""
        return self.expert == "each" or self.expert.endswith(" part")

    def is_worn_by(self, expert: str) -> bool:
        """Whether the transformer for `high` or for `low` noise wears it."""
        return self.expert.removesuffix(" part") in (expert, "both", "each")


@dataclass(frozen=True)
class Leg:
    """The way to a picture that a take passes through: what it shows, the frame (from 0) that is this picture, and the
    prompt of the way there."""

    plate: AnyPlate
    frame: int
    prompt: str


@dataclass(frozen=True)
class Take:
    """One performance of a shot, as a value.

    backend: the backend's name and pixel version, `animatic/1`.
    model:   declared `repo@revision`, or `sha256:<digest>` for a local folder of weights.
    first, last: the plates it begins and ends on, where it has them.
    frames:  rendered frames, both ends included, on the model's grid; `rate` in frames per second.
    through: the pictures between first and last, in order; `prompt` is then that of the way to `last`. Such a take is
             joined from its `segments`, which are rendered.
    """

    backend: str
    model: str
    first: AnyPlate | None
    last: AnyPlate | None
    prompt: str
    negative: str
    frames: int
    size: Size
    rate: Fraction
    seed: int
    sampling: Sampling
    loras: tuple[Lora, ...] = ()
    through: tuple[Leg, ...] = field(default=(), metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        if self.last is not None and self.first is None:
            raise ValueError("a take with a last plate needs a first one")
        if self.frames < 1:
            raise ValueError(f"expected at least one frame, got {self.frames}")
        passed = [0, *(leg.frame for leg in self.through), self.frames - 1]
        if self.through and (self.last is None or any(now <= before for before, now in pairwise(passed))):
            raise ValueError(f"expected pictures on the way from first to last, in order, got frames {passed}")

    @property
    def kind(self) -> ShotKind:
        """FLF2V with both plates, I2V with the first, T2V with none."""
        if self.first is None:
            return ShotKind.T2V
        return ShotKind.I2V if self.last is None else ShotKind.FLF2V

    @property
    def segments(self) -> tuple[Take, ...]:
        """The takes that it is joined from, each beginning on the picture that the one before ends on; none without
        `through`. A segment is a take like any other: an equal shot shares it."""
        if not self.through:
            return ()
        stops = (*self.through, Leg(self.last, self.frames - 1, self.prompt)) if self.last is not None else ()
        starts = (Leg(self.first, 0, ""), *self.through) if self.first is not None else ()
        return tuple(
            replace(
                self,
                first=start.plate,
                last=stop.plate,
                prompt=stop.prompt,
                frames=stop.frame - start.frame + 1,
                through=(),
            )
            for start, stop in zip(starts, stops, strict=True)
        )

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Keys of the takes that must be there before this one can be made: its segments, or those that the plates
        are frames of."""
        if self.through:
            return tuple(dict.fromkeys(segment.key for segment in self.segments))
        plates = (self.first, self.last)
        return tuple(dict.fromkeys(plate.take for plate in plates if isinstance(plate, FramePlate)))

    @cached_property
    def key(self) -> str:
        """64 hex digits; equal for two takes exactly when all of their fields are."""
        return content_key(TAKE_FORM, self)


def short(key: str) -> str:
    """The first digits of a key, as shown to people and accepted in `circle: 2@7f3a91`."""
    return key[:8]
