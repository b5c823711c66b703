"""Takes by content: takes/<key>/. They are published complete, verified, and set aside if damaged."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from wan_render import __version__
from wan_render.errors import DiskError, Problem
from wan_render.keys import canonical, content_key
from wan_render.printable import logger
from wan_render.quality.measurements import Measurements
from wan_render.store.disk import disk_error, disk_errors, file_digest, flush, flush_tree, write_whole
from wan_render.store.record import CLIP, SIDECAR, Clip, FileFact, Filled, TakeRecord
from wan_render.store.take_locks import hand_over, if_free, locked, remove_free_locks
from wan_render.take import TAKE_FORM, Take, short

LOG = logger("wan_render.store")

_DAMAGE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EIO)
"""Errors when reading a damaged take. Missing permission or too many open files is not damage."""

Fill = Callable[[Path], Filled]
"""Writes a take's files into a folder and returns how they were made, and what was measured."""


class Takes:
    """The folder of finished takes. It is created when the first take is published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._verified: dict[str, tuple[tuple[int, int, int, int], ...]] = {}
        self._closed: dict[str, Problem] = {}

    def find(self, key: str) -> Clip | None:
        """The take, if it looks complete: its record parses, and every file has its recorded size."""
        record = self._readable(key) if key not in self._closed else None
        return record.clip(self.folder / key) if record is not None else None

    def unreadable(self, key: str) -> Problem | None:
        """Why this user cannot read an existing take, now or when it was verified; None for any other take, including
        damaged ones. Such a take is not damaged, and cannot be replaced."""
        if key in self._closed:
            return self._closed[key]
        try:
            _readable_files(self.folder / key)
        except OSError as error:
            return None if error.errno in _DAMAGE else disk_error(self.folder / key, error, "read").problems[0]
        return None

    def has_folder(self, key: str) -> bool:
        """Whether the take has a folder, whatever it contains."""
        return os.path.lexists(self.folder / key)

    def record(self, key: str) -> TakeRecord:
        """The record of a take that `find` found. Raises ValueError or OSError otherwise."""
        return TakeRecord.read(self.folder / key / SIDECAR)

    def verify(self, key: str) -> Clip | None:
        """The take, if every byte is as published. A damaged one is set aside with a warning. One that cannot be read
        is left alone: `unreadable` says why.

        A take that this process has verified is not hashed again unless it was touched.
        """
        self._closed.pop(key, None)
        try:
            return self._verify(key)
        except OSError as error:
            self._closed[key] = disk_error(self.folder / key, error, "read").problems[0]
        except DiskError as error:  # damaged, but another user's, so it cannot be set aside
            self._closed[key] = error.problems[0]
        return None

    def _verify(self, key: str) -> Clip | None:
        folder = self.folder / key
        if not os.path.lexists(folder):
            return None
        if self._damage(key):
            with self.lock(key, lambda: None):
                # Checked again under the lock: another run may have set it aside and rendered it in the meantime.
                damage = self._damage(key)
                if damage and os.path.lexists(folder):
                    self._set_aside(key, damage)
        return self.find(key)

    def damaged(self, key: str) -> Path | None:
        """The folder of a damaged take: its own until `verify` sets it aside, then the last one that it was set aside
        in. None if it was never damaged."""
        if os.path.exists(self.folder / key) and self.find(key) is None:  # noqa: PTH110 - also False if it is unreadable
            return None if self.unreadable(key) else self.folder / key
        found = sorted((self.folder / ".corrupt").glob(f"{key}-*"))
        return found[-1] if found else None

    def lock(self, key: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold the lock of one take. While another run holds it, `waiting` is called at once and then every second."""
        return locked(self._lock_file(key), waiting)

    def hand_over(self, key: str) -> Callable[[], None]:
        """Pass this thread's lock of a take to another thread: the one that calls the returned function."""
        return hand_over(self._lock_file(key))

    def publish(self, take: Take, fill: Fill) -> Clip:
        """Fill a temporary folder, record its files and rename it into place. A complete take that already exists is
        kept instead.

        Raises DiskError if the disk fails; nothing of the take is visible then.
        """
        key = take.key
        with self.lock(key, lambda: None), disk_errors(self.folder):
            self._clear_parts(key)
            part = self.folder / f".part-{key}-{os.getpid()}"
            part.mkdir()
            try:
                self._write(take, part, fill)
                return self._place(key, part)
            finally:
                shutil.rmtree(part, ignore_errors=True)

    def add_measurements(self, key: str, measurements: Measurements) -> None:
        """Put measurements into the record of a take that `find` found. Its other files stay as they are, and the
        folder keeps its time, by which estimates find the newest takes.

        Raises DiskError if it cannot be written, ValueError if the record is damaged.
        """
        folder = self.folder / key
        with disk_errors(folder), self.lock(key, lambda: None):
            before = folder.stat()
            record = replace(self.record(key), measurements=measurements)
            write_whole(folder / SIDECAR, record.to_json())
            os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))

    def keys(self) -> Iterator[str]:
        """Every key that has a folder, complete or not. Raises DiskError if the takes cannot be listed."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise disk_error(self.folder, error, "read") from error
        yield from sorted(name for name in names if not name.startswith("."))

    def newest(self, count: int) -> Iterator[TakeRecord]:
        """Records of the takes published last, newest first. Unreadable ones are skipped."""
        dated = sorted(((self.folder / key).stat().st_mtime_ns, key) for key in self.keys())
        for _, key in dated[: -count - 1 : -1]:
            if (record := self._readable(key)) is not None:
                yield record

    def sweep(self) -> None:
        """Remove unfinished takes of dead runs. A live run holds the lock of its take."""
        for folder in self.folder.glob(".part-*"):
            with if_free(self._lock_file(folder.name.split("-")[1])) as free:
                if free:
                    shutil.rmtree(folder, ignore_errors=True)
        remove_free_locks(self.folder / ".locks")

    def reject(self, key: str, why: str) -> None:
        """Set aside a complete take that must not be used, with a warning. why: the reason in words."""
        with self.lock(key, lambda: None):
            if (self.folder / key).exists():
                self._set_aside(key, why)

    def set_aside(self) -> tuple[Path, ...]:
        """The folders of damaged takes, `<key>-<n>`."""
        return tuple(sorted((self.folder / ".corrupt").glob("*-*")))

    def delete(self, key: str, folder: Path) -> None:
        """Remove a folder of this take, its own or one set aside: rename it first, so that readers never see half."""
        with self.lock(key, lambda: None), disk_errors(folder):
            self._clear_parts(key)
            gone = self.folder / f".part-{key}-{os.getpid()}"
            folder.rename(gone)
            shutil.rmtree(gone)

    def _lock_file(self, key: str) -> Path:
        return self.folder.absolute() / ".locks" / key

    def _readable(self, key: str) -> TakeRecord | None:
        try:
            record = self.record(key)
            files = {self.folder / key / name: fact for name, fact in record.files.items()}
            is_whole = all(
                file.stat().st_size == fact.bytes and os.access(file, os.R_OK) for file, fact in files.items()
            )
        except (OSError, ValueError):
            return None
        return record if is_whole and _is_of(record, key) else None

    def _damage(self, key: str) -> str:
        """What is wrong with a take's folder, in words; "" if nothing is. Raises OSError if it cannot be read."""
        folder = self.folder / key
        try:
            record = self.record(key)
            signature = _signature(folder, record)
            if self._verified.get(key) == signature:
                return ""
            changed = _changed(folder, record)
        except ValueError as error:
            return f"its record is invalid: {error}"
        except OSError as error:
            if error.errno in _DAMAGE:
                return f"{Path(error.filename or folder).name} cannot be read: {error.strerror}"
            raise
        if changed:
            return f"{', '.join(changed)} changed since it was published"
        if not _is_of(record, key):
            return "its record belongs to another take"
        self._verified[key] = signature
        return ""

    def _set_aside(self, key: str, damage: str) -> None:
        aside = self.folder / ".corrupt"
        with disk_errors(aside):
            aside.mkdir(exist_ok=True)
            count = sum(1 for _ in aside.glob(f"{key}-*"))
            target = aside / f"{key}-{count + 1}"
            (self.folder / key).rename(target)
        LOG.warning("take %s is damaged: %s; set aside as %s, to be rendered again", short(key), damage, target)

    def _clear_parts(self, key: str) -> None:
        for folder in self.folder.glob(f".part-{key}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _write(self, take: Take, part: Path, fill: Fill) -> None:
        filled = fill(part)
        files = {file.name: FileFact(file_digest(file), file.stat().st_size) for file in sorted(part.iterdir())}
        record = TakeRecord(
            take.key,
            canonical(take),
            files,
            filled.provenance,
            datetime.now(UTC),
            __version__,
            measurements=filled.measurements,
        )
        (part / SIDECAR).write_bytes(record.to_json())
        flush_tree(part)

    def _place(self, key: str, part: Path) -> Clip:
        there = self.verify(key)
        if there is None:
            if (closed := self.unreadable(key)) is not None:
                raise DiskError(closed)
            part.rename(self.folder / key)
            flush(self.folder)
            there = self.find(key)
        if there is None:
            raise AssertionError(f"{key} was published but is not there")
        return there


def _is_of(record: TakeRecord, key: str) -> bool:
    """Whether it is the record of this take, and every field of the take is as it was written: a flipped bit in one of
    them would parse."""
    return record.key == key and content_key(TAKE_FORM, record.take) == key and CLIP in record.files


def _readable_files(folder: Path) -> None:
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
