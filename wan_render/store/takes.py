"""Takes by content: takes/<key>/, published whole, verified, set aside when damaged."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from wan_render import __version__
from wan_render.errors import DiskError, Problem
from wan_render.keys import canonical, content_key
from wan_render.printable import logger
from wan_render.store.disk import disk_error, disk_errors, file_digest, flush, flush_tree
from wan_render.store.record import CLIP, SIDECAR, Clip, FileFact, Provenance, TakeRecord
from wan_render.store.take_locks import hand_over, if_free, locked
from wan_render.take import TAKE_FORM, Take, short

LOG = logger("wan_render.store")

_DAMAGE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EIO)
"""What a damaged take answers when it is read; no permission, or too many open files, is no damage."""

Fill = Callable[[Path], Provenance]
"""Writes a take's files into a folder and says how it came to be."""


class Takes:
    """The folder of finished takes. Nothing is made in it before something is published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._verified: dict[str, tuple[tuple[int, int, int, int], ...]] = {}
        self._closed: dict[str, Problem] = {}

    def find(self, key: str) -> Clip | None:
        """The take if it is there and looks whole: its record parses, every file has its recorded size."""
        record = self._readable(key) if key not in self._closed else None
        return record.clip(self.folder / key) if record is not None else None

    def unreadable(self, key: str) -> Problem | None:
        """Why a take that is there cannot be read by this user, now or when it was verified; None for every other one,
        damaged ones included. It is not damaged, and no other can take its place."""
        if key in self._closed:
            return self._closed[key]
        try:
            _readable_files(self.folder / key)
        except OSError as error:
            return None if error.errno in _DAMAGE else disk_error(self.folder / key, error, "read").problems[0]
        return None

    def has_folder(self, key: str) -> bool:
        """Whether the take's folder is seen, whatever is in it."""
        return os.path.lexists(self.folder / key)

    def record(self, key: str) -> TakeRecord:
        """The record of a take that `find` found. Raises ValueError or OSError otherwise."""
        return TakeRecord.read(self.folder / key / SIDECAR)

    def verify(self, key: str) -> Clip | None:
        """The take if every byte is as it was published; a damaged one is set aside, named in a warning, and one that
        cannot be read is left as it is: `unreadable` says why.

        What this process has verified once and nobody touched since is not hashed again.
        """
        self._closed.pop(key, None)
        try:
            return self._verify(key)
        except OSError as error:
            self._closed[key] = disk_error(self.folder / key, error, "read").problems[0]
        except DiskError as error:  # it is damaged, and somebody else's: it cannot be set aside
            self._closed[key] = error.problems[0]
        return None

    def _verify(self, key: str) -> Clip | None:
        folder = self.folder / key
        if not os.path.lexists(folder):
            return None
        if self._damage(key):
            with self.lock(key, lambda: None):
                # Under the lock: somebody else may have set it aside and rendered it in the meantime.
                damage = self._damage(key)
                if damage and os.path.lexists(folder):
                    self._set_aside(key, damage)
        return self.find(key)

    def damaged(self, key: str) -> Path | None:
        """Where what is left of the take lies: in its place, until `verify` looks, or where it was set aside the last
        time; None where it never was damaged."""
        if os.path.exists(self.folder / key) and self.find(key) is None:  # noqa: PTH110 - False, too, where it may not be read
            return None if self.unreadable(key) else self.folder / key
        found = sorted((self.folder / ".corrupt").glob(f"{key}-*"))
        return found[-1] if found else None

    def lock(self, key: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold one take; `waiting` is called every second while another run holds it."""
        return locked(self._lock_file(key), waiting)

    def hand_over(self, key: str) -> Callable[[], None]:
        """Let the thread that calls what is returned go on holding the take that this one holds."""
        return hand_over(self._lock_file(key))

    def publish(self, take: Take, fill: Fill) -> Clip:
        """Fill a folder beside, record what is in it, rename it into place. A whole take that is already there wins.

        Raises DiskError when the disk refuses; nothing of the take is visible then.
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

    def keys(self) -> Iterator[str]:
        """Every key that has a folder, whole or not. Raises DiskError where the takes may not be listed."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise disk_error(self.folder, error, "read") from error
        yield from sorted(name for name in names if not name.startswith("."))

    def newest(self, count: int) -> Iterator[TakeRecord]:
        """Records of the takes published last, the newest first; unreadable ones are passed over."""
        dated = sorted(((self.folder / key).stat().st_mtime_ns, key) for key in self.keys())
        for _, key in dated[: -count - 1 : -1]:
            if (record := self._readable(key)) is not None:
                yield record

    def sweep(self) -> None:
        """Remove what dead runs left unfinished; a running one holds its take's lock."""
        for folder in self.folder.glob(".part-*"):
            with if_free(self._lock_file(folder.name.split("-")[1])) as free:
                if free:
                    shutil.rmtree(folder, ignore_errors=True)

    def reject(self, key: str, why: str) -> None:
        """Set a take aside that is whole but shows nothing, for a reason in words; named in a warning."""
        with self.lock(key, lambda: None):
            if (self.folder / key).exists():
                self._set_aside(key, why)

    def set_aside(self) -> tuple[Path, ...]:
        """The folders of damaged takes, `<key>-<n>`."""
        return tuple(sorted((self.folder / ".corrupt").glob("*-*")))

    def delete(self, key: str, folder: Path) -> None:
        """Remove a folder of this take, whole or set aside: out of sight first."""
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
        return record if is_whole and record.key == key and CLIP in record.files else None

    def _damage(self, key: str) -> str:
        """What is wrong with a take's folder, in words; "" for a whole one. Raises OSError where it cannot be read."""
        folder = self.folder / key
        try:
            record = self.record(key)
            signature = _signature(folder, record)
            if self._verified.get(key) == signature:
                return ""
            changed = _changed(folder, record)
        except ValueError as error:
            return f"its record cannot be used: {error}"
        except OSError as error:
            if error.errno in _DAMAGE:
                return f"{Path(error.filename or folder).name} cannot be read: {error.strerror}"
            raise
        if changed:
            return f"{', '.join(changed)} changed since it was published"
        if record.key != key or content_key(TAKE_FORM, record.take) != key or CLIP not in record.files:
            return "its record is of another take"
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
        provenance = fill(part)
        files = {file.name: FileFact(file_digest(file), file.stat().st_size) for file in sorted(part.iterdir())}
        record = TakeRecord(take.key, canonical(take), files, provenance, datetime.now(UTC), __version__)
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


def _readable_files(folder: Path) -> None:
    """Raise OSError where a take is there and cannot be read; what is not there is nobody's secret."""
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
