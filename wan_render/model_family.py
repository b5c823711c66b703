"""The models that a backend may bring along. A backend without models of its own implements nothing of this.

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
"""Under this name `Renderer.facts` says which weights a take came from. The text is that of `Weights.version`."""


@dataclass(frozen=True)
class Weights:
    """The weights of a published model on this machine.

    folder:  None where they are not here.
    bytes:   on disk; for weights that are not here, what a pull will take.
    problem: why the model cannot be loaded; None where it can.
    version: exactly which weights: the commit or digest first, then, after a space, what else is worth recording.
             "" where they are not here.
    """

    folder: Path | None
    bytes: int
    problem: Problem | None = None
    version: str = ""


@dataclass(frozen=True)
class PullRequest:
    """A published model to bring to this machine.

    root:     the folder of weights; the model gets a folder of its own in it.
    source:   the hub's name; None for the one that is there already, or else the family's first.
    revision: a branch, tag or commit; None for the one that the model declares.
    """

    card: ModelCard
    root: Path
    source: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class PulledWeights:
    """A whole model on disk. is_new: whether anything was downloaded."""

    folder: Path
    commit: str
    source: str
    bytes: int
    is_new: bool


@dataclass(frozen=True)
class PullSize:
    """What is ahead of a pull.

    missing: files still to be downloaded, of `files`. download_bytes: still to be read. disk_bytes: on disk at the end.
    """

    missing: int
    files: int
    download_bytes: int
    disk_bytes: int


class PullWatch(Protocol):
    """Hears how far a pull is. Called by one thread at a time."""

    def begin(self, size: PullSize) -> None:
        """Downloading begins."""
        ...

    def advance(self, count: int) -> None:
        """So many bytes more were read; negative where they have to be read again."""
        ...

    def say(self, text: str) -> None:
        """One sentence: a file is there, a connection was lost."""
        ...


class ModelFamily(Protocol):
    """The models of one backend. Inert: asking needs no heavy library, no device and no network, except `pull`."""

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The published models, in the order in which they are listed."""
        ...

    def catalogue(self, cache: FactCache) -> Models:
        """The models for reading and planning: the published ones, and local folders."""
        ...

    def weights(self, card: ModelCard) -> Weights:
        """What is here of a published model."""
        ...

    def pull(self, request: PullRequest, watch: PullWatch) -> PulledWeights:
        """Bring a model's weights; those that are here are checked.

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
