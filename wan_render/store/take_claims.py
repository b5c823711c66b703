"""The locks of takes: which run renders a take, on this machine or another one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from wan_render.errors import HeldElsewhereError, Problem
from wan_render.store.file_locks import hand_over, if_free, is_still_held, lock_holder, locked, remove_free_locks
from wan_render.store.leases import Holder
from wan_render.take import short


class TakeClaims:
    """The locks of the takes in one folder. takes: that folder."""

    def __init__(self, takes: Path) -> None:
        self._takes = takes

    def lock(self, key: str, waiting: Callable[[], None]) -> AbstractContextManager[None]:
        """Hold the lock of one take. While another run holds it, `waiting` is called at once and then every second."""
        return locked(self._lock_file(key), waiting)

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Hold the lock of one take if it is free. Raises HeldElsewhereError if another run holds it."""
        with self.is_free(key) as is_free:
            if not is_free:
                raise self.held_elsewhere(key) or _held(key, None)
            yield

    def held_elsewhere(self, key: str) -> HeldElsewhereError | None:
        """Which run renders a take, if one does; as an error."""
        found = lock_holder(self._lock_file(key))
        return None if found is None else _held(key, found)

    def hand_over(self, key: str) -> Callable[[], None]:
        """Pass this thread's lock of a take to another thread: the one that calls the returned function."""
        return hand_over(self._lock_file(key))

    def refuse_if_lost(self, key: str) -> None:
        """Raise HeldElsewhereError if another machine has taken the lock that this run holds."""
        if not is_still_held(self._lock_file(key)):
            raise self.held_elsewhere(key) or _held(key, None)

    def is_free(self, key: str) -> AbstractContextManager[bool]:
        """Hold the lock of one take if it is free; whether it was."""
        return if_free(self._lock_file(key))

    def sweep(self) -> None:
        """Remove the files of free locks."""
        remove_free_locks(self._takes / ".locks")

    def _lock_file(self, key: str) -> Path:
        return self._takes.absolute() / ".locks" / key


def _held(key: str, by: Holder | None) -> HeldElsewhereError:
    machine, words = (by.machine, by.words) if by is not None else ("another run", "another run")
    return HeldElsewhereError(Problem(f"take {short(key)}", f"is rendered by {words}"), machine)
