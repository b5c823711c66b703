"""take.json: the record of a finished take, next to its clip.

The file is one JSON object, form 1: `version`, `key`, `take` (every field that determines the pixels, in the form of
keys.canonical), `files` (SHA-256 and bytes of each), `provenance` (for which shot, on what device, how long), `made`
(UTC), `wan_render` (its version), `measurements` (what its checks measured; null if it was not measured).
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
from wan_render.quality.measurements import Measurements
from wan_render.take import Size

CLIP, PREVIEW, FIRST, LAST, SIDECAR = "clip.mkv", "preview.mp4", "first.png", "last.png", "take.json"

LATENTS = "latents.safetensors"
"""The latents of a take that another one begins on."""

TOGETHER = " + "
"""Joins the names of devices that rendered a take together."""


@dataclass(frozen=True)
class Clip:
    """The files of a finished take: `frames` frames of `size` at `rate` frames per second."""

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
        """The clip in H.264, for browsers."""
        return self.folder / PREVIEW

    @property
    def sidecar(self) -> Path:
        """Its take.json."""
        return self.folder / SIDECAR

    @property
    def first(self) -> Path | None:
        """The plate that it begins on; None if it has none."""
        return _existing(self.folder / FIRST)

    @property
    def last(self) -> Path | None:
        """The plate that it ends on; None if it has none."""
        return _existing(self.folder / LAST)

    @property
    def latents(self) -> Path | None:
        """Its latents; None if no shot asked for them when it was rendered."""
        return _existing(self.folder / LATENTS)


@dataclass(frozen=True)
class FileFact:
    """The digest and size of a file when it was published."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Provenance:
    """How a take was made: part of its record, but not of its key.

    film, shot, number: slug, shot id and take number that it was first rendered for.
    why:       why it was rendered.
    model:     its name in the storyboard.
    keyframes: `first` and `last` → the file names of its plates' pictures.
    device:    `cuda:0`, or `cuda:0 + cuda:1` for a group of identical devices. device_label: what device that is.
    seconds:   for each phase; `waiting` is the time spent waiting for another run's lock, and until the take before was
             written.
    versions:  the result of Renderer.facts.
    remarks:   what the plan reported about this take, such as words of its prompt that the model does not read.
    frames_checked: whether its frames were checked when it was rendered. Earlier versions did not notice black ones.
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


@dataclass(frozen=True)
class Filled:
    """What is recorded of a take besides its files."""

    provenance: Provenance
    measurements: Measurements | None = None


@dataclass(frozen=True)
class TakeRecord:
    """take.json as a value. take: the canonical fields of the Take. measurements: None if it was not measured."""

    key: str
    take: Mapping[str, Any]
    files: Mapping[str, FileFact]
    provenance: Provenance
    made: datetime
    wan_render: str
    version: Literal[1] = 1
    measurements: Measurements | None = None

    def clip(self, folder: Path) -> Clip:
        """The clip of this record. folder: where its files are."""
        return Clip(self.key, folder, self.take["frames"], Size(**self.take["size"]), Fraction(self.take["rate"]))

    def to_json(self) -> bytes:
        """The content of take.json."""
        return printable(_adapter().dump_json(self, indent=2).decode()).encode()

    @staticmethod
    def read(file: Path) -> TakeRecord:
        """Read a take.json. Raises ValueError if it is not a record, OSError if it cannot be read."""
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
