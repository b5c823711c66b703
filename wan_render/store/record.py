"""take.json: what is known of a finished take, beside its clip.

The file is one JSON object, form 1: `version`, `key`, `take` (every field that decides the pixels, canonical form of
keys.canonical), `files` (SHA-256 and bytes of each), `provenance` (for which shot, on what, how long), `made`
(UTC), `wan_render` (its version).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from wan_render.printable import printable
from wan_render.take import Size

CLIP, PREVIEW, FIRST, LAST, SIDECAR = "clip.mkv", "preview.mp4", "first.png", "last.png", "take.json"

TOGETHER = " + "
"""Between the names of devices that rendered a take together."""


@dataclass(frozen=True)
class Clip:
    """A finished take as files. `frames` at `rate` per second, each of `size`."""

    key: str
    folder: Path
    frames: int
    size: Size
    rate: Fraction

    @property
    def video(self) -> Path:
        """The lossless clip."""
        return self.folder / CLIP

    @property
    def preview(self) -> Path:
        """The same in H.264, for browsers."""
        return self.folder / PREVIEW

    @property
    def sidecar(self) -> Path:
        """What is known of it."""
        return self.folder / SIDECAR

    @property
    def first(self) -> Path | None:
        """The plate that it begins on, where it has one."""
        return _existing(self.folder / FIRST)

    @property
    def last(self) -> Path | None:
        """The plate that it ends on, where it has one."""
        return _existing(self.folder / LAST)


@dataclass(frozen=True)
class FileFact:
    """A file as it was published."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Provenance:
    """How a take came to be: recorded beside it, not in its key.

    film, shot, number: slug, shot id and take number that it was first rendered for. why: why it was rendered.
    model: its name in the storyboard. keyframes: file names of its plates' pictures, by `first` and `last`.
    device, device_label: `cuda:0`, or `cuda:0 + cuda:1` of a group of equal ones, and what that is.
    versions: what Renderer.facts said.
    seconds: of each phase; `waiting` is for another run's lock.
    remarks: what the plan said about this take, such as words of its prompt that the model does not read.
    frames_checked: whether its frames were looked at when it was rendered; earlier versions kept black ones.
    """

    film: str
    shot: str
    number: int
    why: str
    model: str
    keyframes: Mapping[str, str]
    device: str
    device_label: str
    seconds: Mapping[str, float]
    versions: Mapping[str, str]
    remarks: tuple[str, ...] = ()
    frames_checked: bool = False

    @property
    def by_group(self) -> bool:
        """Whether several devices rendered it together."""
        return TOGETHER in self.device


@dataclass(frozen=True)
class TakeRecord:
    """A sidecar as a value. `take` holds the fields of the Take in canonical form."""

    key: str
    take: Mapping[str, Any]
    files: Mapping[str, FileFact]
    provenance: Provenance
    made: datetime
    wan_render: str
    version: Literal[1] = 1

    def clip(self, folder: Path) -> Clip:
        """The clip that this is the record of."""
        return Clip(self.key, folder, self.take["frames"], Size(**self.take["size"]), Fraction(self.take["rate"]))

    def to_json(self) -> bytes:
        """As it stands in take.json."""
        return printable(_adapter().dump_json(self, indent=2).decode()).encode()

    @staticmethod
    def read(file: Path) -> TakeRecord:
        """Raises ValueError for anything that is not a record, OSError where there is none."""
        try:
            return _adapter().validate_json(file.read_bytes())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from error


@cache
def _adapter() -> TypeAdapter[TakeRecord]:
    return TypeAdapter(TakeRecord)


def _existing(file: Path) -> Path | None:
    return file if file.exists() else None
