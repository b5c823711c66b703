"""The stages on the way to a clip, each named by what decides it and kept: words, CLIP's and the VAE's view of the
keyframes, latents. What one take has worked out serves the next, in this process and in others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from safetensors.torch import load, save

from wan_render.backends.wan.pipeline.finite import is_finite, refused
from wan_render.keys import content_key
from wan_render.render_values import Pixels, Stage, Stages
from wan_render.take import short

MEMORY_BYTES = 1_000_000_000
"""Stages kept in this process's memory as well: 200 prompts, or 100 shots' keyframes at 480p."""


@dataclass(frozen=True)
class StageModel:
    """What a stage is computed by. model: its identity; weights: exactly which (location.resolved); dtype: of the
    component, as torch calls it."""

    model: str
    weights: str
    dtype: str


class StageKey(Protocol):
    """Everything that decides a stage's numbers, as a value."""

    TAG: ClassVar[str]
    MADE_BY: ClassVar[str]
    """The component that computes it, in words."""

    @property
    def what(self) -> str:
        """In words, for listings."""
        ...

    @property
    def take(self) -> str:
        """The key of the take that it is for, "" where others may need it."""
        ...


@dataclass(frozen=True)
class TextKey:
    """A text's embedding: (1, its tokens, features), without the padding."""

    TAG: ClassVar[str] = "stage/text/1"
    MADE_BY: ClassVar[str] = "text encoder"
    take: ClassVar[str] = ""
    source: StageModel
    text: str

    @property
    def what(self) -> str:
        """The first words of the text."""
        return f"text {' '.join(self.text.split())[:40]!r}"


@dataclass(frozen=True)
class PictureKey:
    """CLIP's view of one picture: (1, tokens, features). picture: digest of its pixels; processor: what scales it."""

    TAG: ClassVar[str] = "stage/picture/1"
    MADE_BY: ClassVar[str] = "image encoder (CLIP)"
    take: ClassVar[str] = ""
    source: StageModel
    processor: str
    picture: str

    @property
    def what(self) -> str:
        """Which picture."""
        return f"CLIP's view of picture {short(self.picture)}"


@dataclass(frozen=True)
class PairKey:
    """CLIP's view of two pictures in one batch: (2, tokens, features). first, last: digests of their pixels."""

    TAG: ClassVar[str] = "stage/pair/1"
    MADE_BY: ClassVar[str] = "image encoder (CLIP)"
    take: ClassVar[str] = ""
    source: StageModel
    processor: str
    first: str
    last: str

    @property
    def what(self) -> str:
        """Which pictures."""
        return f"CLIP's view of pictures {short(self.first)} and {short(self.last)}"


@dataclass(frozen=True)
class ConditionKey:
    """The VAE's view of a shot's keyframes, in their places in `frames` frames: normalised latents. first, last:
    digests of their pixels, "" for none."""

    TAG: ClassVar[str] = "stage/condition/1"
    MADE_BY: ClassVar[str] = "VAE"
    take: ClassVar[str] = ""
    source: StageModel
    first: str
    last: str
    frames: int

    @property
    def what(self) -> str:
        """Which pictures, and in how many frames."""
        pictures = " and ".join(short(digest) for digest in (self.first, self.last) if digest)
        return f"VAE's view of {pictures} in {self.frames} frames"


@dataclass(frozen=True)
class LatentsKey:
    """The denoised latents of a take, whose key covers everything that decides them but exactly which weights, and
    their types."""

    TAG: ClassVar[str] = "stage/latents/1"
    MADE_BY: ClassVar[str] = "transformer"
    take: str
    sources: tuple[StageModel, ...]

    @property
    def what(self) -> str:
        """Of which take."""
        return f"latents of take {short(self.take)}"


class StageCache:
    """Stages in memory and in `stages`, made where they are not there. For one thread."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._memory: dict[str, torch.Tensor] = {}  # the one used longest ago first

    def knows(self, key: StageKey) -> bool:
        """Whether it need not be made."""
        return self.find(key) is not None

    def find(self, key: StageKey) -> torch.Tensor | None:
        """A stage that was made before, in host memory. One that is not finite, as earlier versions kept them, is not
        there."""
        stage = _stage(key)
        found = self._memory.pop(stage.key, None)
        if found is None and (content := self._stages.find(stage)) is not None:
            found = load(content)["stage"]
            if not is_finite(found):
                return None
        if found is not None:
            self._remember(stage, found)
        return found

    def of(
        self, key: StageKey, make: Callable[[], torch.Tensor], maker: Callable[[], torch.nn.Module] | None = None
    ) -> torch.Tensor:
        """A stage, in host memory, bit for bit as `make` made it. Raises RenderError for values that are not finite:
        they are not kept. maker: gives what makes it, in whose weights the cause is then looked for."""
        found = self.find(key)
        if found is None:
            found = make().detach().cpu().contiguous()
            if not is_finite(found):
                raise refused(key.what, key.MADE_BY, None if maker is None else maker())
            self._stages.keep(_stage(key), save({"stage": found}))
            self._remember(_stage(key), found)
        return found

    def _remember(self, stage: Stage, tensor: torch.Tensor) -> None:
        if stage.take:  # of no use for the takes that follow
            return
        self._memory[stage.key] = tensor
        size = sum(each.nbytes for each in self._memory.values())
        while size > MEMORY_BYTES and len(self._memory) > 1:
            oldest = next(iter(self._memory))
            size -= self._memory.pop(oldest).nbytes


def tensor_digest(picture: Pixels) -> str:
    """SHA-256 of a picture's shape and pixels."""
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).hexdigest()


def _stage(key: StageKey) -> Stage:
    return Stage(content_key(key.TAG, key), key.what, key.take)
