"""Intermediates are hashed and flushed to the disk while the next one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from wan_render.store.intermediates import Intermediates


class Publishing:
    """Makes intermediates in the caller's thread, and publishes them in another one, in order."""

    def __init__(self, intermediates: Intermediates, thread: ThreadPoolExecutor) -> None:
        self._intermediates, self._thread = intermediates, thread
        self._last: Future[Path] = _done(Path())

    def made(self, key: str, what: str, suffix: str, write: Callable[[Path], None]) -> Future[Path]:
        """The file of an intermediate, once it is published. Arguments and errors are those of `Intermediates.made`.
        Also raises the error of the one before, if that could not be published."""
        begun = self._intermediates.begun(key, what, suffix, write)
        before, self._last = self._last, _done(begun) if isinstance(begun, Path) else self._thread.submit(begun.publish)
        before.result()
        return self._last


@contextmanager
def publishing(intermediates: Intermediates) -> Iterator[Publishing]:
    """When the block ends, everything that was written is published, also after an error."""
    with ThreadPoolExecutor(1, "publish") as thread:
        yield Publishing(intermediates, thread)


def _done(file: Path) -> Future[Path]:
    done: Future[Path] = Future()
    done.set_result(file)
    return done
