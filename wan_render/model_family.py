"""The models that a backend may offer. A backend without models of its own implements none of this.

`Models` (model_card.py) is what reading and planning ask. `ModelFamily` is what the commands `models`, `models pull`,
`doctor` and `plan` ask: which models are published, and what of their weights is on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from wan_render.errors import Problem
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard, Models

WEIGHTS_FACT = "weights"
"""The name under which `Renderer.facts` gives the weights of a take. Its text is that of `Weights.version`."""


@dataclass(frozen=True)
class Weights:
    """The weights of a published model on this machine.

    folder:  None if they are not on this machine.
    bytes:   their size on disk; if they are not here, the size that a pull will take.
    problem: why the model cannot be loaded; None if it can.
    version: exactly which weights: the commit or digest, then, after a space, what else is worth recording.
             "" if they are not here.
    """

    folder: Path | None
    bytes: int
    problem: Problem | None = None
    version: str = ""


@dataclass(frozen=True)
class PullRequest:
    """A published model to download.

    root:     the folder of weights; the model gets a folder of its own in it.
    source:   the hub's name; None for the hub of an earlier pull, or else the family's first hub.
    revision: a branch, tag or commit; None for the one that the model declares.
    """

    card: ModelCard
    root: Path
    source: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class PulledWeights:
    """A complete model on disk. is_new: whether anything was downloaded."""

    folder: Path
    commit: str
    source: str
    bytes: int
    is_new: bool


@dataclass(frozen=True)
class PullSize:
    """What a pull has to do.

    missing:        how many of `files` files have to be downloaded.
    download_bytes: bytes still to be read. disk_bytes: bytes on disk at the end.
    """

    missing: int
    files: int
    download_bytes: int
    disk_bytes: int


class PullWatch(Protocol):
    """Follows the progress of a pull. Called by one thread at a time."""

    def begin(self, size: PullSize) -> None:
        """The download starts."""
        ...

    def advance(self, count: int) -> None:
        """`count` more bytes were read. Negative if bytes have to be read again."""
        ...

    def say(self, text: str) -> None:
        """Show one sentence, for example that a file is complete or a connection was lost."""
        ...


class ModelFamily(Protocol):
    """The models of one backend. Needs no heavy library, no device and, except for `pull`, no network."""

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The published models, in the order of listings."""
        ...

    def catalogue(self, cache: FactCache) -> Models:
        """The models for reading and planning: the published ones, and local folders."""
        ...

    def weights(self, card: ModelCard) -> Weights:
        """What this machine has of a published model."""
        ...

    def pull(self, request: PullRequest, watch: PullWatch) -> PulledWeights:
        """Download a model's weights. Files that are already here are verified.

        Raises UsageError for an unknown source or revision; MachineError, WeightsError, DiskError; Stopped.
        """
        ...


@runtime_checkable
class HasModels(Protocol):
    """A backend with models of its own."""

    @property
    def family(self) -> ModelFamily:
        """Its models."""
        ...
