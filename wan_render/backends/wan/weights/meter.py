"""The progress of a pull that has several threads, and how they are stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.pool import ThreadPool
from typing import TypeVar

from wan_render.errors import Problem, Stopped
from wan_render.model_weights import PullSize, PullWatch

WORKERS = 4
"""Files at a time. One connection seldom uses the whole bandwidth, and conversion keeps a core busy."""

FAREWELL_SECONDS = 1.0
"""How long stopped threads get to close their files."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Meter:
    """A watch that several threads may call, and a flag that stops them all."""

    def __init__(self, watch: PullWatch) -> None:
        self._watch, self._lock = watch, threading.Lock()
        self._has_begun, self._is_stopped = threading.Event(), threading.Event()

    def begin(self, size: PullSize) -> None:
        """The weights are downloaded from now on. The small files before them are not counted."""
        self._watch.begin(size)
        self._has_begun.set()

    def advance(self, count: int) -> None:
        """Count bytes that are about to be written; negative if they are deleted. Raises Stopped."""
        self.check()
        with self._lock:
            if self._has_begun.is_set():
                self._watch.advance(count)

    def say(self, text: str) -> None:
        """One sentence."""
        with self._lock:
            self._watch.say(text)

    def check(self) -> None:
        """Raise Stopped if the pull was stopped: the next run may already use the same files."""
        if self._is_stopped.is_set():
            raise Stopped(Problem("pull", "stopped", remedy="the same command goes on where this one stopped"))

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Any exception inside, including an interrupt, stops all threads."""
        try:
            yield
        except BaseException:
            self._is_stopped.set()
            raise

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> dict[Item, Result]:
        """The result for every item, several at a time. The first failure, or an interrupt, stops all and is raised.

        A thread that waits for a silent hub is left behind. A thread of concurrent.futures would delay the exit.
        """

        def one(item: Item) -> tuple[Item, Result]:
            self.check()
            return item, work(item)

        pool = ThreadPool(WORKERS)
        try:
            with self.stopping():
                return dict(pool.imap_unordered(one, items))
        finally:
            pool.terminate()
            farewell = threading.Thread(target=pool.join, daemon=True)
            farewell.start()
            farewell.join(FAREWELL_SECONDS)
