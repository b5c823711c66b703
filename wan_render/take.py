"""A take: one performance of a shot, fully resolved. It holds everything that decides the pixels
and nothing else; its key is the hash of all of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from typing import Any

from wan_render.keys import canonical, content_key

TAKE_FORM = "take/1"
"""Tag and version of the take's canonical form: to change it renders everything again."""

CONFORM_VERSION = "cover/1"
"""How keyframes are made into plates (see plates.conform); part of every plate, so of every key."""


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
    that the crop keeps as near to its middle as it can.
    """

    picture: str
    size: Size
    focus: tuple[Fraction, Fraction] = (Fraction(1, 2), Fraction(1, 2))
    conform: str = CONFORM_VERSION


@dataclass(frozen=True)
class Sampling:
    """How a model is sampled: resolved, no None left.

    `guidance` has one value for each expert of the model, in the order they are used (high noise first).
    """

    steps: int
    guidance: tuple[float, ...]
    shift: float
    profile: str = "exact"


@dataclass(frozen=True)
class Lora:
    """A LoRA by the SHA-256 of its safetensors file, and its scale."""

    content: str
    scale: float


@dataclass(frozen=True)
class Take:
    """One performance of a shot, as a value.

    backend: the backend's name and pixel version, `animatic/1`.
    model:   declared `repo@revision`, or `sha256:<digest>` for a local folder of weights.
    first, last: the plates it begins and ends on, where it has them.
    frames:  rendered frames, both ends included, on the model's grid; `rate` in frames per second.
    """

    backend: str
    model: str
    first: Plate | None
    last: Plate | None
    prompt: str
    negative: str
    frames: int
    size: Size
    rate: Fraction
    seed: int
    sampling: Sampling
    loras: tuple[Lora, ...] = ()

    def __post_init__(self) -> None:
        if self.last is not None and self.first is None:
            raise ValueError("a take with a last plate needs a first one")
        if self.frames < 1:
            raise ValueError(f"expected at least one frame, got {self.frames}")

    @property
    def kind(self) -> ShotKind:
        """FLF2V with both plates, I2V with the first, T2V with none."""
        if self.first is None:
            return ShotKind.T2V
        return ShotKind.I2V if self.last is None else ShotKind.FLF2V

    @cached_property
    def key(self) -> str:
        """64 hex digits; equal for two takes exactly when all of their fields are."""
        return content_key(TAKE_FORM, self)


def short(key: str) -> str:
    """The first digits of a key, as shown to people and accepted in `circle: 2@7f3a91`."""
    return key[:8]


_WORDS = {
    "negative": "negative prompt",
    "size": "raster",
    "rate": "frame rate",
    "loras": "LoRAs",
    "conform": "fitting of keyframes",
}


def changes(before: Mapping[str, Any], after: Take) -> tuple[str, ...]:
    """What a take differs in from the canonical fields of an earlier one (as in its sidecar), in users' words:
    `prompt`, `seed`, `first keyframe`, `guidance`, …; empty when nothing does.

    Fields that only one of the two has, as after a change of the take's form, are named too.
    """
    told = (_WORDS.get(word, word) for word in _changed(before, canonical(after)))
    return tuple(dict.fromkeys(told))


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in (*after, *(name for name in before if name not in after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if name in ("first", "last"):
            yield from _changed_plate(name, old, new, resized=before.get("size") != after.get("size"))
        elif name == "sampling" and isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changed(old, new)
        else:
            yield name


def _changed_plate(name: str, old: Any, new: Any, *, resized: bool) -> Iterator[str]:
    """Another picture, or the same one fitted otherwise; a new size is told as the raster's."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping) or old.get("picture") != new.get("picture"):
        yield f"{name} keyframe"
        return
    for part in _changed(old, new):
        if part == "focus":
            yield f"focus of the {name} keyframe"
        elif part != "size" or not resized:
            yield part
