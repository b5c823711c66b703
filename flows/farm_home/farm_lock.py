"""The parts of a farm, and the locks that say whether they run. No prefect here.

A part's lock is held by all its programs, so it is free when the last of them has gone.
"""

from __future__ import annotations

import enum
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flows.farm_home.home import LOCK, own, useless
from wan_render.errors import MachineError, Problem


class FarmPart(enum.Enum):
    """What a farm is made of. On one machine both run together; other machines have a worker alone."""

    SERVER = "server"
    WORKER = "worker"


LOCKS = {FarmPart.SERVER: LOCK, FarmPart.WORKER: "worker.lock"}


@contextmanager
def held_locks(home: Path, parts: Sequence[FarmPart]) -> Iterator[tuple[int, ...]]:
    """The locks of these parts, as open files for their programs to inherit. Raises MachineError if one is held."""
    with ExitStack() as opened:
        own(home)
        files = []
        for part in parts:
            try:
                file = opened.enter_context(open(home / LOCKS[part], "a+", encoding="utf-8", opener=_no_link))
            except OSError as error:
                raise useless(home, error) from error
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise MachineError(_running(home, part, file.read().split())) from None
            file.truncate(0)
            files.append(file)
        yield tuple(file.fileno() for file in files)


def write_processes(locks: Sequence[int], processes: Sequence[int]) -> None:
    """Say in the locks which processes hold them; the first is the one that starts and stops the others."""
    for lock in locks:
        os.truncate(lock, 0)
        os.pwrite(lock, " ".join(map(str, processes)).encode(), 0)


def processes_of(home: Path, part: FarmPart) -> tuple[int, ...]:
    """The processes of a part that runs, its own first. Empty if it doesn't run. Raises OSError."""
    try:
        with (home / LOCKS[part]).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return tuple(int(word) for word in file.read().split() if word.isdigit())
    except FileNotFoundError:
        pass
    return ()


def _no_link(path: str, flags: int) -> int:
    """A link could lead to a file of ours, which would be emptied."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _running(home: Path, part: FarmPart, processes: Sequence[str]) -> Problem:
    what = "a farm runs here already" if part is FarmPart.SERVER else "a worker runs here already"
    return Problem(
        str(home),
        f"{what}, or some of its programs do: processes {' '.join(processes)}",
        remedy=f"use that one, or end it: wan-render farm stop; if that doesn't help: kill {' '.join(processes)}",
    )
