"""wan-render.json beside a model's weights: what was downloaded, from where, and how it was converted.

One JSON object, form 1. In a partial folder it lists the finished files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from wan_render.store.disk import write_whole

MANIFEST = "wan-render.json"


@dataclass(frozen=True)
class PulledFile:
    """A file on disk: `bytes` and `sha256` of the file itself; `downloaded_bytes` and `checksum` as the hub lists it.

    converted: `bfloat16` if float32 weights were rounded, else "".
    """

    bytes: int
    sha256: str
    downloaded_bytes: int
    checksum: str
    converted: Literal["", "bfloat16"] = ""

    def is_at(self, place: Path) -> bool:
        """Whether a file of its size is there."""
        return place.is_file() and place.stat().st_size == self.bytes


@dataclass(frozen=True)
class Manifest:
    """Where a folder of weights comes from.

    source: the hub's name in `--source`. address: its URL. revision: as requested. commit: what it resolved to.
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

    def write(self, folder: Path) -> None:
        """Into the folder. Raises OSError."""
        write_whole(folder / MANIFEST, _FORM.dump_json(self, indent=2))


_FORM = TypeAdapter(Manifest)


def manifest_of(folder: Path) -> Manifest | None:
    """The folder's manifest; None if there is none, or if it is unreadable."""
    try:
        return _FORM.validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
