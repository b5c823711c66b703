"""What a model family says of weights, and what it is asked to do with them: pulling a model, importing one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wan_render.errors import Problem
from wan_render.model_card import ModelCard, NamedParts


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
class ImportRequest:
    """Files in other layouts, to be made into a model.

    paths: files of weights, and folders with them. root: the folder of weights; the model gets a folder in it, with
    this name or that of its transformer's file. high, low: the two experts, if the model has two. tokenizer: a folder
    with its tokenizer. like: the published model whose numbers are used, where its build leaves several.
    """

    paths: tuple[Path, ...]
    root: Path
    name: str | None = None
    high: Path | None = None
    low: Path | None = None
    tokenizer: Path | None = None
    like: str | None = None

    @property
    def parts(self) -> NamedParts:
        """The files, without the place where the model is written."""
        return NamedParts(self.paths, self.high, self.low, self.tokenizer, self.like)


@dataclass(frozen=True)
class ImportedModel:
    """A model that was made from other files. like: the card of the published model whose numbers are used."""

    folder: Path
    like: ModelCard
    bytes: int


@dataclass(frozen=True)
class ListedModel:
    """A model in the folder of weights that is no published one. like: the known model that it is built like; "" if it
    is damaged. problem: why it cannot be loaded; None if it can."""

    name: str
    folder: Path
    kinds: tuple[str, ...]
    like: str
    bytes: int
    problem: Problem | None = None


@dataclass(frozen=True)
class PullSize:
    """What a pull has to do.

    missing:        how many of `files` files have to be downloaded.
    download_bytes: bytes still to be read. disk_bytes: bytes on disk at the end. doing: what is done with the files.
    """

    missing: int
    files: int
    download_bytes: int
    disk_bytes: int
    doing: str = "download"


class PullWatch(Protocol):
    """Follows the progress of a pull. Called by one thread at a time."""

    def begin(self, size: PullSize) -> None:
        """The download starts."""

    def advance(self, count: int) -> None:
        """`count` more bytes were read. Negative if bytes have to be read again."""

    def say(self, text: str) -> None:
        """Show one sentence, for example that a file is complete or a connection was lost."""
