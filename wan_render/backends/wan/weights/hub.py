"""The seam to a hub: what a repository holds at a revision, and where each file is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wan_render.backends.wan.weights.web import Site


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository.

    path:     inside the repository, with `/`.
    size:     bytes.
    checksum: what the hub says of its bytes: `sha256:<64 hex digits>`, or `git:<40>`, the name of its git blob.
    url:      where its bytes are.
    """

    path: str
    size: int
    checksum: str
    url: str


@dataclass(frozen=True)
class Listing:
    """A repository at a revision. `commit` is what the revision resolved to; every file is of it."""

    commit: str
    files: tuple[RemoteFile, ...]


class Hub(Protocol):
    """Somewhere that models are published."""

    @property
    def title(self) -> str:
        """Its name as people write it."""
        ...

    @property
    def branch(self) -> str:
        """Its name of the branch that models are published on."""
        ...

    @property
    def site(self) -> Site:
        """How its files are read."""
        ...

    def listing(self, repository: str, revision: str) -> Listing:
        """What the repository holds. Raises UsageError where there is no such repository or revision, MachineError
        where the hub cannot be reached."""
        ...
