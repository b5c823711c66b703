"""A lock per device of this machine, by flock, so that the kernel frees it however its holder dies.

A GPU is locked on its device node, /dev/nvidia0. Every user sees that same file, whatever TMPDIR is, and only root can
make another. Without a node (a CPU, WSL), the lock is a file of this user; see lock_place. The device process inherits
the farm's open files, so the lock is free when both have ended.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from wan_render.farm.locks.lock_place import LockPlace, former_places, place_for
from wan_render.farm.locks.lock_record import Use, erase_record, holder, write_record
from wan_render.printable import logger
from wan_render.render_values import Device

_log = logger(__name__)


def by_nobody(_device: Device) -> str:
    """Nobody uses a device without locks."""
    return ""


class DeviceLock:
    """The lock of one device, for one farm. Not thread-safe: the farm holds a lock."""

    def __init__(self, folder: Path | None, device: Device, blocked_by: Callable[[Device], str] = by_nobody) -> None:
        """folder: where the lock of a device without a node goes, instead of the default. blocked_by: who else uses the
        device, without locks, in words. Raises MachineError if the folder cannot hold locks."""
        self._device, self._folder, self._blocked_by = device, folder, blocked_by
        self._place = place_for(device, folder)
        self._files: dict[Path, list[_LockFile]] = {}
        self._use = Use("", 0.0)
        self._held = self._said = False

    @property
    def held(self) -> bool:
        """Whether this farm holds it."""
        return self._held

    @property
    def files(self) -> tuple[int, ...]:
        """The open files of the lock, which the device process inherits. Raises ValueError unless it is held."""
        if not self._held:
            raise ValueError("the lock is not held")
        return tuple(file.number for files in self._files.values() for file in files)

    @property
    def weakness(self) -> str:
        """Who does not see this lock, in words; "" if every run on this machine does."""
        return self._place.weakness

    def acquire(self) -> bool:
        """Try to lock it; whether this farm holds it now. Never blocks."""
        if self._held:
            self._renew()
            return True
        if self._blocked_by(self._device):
            return False
        for place in self._places():
            if not self._lock(place):
                self._unlock()
                return False
        self._held = True
        self._note()
        return True

    def obtainable(self) -> bool:
        """Whether this farm holds it or could."""
        if self._held:
            return True
        if self._blocked_by(self._device):
            return False
        free = all(map(self._lock, self._places()))
        self._unlock()
        return free

    def holder(self) -> str:
        """Who holds it, in words: `film river (process 412 of anna) uses it, about until 04:10`."""
        if foreign := self._blocked_by(self._device):
            return foreign
        for place in self._places():
            if not self._lock(place):
                self._unlock()
                return holder(place)
        self._unlock()
        return "another run used it until now"

    def describe(self, film: str, seconds: float) -> None:
        """Record what it is held for and about how long, for runs that wait. film: its slug."""
        self._use = Use(film, time.time() + seconds)
        if self._held:
            self._note()

    def release(self) -> None:
        """Unlock it and close all its files. A device process that still lives keeps it locked."""
        if self._held:
            erase_record(self._place)
        self._held = False
        for files in self._files.values():
            for file in files:
                file.close()
        self._files.clear()

    def _places(self) -> Iterator[LockPlace]:
        """The places, all of which must be locked. The order is fixed, so that two runs never hold one each."""
        if self._place.path is not None:
            yield self._place
        if self._folder is None:
            yield from former_places(self._device)

    def _lock(self, place: LockPlace) -> bool:
        """Whether we have locked it. A place that cannot be locked counts as locked, with one warning."""
        opened = self._files.setdefault(_path(place), [])
        try:
            if opened and not opened[-1].is_there:
                opened.pop().close()
            if not opened:
                opened.append(_LockFile(place))
            return opened[-1].lock()
        except OSError as error:
            if not self._said:
                self._said = True
                _log.warning("%s cannot be locked (%s): another run may use it as well", self._device.name, error)
            return True

    def _unlock(self) -> None:
        """Undo `_lock`; no device process has inherited the files. A GPU's node stays open: opening it can take 1 s."""
        for path, files in list(self._files.items()):
            if all(file.is_node for file in files):
                for file in files:
                    file.unlock()
            else:
                for file in self._files.pop(path):
                    file.close()

    def _renew(self) -> None:
        """If a file that we hold was removed, also lock the one that is there now."""
        for place in self._places():
            files = self._files.setdefault(_path(place), [])
            if not files or not files[-1].is_there:
                with suppress(OSError):
                    file = _LockFile(place)
                    files.append(file) if file.lock() else file.close()
                    self._note()

    def _note(self) -> None:
        for place in self._places():
            write_record(place, self._use)


class _LockFile:
    """An open file that may be locked. Raises OSError if it cannot be opened or has the wrong type."""

    def __init__(self, place: LockPlace) -> None:
        self._path, self.is_node = _path(place), not place.is_own
        if place.is_own:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT if place.is_own else os.O_RDONLY
        self.number = os.open(self._path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        mode = os.fstat(self.number).st_mode
        if not (stat.S_ISREG(mode) if place.is_own else stat.S_ISCHR(mode)):
            self.close()
            raise OSError(f"{self._path} is not a {'regular file' if place.is_own else 'device'}")

    @property
    def is_there(self) -> bool:
        """Whether its path still leads to it."""
        with suppress(OSError):
            return os.path.samestat(os.fstat(self.number), self._path.lstat())
        return False

    def lock(self) -> bool:
        """Try to lock it; whether that succeeded. A file that was removed before it was locked does not count."""
        try:
            fcntl.flock(self.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return self.is_there

    def unlock(self) -> None:
        """Unlock it, but keep it open."""
        fcntl.flock(self.number, fcntl.LOCK_UN)

    def close(self) -> None:
        """Unlock and close it."""
        os.close(self.number)


def _path(place: LockPlace) -> Path:
    if place.path is None:
        raise ValueError("there is no place for a lock")
    return place.path
