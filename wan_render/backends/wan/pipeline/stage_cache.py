"""A cache of the stages of a take: embeddings of texts and keyframes, and latents. Each has a key of everything that
decides it, so later takes reuse it, in this process and in others.
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
"""The most bytes of stages that are also kept in this process: 200 prompts, or the keyframes of 100 shots at 480p."""


@dataclass(frozen=True)
class StageModel:
    """What computes a stage. model: its identity. weights: their exact version (location.resolved). dtype: of the
    component, as torch calls it."""

    model: str
    weights: str
    dtype: str


class StageKey(Protocol):
    """Everything that decides the numbers of a stage."""

    TAG: ClassVar[str]
    MADE_BY: ClassVar[str]
    """The component that computes it, in words."""

    @property
    def what(self) -> str:
        """A description for listings."""

    @property
    def take(self) -> str:
        """The key of the only take that can use it; "" if others can."""


@dataclass(frozen=True)
class TextKey:
    """The embedding of a text: (1, its tokens, features), not padded."""

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
    """CLIP's view of one picture: (1, tokens, features). picture: digest of its pixels. processor: class that scales
    it."""

    TAG: ClassVar[str] = "stage/picture/1"
    MADE_BY: ClassVar[str] = "image encoder (CLIP)"
    take: ClassVar[str] = ""
    source: StageModel
    processor: str
    picture: str

    @property
    def what(self) -> str:
        """The picture, by its digest."""
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
        """The pictures, by their digests."""
        return f"CLIP's view of pictures {short(self.first)} and {short(self.last)}"


@dataclass(frozen=True)
class ConditionKey:
    """The normalised latents of a video of `frames` frames with the keyframes at its ends. first, last: digests of
    their pixels, "" for none."""

    TAG: ClassVar[str] = "stage/condition/1"
    MADE_BY: ClassVar[str] = "VAE"
    take: ClassVar[str] = ""
    source: StageModel
    first: str
    last: str
    frames: int

    @property
    def what(self) -> str:
        """The pictures, and the number of frames."""
        pictures = " and ".join(short(digest) for digest in (self.first, self.last) if digest)
        return f"VAE's view of {pictures} in {self.frames} frames"


@dataclass(frozen=True)
class ControlKey:
    """The normalised latents of a bridge's video: what is kept, then what is rendered. before, after: digests of the
    frames on both sides. frames: of the whole video."""

    TAG: ClassVar[str] = "stage/control/1"
    MADE_BY: ClassVar[str] = "VAE"
    take: ClassVar[str] = ""
    source: StageModel
    before: str
    after: str
    frames: int

    @property
    def what(self) -> str:
        """Both sides, and the number of frames."""
        return f"VAE's view of a bridge from {short(self.before)} to {short(self.after)} in {self.frames} frames"


@dataclass(frozen=True)
class LatentsKey:
    """The denoised latents of a take. The take's key decides them together with the exact weights and their types."""

    TAG: ClassVar[str] = "stage/latents/1"
    MADE_BY: ClassVar[str] = "transformer"
    take: str
    sources: tuple[StageModel, ...]

    @property
    def what(self) -> str:
        """The take, by its key."""
        return f"latents of take {short(self.take)}"


class StageCache:
    """Stages in memory and in `stages`. Not thread-safe."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._memory: dict[str, torch.Tensor] = {}  # the one used longest ago first

    def knows(self, key: StageKey) -> bool:
        """Whether the stage is cached."""
        return self.find(key) is not None

    def find(self, key: StageKey) -> torch.Tensor | None:
        """A cached stage, in host memory; None if there is none. Stages that are not finite, which earlier versions
        kept, are ignored."""
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
        """A stage, in host memory, bit for bit as `make` made it. Values that are not finite are not kept; they raise
        RenderError. maker: gives the component that makes it; the cause is looked for in its weights."""
        found = self.find(key)
        if found is None:
            found = make().detach().cpu().contiguous()
            if not is_finite(found):
                raise refused(key.what, key.MADE_BY, None if maker is None else maker())
            self._stages.keep(_stage(key), save({"stage": found}))
            self._remember(_stage(key), found)
        return found

    def _remember(self, stage: Stage, tensor: torch.Tensor) -> None:
        if stage.take:  # later takes cannot use it
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
