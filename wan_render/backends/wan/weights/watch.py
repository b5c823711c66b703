"""Who watches a pull, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from wan_render.errors import Problem, Stopped
from wan_render.model_family import PullSize, PullWatch


class Meter:
    """A watch that several threads may call, and the flag that stops them all."""

    def __init__(self, watch: PullWatch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._has_begun = False
        self._is_stopped = threading.Event()

    def begin(self, size: PullSize) -> None:
        """Downloading begins."""
        with self._lock:
            self._has_begun = True
            self._watch.begin(size)

    def advance(self, count: int) -> None:
        """So many bytes more were read; those before the beginning are too few to tell. Raises Stopped."""
        self.check()
        with self._lock:
            if self._has_begun:
                self._watch.advance(count)

    def say(self, text: str) -> None:
        """One sentence."""
        with self._lock:
            self._watch.say(text)

    def check(self) -> None:
        """Raise Stopped where somebody stopped everything."""
        if self._is_stopped.is_set():
            raise Stopped(Problem("pull", "stopped", remedy="the same command goes on where this one stopped"))

    def pause(self, seconds: float) -> None:
        """Wait. Raises Stopped, at once."""
        self._is_stopped.wait(seconds)
        self.check()

    @contextmanager
    def stopping(self) -> Iterator[None]:
        """Whatever is raised inside, an interrupt too, stops all threads."""
        try:
            yield
        except BaseException:
            self._is_stopped.set()
            raise
