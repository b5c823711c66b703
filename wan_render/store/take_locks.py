"""Locks by flock. The kernel frees them when a process dies, so a killed run leaves none behind."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wan_render.errors import DiskError, MachineError, Problem
from wan_render.quiet_time import QuietTime, patience
from wan_render.store.disk import disk_errors

POLL_SECONDS = 0.1
NOTICE_SECONDS = 1.0
"""How often a waiting process reports it, so that it does not look stalled."""


class _Held(threading.local):
    """How often this thread has entered each lock, so that it may enter one again."""

    def __init__(self) -> None:
        self.depth: dict[Path, int] = {}


_held = _Held()


@contextmanager
def locked(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the exclusive lock of `file`. While another holds it, `waiting` is called at once and then every second.

    A thread may enter a lock that it already holds. The file is created, and the last holder removes it.
    """
    if file in _held.depth:
        _held.depth[file] += 1
        try:
            yield
        finally:
            _held.depth[file] -= 1
        return
    handle = _acquire(file, waiting)
    with _holding(file, handle):
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
def if_free(file: Path) -> Iterator[bool]:
    """Hold the lock of `file` and yield True if it is free; yield False if anyone holds it, even this thread."""
    handle = None if file in _held.depth else _attempt(file, fcntl.LOCK_EX)
    if handle is None:
        yield False
        return
    with _holding(file, handle):
        yield True


def remove_free_locks(folder: Path) -> None:
    """Remove the files of locks that nobody holds: those of killed runs, for takes that nobody wants any more."""
    for file in folder.glob("*"):
        with suppress(DiskError), if_free(file):
            pass  # it is removed when it is freed


@contextmanager
def shared(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of `file` together with other sharers; exclusive holders have to wait."""
    handle = _acquire(file, waiting, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def _holding(file: Path, handle: int) -> Iterator[None]:
    _held.depth[file] = 1
    try:
        yield
    finally:
        del _held.depth[file]
        # Removed while it is still held, so that a process waiting on this file sees that it is no longer the lock.
        file.unlink(missing_ok=True)
        os.close(handle)


def _acquire(file: Path, waiting: Callable[[], None], mode: int = fcntl.LOCK_EX) -> int:
    notice = 0.0
    while (handle := _attempt(file, mode)) is None:
        if time.monotonic() >= notice:
            waiting()
            notice = time.monotonic() + NOTICE_SECONDS
        time.sleep(POLL_SECONDS)
    return handle


def _attempt(file: Path, mode: int) -> int | None:
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


def _is(handle: int, file: Path) -> bool:
    """Whether the locked file is still the one at this path."""
    try:
        there = file.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(handle), there)
