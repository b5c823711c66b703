"""Encodes and writes a rendered take while the next one is rendered."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Writer:
    """At most one thread that writes. `start` waits for the one before, so the frames of at most two takes are in
    memory."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Begin to write, after the write before has ended."""
        self.wait()
        self._thread = threading.Thread(target=write, name="writes")
        self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is being written."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
