"""Locks of runs: a flock, which the kernel frees when a process dies, and a lease, which other machines see.

Whoever holds a lock has both. On one machine a killed run leaves no lock behind. If its machine died, another one waits
until its lease is over (leases.py).
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from wan_render.errors import DiskError, MachineError, Problem
from wan_render.quiet_time import QuietTime, patience
from wan_render.settings import machine_settings
from wan_render.store.disk import disk_errors
from wan_render.store.heartbeat import Heartbeat
from wan_render.store.leases import SUFFIX, Holder, Lease, claim, holder_of, is_over, lease_of
from wan_render.store.this_machine import this_machine

POLL_SECONDS = 0.1
LONGEST_POLL_SECONDS = 1.0
NOTICE_SECONDS = 1.0
"""How often a waiting process reports it, so that it does not look stalled."""

FORGOTTEN_SECONDS = 86400.0
"""Parts of leases that are older were left by killed runs."""

OF_MACHINE = "@"
"""Before the machine's name in the name of its flock."""

_T = TypeVar("_T")


class _Held(threading.local):
    """How often this thread has entered each lock, so that it may enter one again."""

    def __init__(self) -> None:
        self.depth: dict[Path, int] = {}


_held = _Held()

_leases: dict[Path, Lease] = {}
"""The leases of the locks that this process holds."""

_heartbeat = Heartbeat()


@dataclass(frozen=True)
class _Hold:
    """What holding a lock takes. file: the one with the flock, open as `handle`."""

    file: Path
    handle: int
    lease: Lease | None


@contextmanager
def locked(file: Path, waiting: Callable[[], None], *, leased: bool = True) -> Iterator[None]:
    """Hold the exclusive lock of `file`. While another holds it, `waiting` is called at once and then every second.

    A thread may enter a lock that it already holds. The file is created, and the last holder removes it.
    leased: whether other machines have to see it.
    """
    if file in _held.depth:
        _held.depth[file] += 1
        try:
            yield
        finally:
            _held.depth[file] -= 1
        return
    with _holding(file, acquired(lambda: _attempt(file, leased=leased), waiting)):
        yield


def hand_over(file: Path) -> Callable[[], None]:
    """Pass this thread's lock to another thread: the one that calls the returned function."""
    depth = _held.depth.pop(file)

    def take_over() -> None:
        _held.depth[file] = depth

    return take_over


def once(say: Callable[[], None]) -> Callable[[], None]:
    """A `waiting` that calls `say` only once, for messages to users."""
    unsaid = [say]

    def waiting() -> None:
        if unsaid:
            unsaid.pop()()

    return waiting


def at_most(seconds: float, waiting: Callable[[], None], what: str) -> Callable[[], None]:
    """A `waiting` that gives up: it raises MachineError after `seconds` times WAN_RENDER_PATIENCE. The other run may be
    suspended, or on a machine that has lost its network. what: what is locked, in words."""
    quiet: list[QuietTime] = []
    limit = patience(seconds)

    def impatient() -> None:
        waiting()
        if not quiet:
            quiet.append(QuietTime())
        if (waited := quiet[0].seconds) > limit:
            found = f"another run has been busy with it for {waited:.1f} s (limit {limit:.1f} s)"
            raise MachineError(Problem(what, found, remedy="see what that run does, then run the same command again"))

    return impatient


@contextmanager
def if_free(file: Path, *, leased: bool = True) -> Iterator[bool]:
    """Hold the lock of `file` and yield True if it is free; yield False if anyone holds it, even this thread."""
    hold = None if file in _held.depth else _attempt(file, leased=leased)
    if hold is None:
        yield False
        return
    with _holding(file, hold):
        yield True


def is_still_held(file: Path) -> bool:
    """Whether this process still holds a lock that it has entered. False if another machine has taken it: this one was
    silent for too long. Raises DiskError if the file system does not answer."""
    with disk_errors(file):
        return file not in _leases or _leases[file].renew()


def lock_holder(file: Path) -> Holder | None:
    """Who holds the lock of `file` now; None if nobody does. For information: it may change at any time."""
    with disk_errors(file):
        found = holder_of(file)
        if found is None:
            return None
        is_free = _has_no_flock(file) if found.flocks == this_machine().flocks else is_over(lease_of(file), found)
        return None if is_free else found


def remove_free_locks(folder: Path) -> None:
    """Remove the files of locks that nobody holds: those of killed runs, for takes that nobody wants any more."""
    for name in {_lock_name(file) for file in folder.glob("*")}:
        with suppress(DiskError), if_free(folder / name):
            pass  # it is removed when it is freed
    for part in folder.glob(f"*{SUFFIX}.*"):
        with suppress(OSError):
            if time.time() - part.stat().st_mtime > FORGOTTEN_SECONDS:
                part.unlink()


@contextmanager
def in_any_thread(file: Path) -> Iterator[None]:
    """Hold the lock of `file`, which nobody else uses. No thread may enter it again, and any may leave it."""
    with _leased(file, acquired(lambda: _attempt(file, leased=True), lambda: None)):
        yield


@contextmanager
def _holding(file: Path, hold: _Hold) -> Iterator[None]:
    """A lock of this thread, until it is handed over."""
    _held.depth[file] = 1
    with _leased(file, hold):
        try:
            yield
        finally:
            del _held.depth[file]


@contextmanager
def _leased(file: Path, hold: _Hold) -> Iterator[None]:
    """Keep the lease alive, and free the lock at the end."""
    if hold.lease is not None:
        _leases[file] = hold.lease
        _heartbeat.add(hold.lease)
    try:
        yield
    finally:
        is_ours = True
        if hold.lease is not None:
            _heartbeat.remove(hold.lease)
            del _leases[file]
            is_ours = hold.lease.release()
        if is_ours:
            # Removed while it is still held, so that a process waiting on this file sees that it is no longer the lock.
            hold.file.unlink(missing_ok=True)
        os.close(hold.handle)


def acquired(attempt: Callable[[], _T | None], waiting: Callable[[], None]) -> _T:
    """What the first successful attempt gives."""
    notice, poll = 0.0, POLL_SECONDS
    while (found := attempt()) is None:
        if time.monotonic() >= notice:
            waiting()
            notice = time.monotonic() + NOTICE_SECONDS
        time.sleep(poll)
        poll = min(poll * 1.2, LONGEST_POLL_SECONDS)
    return found


def _attempt(file: Path, *, leased: bool) -> _Hold | None:
    """The exclusive lock, if it is free."""
    place = flock_file(file)
    if (handle := flock(place, fcntl.LOCK_EX)) is None:
        return None
    try:
        with disk_errors(file):
            lease = claim(file) if leased else None
    except BaseException:
        os.close(handle)
        raise
    if leased and lease is None:
        os.close(handle)
        return None
    return _Hold(place, handle, lease)


def flock(file: Path, mode: int) -> int | None:
    """The locked file, open; None if others hold it."""
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, mode | fcntl.LOCK_NB)
            if _is(handle, file):
                return handle
        except BlockingIOError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        return None


def _has_no_flock(file: Path) -> bool:
    """Whether no process of this machine has the flock. Creates nothing."""
    try:
        handle = os.open(flock_file(file), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def flock_file(file: Path) -> Path:
    """Which file has the flock: the lock itself, or one for this machine if flocks reach no other."""
    here = this_machine().name
    return file if machine_settings().flock == "shared" else file.with_name(f"{file.name}{OF_MACHINE}{here}")


def _lock_name(file: Path) -> str:
    """The name of the lock that a file belongs to."""
    return file.name.partition(OF_MACHINE)[0].partition(SUFFIX)[0]


def _is(handle: int, file: Path) -> bool:
    """Whether the locked file is still the one at this path."""
    try:
        there = file.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)
