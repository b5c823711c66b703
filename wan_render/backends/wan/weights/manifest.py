"""wan-render.json beside a model's weights: what was downloaded, from where, and what became of it.

One JSON object, form 1. In a folder that is not whole yet it lists the files that are done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wan_render.store.disk import write_whole

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MANIFEST = "wan-render.json"


@dataclass(frozen=True)
class PulledFile:
    """A file on disk: `bytes` and `sha256` as it lies there; `downloaded_bytes` and `checksum` as the hub listed it.

    converted: `bfloat16` where its float32 weights were rounded, or "".
    """

    bytes: int
    sha256: str
    downloaded_bytes: int
    checksum: str
    converted: Literal["", "bfloat16"] = ""


@dataclass(frozen=True)
class Manifest:
    """Where a folder of weights comes from.

    source, address: the hub's name here and its address. revision: as asked for; commit: what that was.
    """

    model: str
    repository: str
    source: str
    address: str
    revision: str
    commit: str
    pulled: datetime
    wan_render: str
    files: Mapping[str, PulledFile]
    version: Literal[1] = 1

    def with_file(self, path: str, file: PulledFile) -> Manifest:
        """The same with one file more."""
        return replace(self, files={**self.files, path: file})

    def without(self, path: str) -> Manifest:
        """The same with one file less."""
        return replace(self, files={name: file for name, file in self.files.items() if name != path})

    @property
    def is_converted(self) -> bool:
        """Whether any file was rounded to bfloat16."""
        return any(file.converted for file in self.files.values())

    def write(self, folder: Path) -> None:
        """Into the folder. Raises OSError."""
        write_whole(folder / MANIFEST, _adapter().dump_json(self, indent=2))


def manifest_of(folder: Path) -> Manifest | None:
    """The folder's manifest, None where it has none that can be read."""
    try:
        return _adapter().validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None


@cache
def _adapter() -> TypeAdapter[Manifest]:
    from pydantic import TypeAdapter

    return TypeAdapter(Manifest)
