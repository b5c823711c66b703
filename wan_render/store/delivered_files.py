"""Deliverables of one version of a film: films/<slug>/v001/deliverables/, each published complete.

    <slug>-v001-hevc10.mp4, <slug>-v001-hevc10.provenance.json, <slug>-v001-png/ …
    deliverables.json    what was made: form, key, file, SHA-256, bytes

A version's other files are sealed when it is published. Deliverables are made afterwards, one at a time, so the film
is there first, and an older film can still get them. The key of a deliverable is the hash of everything it was made
from: one that is there is not made again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from wan_render.printable import logger
from wan_render.store.disk import disk_errors, file_digest, flush, flush_tree, write_whole
from wan_render.take import Size

LOG = logger("wan_render.store")

DELIVERABLES, DELIVERED_RECORD = "deliverables", "deliverables.json"


@dataclass(frozen=True)
class DeliveredFile:
    """A deliverable on disk. file: the name of its file or folder. sha256: of the file; of a folder, of the list of its
    files. bytes: of all of it."""

    form: str
    key: str
    size: Size
    rate: str
    frames: int
    file: str = ""
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class _Record:
    """deliverables.json as a value."""

    deliverables: tuple[DeliveredFile, ...] = ()
    version: Literal[1] = 1


class DeliveredFiles:
    """The folder of a film version's deliverables. It is created when the first one is made. The caller holds the
    film's lock while it changes something."""

    def __init__(self, version: Path) -> None:
        """version: the folder of the film's version."""
        self.folder = version / DELIVERABLES

    def all(self) -> tuple[DeliveredFile, ...]:
        """Every deliverable that was made, in the order in which they were made. Hashes nothing."""
        return self._record().deliverables

    def paths(self) -> tuple[Path, ...]:
        """The files and folders of all deliverables."""
        return tuple(self.path(each) for each in self.all())

    def path(self, delivered: DeliveredFile) -> Path:
        """The file or folder of a deliverable."""
        return self.folder / Path(delivered.file).name

    def find(self, key: str) -> DeliveredFile | None:
        """The deliverable with this key, if it is as it was made."""
        delivered = self.known(key)
        if delivered is None:
            return None
        try:
            found = _digest(self.path(delivered))
        except OSError:
            found = ""
        if found == delivered.sha256:
            return delivered
        LOG.warning("the deliverable %s is gone or was changed, and will be made again", self.path(delivered))
        return None

    def known(self, key: str) -> DeliveredFile | None:
        """The deliverable with this key, by its record only."""
        return next((each for each in self.all() if each.key == key), None)

    def publish(self, made: DeliveredFile, suffix: str, stem: str, write: Callable[[Path], None]) -> DeliveredFile:
        """Write a deliverable beside its place, and rename it into it.

        made: what is known of it; file, sha256 and bytes are filled in. stem: the name that it gets, `river-v001-av1`;
        with a number if another one has that name. suffix: `.mp4`; "" for a folder. write: writes the file or folder
        that it is given. Raises DiskError, and whatever `write` raises; nothing is visible then.
        """
        others = tuple(each for each in self.all() if each.key != made.key)
        name = next(name for name in _names(stem, suffix) if name not in {each.file for each in others})
        with disk_errors(self.folder):
            self._clear_parts()
            part = self.folder / f".part-{stem}"
            part.mkdir(parents=True)
        try:
            write(part / name)
            with disk_errors(self.folder):
                delivered = DeliveredFile(**{**vars(made), "file": name, **_facts(part / name)})
                flush_tree(part)
                target = self.folder / name
                _remove(target)  # a damaged one, or one of a run that was killed before it was recorded
                (part / name).rename(target)
                flush(self.folder)
                record = _adapter().dump_json(_Record((*others, delivered)), indent=2)
                write_whole(self.folder / DELIVERED_RECORD, record)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return delivered

    def _clear_parts(self) -> None:
        for part in self.folder.glob(".part-*"):
            shutil.rmtree(part, ignore_errors=True)

    def _record(self) -> _Record:
        file = self.folder / DELIVERED_RECORD
        try:
            return _adapter().validate_json(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return _Record()
        except (OSError, ValueError) as error:
            LOG.warning("%s cannot be read (%s): deliverables are made again", file, error)
            return _Record()


def _names(stem: str, suffix: str) -> Iterator[str]:
    yield f"{stem}{suffix}"
    number = 2
    while True:
        yield f"{stem}-{number}{suffix}"
        number += 1


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _facts(path: Path) -> dict[str, str | int]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {"sha256": _digest(path), "bytes": sum(file.stat().st_size for file in files)}


def _digest(path: Path) -> str:
    """SHA-256 of a file; of a folder, of the names and digests of its files."""
    if path.is_file():
        return file_digest(path)
    listed = [f"{file_digest(file)}  {file.relative_to(path)}\n" for file in sorted(path.rglob("*")) if file.is_file()]
    if not listed:
        raise FileNotFoundError(path)
    return hashlib.sha256("".join(listed).encode(errors="surrogateescape")).hexdigest()


@cache
def _adapter() -> TypeAdapter[_Record]:
    return TypeAdapter(_Record)
