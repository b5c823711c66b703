"""Who watches a pull, and how it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from wan_render.errors import Problem, Stopped


@dataclass(frozen=True)
class Outlook:
    """What is ahead: files still to be brought of all, bytes still to be read, bytes on disk when all is there."""

    missing: int
    files: int
    download_bytes: int
    disk_bytes: int


class Watch(Protocol):
    """Hears how far a pull is. Called by one thread at a time."""

    def begin(self, outlook: Outlook) -> None:
        """Downloading begins."""
        ...

    def advance(self, count: int) -> None:
        """So many bytes more were read; negative where they have to be read again."""
        ...

    def say(self, text: str) -> None:
        """One sentence: a file is there, a connection was lost."""
        ...


class Meter:
    """A watch that several threads may call, and the flag that stops them all."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self._has_begun = False
        self._is_stopped = threading.Event()

    def begin(self, outlook: Outlook) -> None:
        """Downloading begins."""
        with self._lock:
            self._has_begun = True
            self._watch.begin(outlook)

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
