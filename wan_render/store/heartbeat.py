"""One thread of this process touches its leases, so that other machines see that it is alive."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from wan_render.store.leases import Lease

TOUCHES = 12
"""How often a lease is touched in the time that it lives: every 15 of 180 s."""


class Heartbeat:
    """The leases of this process. Thread-safe. Its thread begins with the first lease."""

    def __init__(self) -> None:
        self._due: dict[Lease, float] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        """Touch a lease from now on."""
        with self._changed:
            self._due[lease] = time.monotonic() + lease.seconds / TOUCHES
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
                self._thread.start()

    def remove(self, lease: Lease) -> None:
        """Touch it no more."""
        with self._changed:
            del self._due[lease]

    def _beat(self) -> None:
        while True:
            lease = self._next()
            with suppress(OSError):  # the next beat tries again; in the end the lease is not trusted any more
                lease.renew()

    def _next(self) -> Lease:
        """The lease that has to be touched now. Waits until one has."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._due)
                lease = min(self._due, key=self._due.__getitem__)
                left = self._due[lease] - time.monotonic()
                if left <= 0:
                    self._due[lease] += lease.seconds / TOUCHES - left
                    return lease
                self._changed.wait(left)
