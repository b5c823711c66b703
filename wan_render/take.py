"""A take: one rendering of a shot, fully resolved. It holds everything that determines the pixels, and nothing else.
Its key is the hash of all of its fields."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from wan_render.keys import ADDED_LATER, content_key

TAKE_FORM = "take/1"
"""Tag and version of the take's canonical form. Changing it renders everything again."""

CONFORM_VERSION = "cover/1"
"""The version of how keyframes become plates (see plates.conform). Part of every plate, and so of every key."""

FINE_CONFORM_VERSION = "cover/2"
"""The same for pictures that `cover/1` reads too coarsely: those with more than 8 bits per channel, which are dithered,
and those whose colours are not stated by an ICC profile."""

FRAME_VERSION = "frame/1"
"""The same for a frame of another take, which is used unchanged."""

LATENTS_VERSION = "latents/1"
"""The same for a frame of another take that is handed over as that take's latents."""


class ShotKind(StrEnum):
    """What a model has to do. It follows from the plates of the take, or from its bridge."""

    T2V = "t2v"
    I2V = "i2v"
    FLF2V = "flf2v"
    BRIDGE = "bridge"


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
    """A keyframe fitted to a size: which bytes, and how they are fitted.

    picture: the SHA-256 of the file's bytes.
    focus:   (from left, from top), each 0 to 1: the point that the crop keeps as close to its centre as possible.
    fit:     `cover` crops the picture; `contain` shows all of it on black; `blur` shows all of it on an enlarged,
             blurred copy of itself.
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
    """A frame of another take, bit for bit: the end of the previous shot, or a keyframe painted by a model.

    take:  the key of that take, so that whatever changes it changes this.
    frame: counted from 0.
    size:  that take's size, which is also the size at which the frame is used.
    conform: FRAME_VERSION, or LATENTS_VERSION if the model continues that take's latents.
    """

    take: str
    frame: int
    size: Size
    conform: str = FRAME_VERSION

    @property
    def shows(self) -> str:
        """Equal for two plates that show the same picture."""
        return f"{self.take}:{self.frame}"

    @property
    def is_latents(self) -> bool:
        """Whether the model gets that take's latents, and not only the picture."""
        return self.conform == LATENTS_VERSION


AnyPlate = Plate | FramePlate


ProfileVariant = tuple[str, str]
"""A profile and its variant. Together they determine how a take is computed."""


@dataclass(frozen=True)
class Sampling:
    """How a model is sampled, fully resolved.

    guidance: one value for each expert of the model, in the order of their use (high noise first).
    variant:  how the profile is computed, if it has several variants. "" is the strongest one, and the only one that
              existed at first.
    guided_share: the share of the steps, the first ones, that are guided; above 0, at most 1.
    """

    steps: int
    guidance: tuple[float, ...]
    shift: float
    profile: str = "exact"
    variant: str = field(default="", metadata=ADDED_LATER)
    guided_share: float = field(default=1.0, metadata=ADDED_LATER)

    @property
    def profile_variant(self) -> ProfileVariant:
        """The profile and its variant."""
        return self.profile, self.variant

    @property
    def is_guided(self) -> bool:
        """Whether any expert uses the negative prompt. With guidance of 1 or less, it has no effect."""
        return any(value > 1.0 for value in self.guidance)

    @property
    def guided_steps(self) -> int:
        """How many of the steps, the first ones, are guided by experts that guide: at least one."""
        return max(1, round(self.guided_share * self.steps))

    def done_after(self, share: float) -> float:
        """Which share of the work is done after a share of the steps. A step without guidance is half of one with it,
        if experts guide at all."""
        if not self.is_guided:
            return share
        return (share + min(share, self.guided_share)) / (1 + self.guided_share)


@dataclass(frozen=True)
class Lora:
    """A LoRA, by the SHA-256 of its safetensors file, and its scale.

    expert: which transformer uses it if the model has two: `high`, `low` (noise) or `both`. If the file has a part for
            each transformer, each uses its own part: `each` of them, or only one (`high part`, `low part`).
    """

    content: str
    scale: float
    expert: str = field(default="both", metadata=ADDED_LATER)

    @property
    def by_part(self) -> bool:
        """Whether the file has a part for each of two transformers."""
        return self.expert == "each" or self.expert.endswith(" part")

    def is_used_by(self, expert: str) -> bool:
        """Whether an expert uses it. expert: `high` or `low` (noise)."""
        return self.expert.removesuffix(" part") in (expert, "both", "each")


@dataclass(frozen=True)
class Leg:
    """A keyframe that a take passes through, and the segment that leads to it.

    plate: the keyframe. frame: the frame of the take that shows it, from 0. prompt: the prompt of the segment.
    """

    plate: AnyPlate
    frame: int
    prompt: str


@dataclass(frozen=True)
class TakePart:
    """Frames [first, first + frames) of another take, bit for bit. take: its key."""

    take: str
    first: int
    frames: int

    def __post_init__(self) -> None:
        if self.first < 0 or self.frames < 1:
            raise ValueError(f"expected one frame or more from frame 0 on, got {self}")


@dataclass(frozen=True)
class Bridge:
    """What a take leads from and to. It begins with the frames `before` and ends with the frames `after`; only those
    between them are rendered."""

    before: TakePart
    after: TakePart


@dataclass(frozen=True)
class Take:
    """One rendering of a shot, as a value.

    backend: the backend's name and pixel version, `animatic/1`.
    model:   the declared `repo@revision`, or `sha256:<digest>` of a local folder of weights.
    first, last: the plates that it begins and ends on; None if it has none.
    frames:  rendered frames, both ends included, on the model's grid.
    rate:    frames per second.
    through: the keyframes between first and last, in order. Only the `segments` of such a take are rendered; then they
             are joined. `prompt` is the prompt of the last segment.
    bridge:  the frames of two other takes that it begins and ends with. Such a take has no plates.
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
    bridge: Bridge | None = field(default=None, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        if self.last is not None and self.first is None:
            raise ValueError("a take with a last plate needs a first one")
        if self.frames < 1:
            raise ValueError(f"expected at least one frame, got {self.frames}")
        passed = [0, *(leg.frame for leg in self.through), self.frames - 1]
        if self.through and (self.last is None or any(now <= before for before, now in pairwise(passed))):
            raise ValueError(f"expected keyframes between first and last, in order, got frames {passed}")
        if self.bridge is not None and (self.first is not None or self.through):
            raise ValueError("a bridge has no plates")

    @property
    def kind(self) -> ShotKind:
        """FLF2V with both plates, I2V with only the first, T2V with none, unless it is a bridge."""
        if self.bridge is not None:
            return ShotKind.BRIDGE
        if self.first is None:
            return ShotKind.T2V
        return ShotKind.I2V if self.last is None else ShotKind.FLF2V

    @property
    def segments(self) -> tuple[Take, ...]:
        """The takes that it is joined from; empty without `through`. Each begins on the frame on which the previous one
        ends. A segment is a take like any other: an equal shot shares it."""
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
        """Keys of the takes that must be finished before this one can be made: its segments, the takes on both sides of
        a bridge, or the takes whose frames are its plates."""
        if self.bridge is not None:
            return tuple(dict.fromkeys((self.bridge.before.take, self.bridge.after.take)))
        if self.through:
            return tuple(dict.fromkeys(segment.key for segment in self.segments))
        plates = (self.first, self.last)
        return tuple(dict.fromkeys(plate.take for plate in plates if isinstance(plate, FramePlate)))

    @property
    def continues_latents(self) -> bool:
        """Whether it begins on the latents of another take. Of a take with `through`, that is its first segment."""
        return isinstance(self.first, FramePlate) and self.first.is_latents and not self.through

    @cached_property
    def key(self) -> str:
        """64 hex digits; equal for two takes exactly when all of their fields are."""
        return content_key(TAKE_FORM, self)


def short(key: str) -> str:
    """The first 8 digits of a key, as shown to users and accepted in `circle: 2@7f3a91`."""
    return key[:8]
