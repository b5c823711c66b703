"""A lock that many runs share, or one run has alone: so nothing is pruned while a run uses the folder.

On one machine a flock keeps them apart. For other machines, each sharer has a lock of its own in a folder beside the
shared one. Who wants to be alone takes the shared lock and looks for sharers; a sharer takes its own lock and looks for
one who is alone. Each acts before it looks, so one of the two sees the other.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex

from wan_render.store.file_locks import acquired, flock, flock_file, if_free, in_any_thread, lock_holder
from wan_render.store.leases import SUFFIX

SHARERS = ".sharers"


@contextmanager
def shared(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of `file` together with others. While one has it alone, `waiting` is called every second. Another
    thread may end it."""
    with acquired(lambda: _joined(file), waiting):
        yield


def alone(file: Path, waiting: Callable[[], None]) -> AbstractContextManager[object]:
    """Hold the lock of `file` alone. While anyone shares it, `waiting` is called every second."""
    return acquired(lambda: _alone(file), waiting)


def sharers_of(file: Path) -> Path:
    """The folder with the sharers' own locks."""
    return file.with_name(file.name + SHARERS)


def _joined(file: Path) -> ExitStack | None:
    handle = flock(flock_file(file), fcntl.LOCK_SH)
    if handle is None:
        return None
    with ExitStack() as held:
        held.callback(os.close, handle)
        held.enter_context(in_any_thread(sharers_of(file) / token_hex(8)))
        return held.pop_all() if lock_holder(file) is None else None


def _alone(file: Path) -> ExitStack | None:
    with ExitStack() as held:
        is_free = held.enter_context(if_free(file))
        return held.pop_all() if is_free and not any(map(lock_holder, _sharers(file))) else None


def _sharers(file: Path) -> Iterator[Path]:
    """The lock of each sharer, also of dead ones."""
    return (lease.with_suffix("") for lease in sharers_of(file).glob(f"*{SUFFIX}"))
