"""What is done with a rendered take beside the rendering of the next: encoding it and writing it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Writer:
    """One thread that is at work on one thing at most. `start` waits for the former: so no more than two takes'
    frames are in memory."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Begin, after what was begun before."""
        self.wait()
        self._thread = threading.Thread(target=write, name="writes")
        self._thread.start()

    def wait(self) -> None:
        """Until nothing is being written."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
