"""Takes by content: takes/<key>/. They are published complete, verified, and set aside if damaged."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from wan_render import __version__
from wan_render.errors import DiskError, Problem
from wan_render.keys import canonical
from wan_render.printable import logger
from wan_render.quality.measurements import Measurements
from wan_render.store.disk import disk_error, disk_errors, file_digest, flush, flush_tree, write_whole
from wan_render.store.record import SIDECAR, Clip, FileFact, Filled, TakeRecord
from wan_render.store.take_claims import TakeClaims
from wan_render.store.take_integrity import DAMAGE, TakeIntegrity, refuse_unreadable
from wan_render.take import Take, short

LOG = logger("wan_render.store")

Fill = Callable[[Path], Filled]
"""Writes a take's files into a folder and returns how they were made, and what was measured."""


class Takes:
    """The folder of finished takes. It is created when the first take is published. locks: who renders which take."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.locks = TakeClaims(folder)
        self._integrity = TakeIntegrity(folder)
        self._closed: dict[str, Problem] = {}

    def find(self, key: str) -> Clip | None:
        """The take, if it looks complete: its record parses, and every file has its recorded size."""
        record = self._integrity.complete(key) if key not in self._closed else None
        return record.clip(self.folder / key) if record is not None else None

    def unreadable(self, key: str) -> Problem | None:
        """Why this user cannot read an existing take, now or when it was verified; None for any other take, including
        damaged ones. Such a take is not damaged, and cannot be replaced."""
        if key in self._closed:
            return self._closed[key]
        try:
            refuse_unreadable(self.folder / key)
        except OSError as error:
            return None if error.errno in DAMAGE else disk_error(self.folder / key, error, "read").problems[0]
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
        if not self.has_folder(key):
            return None
        if self._integrity.damage(key):
            with self.locks.lock(key, lambda: None):
                # Checked again under the lock: another run may have set it aside and rendered it in the meantime.
                damage = self._integrity.damage(key)
                if damage and self.has_folder(key):
                    self._set_aside(key, damage)
        return self.find(key)

    def damaged(self, key: str) -> Path | None:
        """The folder of a damaged take: its own until `verify` sets it aside, then the last one that it was set aside
        in. None if it was never damaged."""
        if os.path.exists(self.folder / key) and self.find(key) is None:  # noqa: PTH110 - also False if it is unreadable
            return None if self.unreadable(key) else self.folder / key
        found = sorted((self.folder / ".corrupt").glob(f"{key}-*"))
        return found[-1] if found else None

    def publish(self, take: Take, fill: Fill) -> Clip:
        """Fill a temporary folder, record its files and rename it into place. A complete take that already exists is
        kept instead.

        Raises DiskError if the disk fails, and HeldElsewhereError if another machine has taken the lock of this take,
        because this one was silent for too long; nothing of the take is visible then.
        """
        key = take.key
        with self.locks.lock(key, lambda: None), disk_errors(self.folder):
            _clear_parts(self.folder, key)
            part = self.folder / f".part-{key}-{token_hex(8)}"
            part.mkdir()
            try:
                self._write(take, part, fill)
                self.locks.refuse_if_lost(key)
                return self._place(key, part)
            except OSError:
                self.locks.refuse_if_lost(key)  # its new holder has removed the part
                raise
            finally:
                shutil.rmtree(part, ignore_errors=True)

    def add_measurements(self, key: str, measurements: Measurements) -> None:
        """Put measurements into the record of a take that `find` found. Its other files stay as they are, and the
        folder keeps its time, by which estimates find the newest takes.

        Raises DiskError if it cannot be written, ValueError if the record is damaged.
        """
        folder = self.folder / key
        with disk_errors(folder), self.locks.lock(key, lambda: None):
            before = folder.stat()
            record = replace(self.record(key), measurements=measurements)
            write_whole(folder / SIDECAR, record.to_json())
            os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))

    def keys(self, digits: str = "") -> Iterator[str]:
        """Keys that begin with these digits and have a folder, complete or not. Raises DiskError if the takes cannot
        be listed."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise disk_error(self.folder, error, "read") from error
        yield from sorted(name for name in names if name.startswith(digits) and not name.startswith("."))

    def newest(self, count: int) -> Iterator[TakeRecord]:
        """Records of the takes published last, newest first. Unreadable ones are skipped."""
        dated = sorted(((self.folder / key).stat().st_mtime_ns, key) for key in self.keys())
        for _, key in dated[: -count - 1 : -1]:
            if (record := self._integrity.complete(key)) is not None:
                yield record

    def sweep(self) -> None:
        """Remove unfinished takes of dead runs. A live run holds the lock of its take."""
        for folder in self.folder.glob(".part-*"):
            with self.locks.is_free(folder.name.split("-")[1]) as free:
                if free:
                    shutil.rmtree(folder, ignore_errors=True)
        self.locks.sweep()

    def reject(self, key: str, why: str) -> None:
        """Set aside a complete take that must not be used, with a warning. why: the reason in words."""
        with self.locks.lock(key, lambda: None):
            if (self.folder / key).exists():
                self._set_aside(key, why)

    def set_aside(self) -> tuple[Path, ...]:
        """The folders of damaged takes, `<key>-<n>`."""
        return tuple(sorted((self.folder / ".corrupt").glob("*-*")))

    def delete(self, key: str, folder: Path) -> None:
        """Remove a folder of this take, its own or one set aside: rename it first, so that readers never see half."""
        with self.locks.lock(key, lambda: None), disk_errors(folder):
            _clear_parts(self.folder, key)
            gone = self.folder / f".part-{key}-{token_hex(8)}"
            folder.rename(gone)
            shutil.rmtree(gone)

    def _set_aside(self, key: str, damage: str) -> None:
        aside = self.folder / ".corrupt"
        with disk_errors(aside):
            aside.mkdir(exist_ok=True)
            count = sum(1 for _ in aside.glob(f"{key}-*"))
            target = aside / f"{key}-{count + 1}"
            (self.folder / key).rename(target)
        LOG.warning("take %s is damaged: %s; set aside as %s, to be rendered again", short(key), damage, target)

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
            with _unless_there():
                part.rename(self.folder / key)
            flush(self.folder)
            there = self.find(key)
        if there is None:
            raise AssertionError(f"{key} was published but is not there")
        return there


@contextmanager
def _unless_there() -> Iterator[None]:
    """Another run may have published the same take in this moment: then it stays."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


def _clear_parts(takes: Path, key: str) -> None:
    for folder in takes.glob(f".part-{key}-*"):
        shutil.rmtree(folder, ignore_errors=True)
