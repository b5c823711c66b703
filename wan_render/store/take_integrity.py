"""Whether takes are as they were published: their records, and every byte of their files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from wan_render.keys import content_key
from wan_render.store.disk import file_digest
from wan_render.store.record import CLIP, SIDECAR, TakeRecord
from wan_render.take import TAKE_FORM

DAMAGE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EIO)
"""Errors when reading a damaged take. Missing permission or too many open files is not damage."""


class TakeIntegrity:
    """Checks the takes in one folder. A take that this process has checked is not hashed again unless it was
    touched."""

    def __init__(self, takes: Path) -> None:
        self._takes = takes
        self._verified: dict[str, tuple[tuple[int, int, int, int], ...]] = {}

    def complete(self, key: str) -> TakeRecord | None:
        """The record of a take that looks complete: it parses, and every file has its recorded size. Hashes nothing."""
        try:
            record = TakeRecord.read(self._takes / key / SIDECAR)
            files = {self._takes / key / name: fact for name, fact in record.files.items()}
            is_whole = all(
                file.stat().st_size == fact.bytes and os.access(file, os.R_OK) for file, fact in files.items()
            )
        except (OSError, ValueError):
            return None
        return record if is_whole and _is_of(record, key) else None

    def damage(self, key: str) -> str:
        """What is wrong with a take's folder, in words; "" if nothing is. Raises OSError if it cannot be read."""
        folder = self._takes / key
        try:
            record = TakeRecord.read(folder / SIDECAR)
            signature = _signature(folder, record)
            if self._verified.get(key) == signature:
                return ""
            changed = _changed(folder, record)
        except ValueError as error:
            return f"its record is invalid: {error}"
        except OSError as error:
            if error.errno in DAMAGE:
                return f"{Path(error.filename or folder).name} cannot be read: {error.strerror}"
            raise
        if changed:
            return f"{', '.join(changed)} changed since it was published"
        if not _is_of(record, key):
            return "its record belongs to another take"
        self._verified[key] = signature
        return ""


def _is_of(record: TakeRecord, key: str) -> bool:
    """Whether it is the record of this take, and every field of the take is as it was written: a flipped bit in one of
    them would parse."""
    return record.key == key and content_key(TAKE_FORM, record.take) == key and CLIP in record.files


def refuse_unreadable(folder: Path) -> None:
    """Raise OSError if a take exists and cannot be read, or does not exist."""
    if not stat.S_ISDIR(folder.stat().st_mode):
        return
    for file in os.scandir(folder):
        if not os.access(file.path, os.R_OK):
            raise PermissionError(errno.EACCES, "", file.path)
    if not os.access(folder, os.X_OK):
        raise PermissionError(errno.EACCES, "", str(folder))


def _signature(folder: Path, record: TakeRecord) -> tuple[tuple[int, int, int, int], ...]:
    states = ((folder / name).stat() for name in (SIDECAR, *sorted(record.files)))
    return tuple((state.st_ino, state.st_mtime_ns, state.st_ctime_ns, state.st_size) for state in states)


def _changed(folder: Path, record: TakeRecord) -> list[str]:
    return [name for name, fact in record.files.items() if file_digest(folder / name) != fact.sha256]
