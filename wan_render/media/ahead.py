"""Run an iterator in its own thread, a few items ahead of its consumer."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

from wan_render.errors import MachineError, Problem
from wan_render.quiet_time import SLICE_SECONDS, QuietTime, overran, patience

T = TypeVar("T")

POLL_SECONDS = 0.1
"""How often a blocked producer checks whether it was stopped."""

STALL_SECONDS = 600.0
"""How long an item that is read may take. A frame takes milliseconds, and a network drive may be away for minutes."""


@dataclass(frozen=True)
class _End:
    """Marks the end of the queue. `error`: what ended the iterator early, if anything."""

    error: BaseException | None = None


class _Producer(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int, limit: float) -> None:
        self._items = items
        self._queue: Queue[T | _End] = Queue(depth)
        self._limit = limit
        self._is_stopped = threading.Event()
        self._is_stalled = False  # its thread is stuck in the system, and cannot be ended
        self._thread = threading.Thread(target=self._produce, name="decode-ahead", daemon=True)
        self._thread.start()

    def _produce(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_End())
        except BaseException as error:  # noqa: BLE001 - carried to the consumer's thread and raised there
            self._put(_End(error))
        finally:
            if isinstance(self._items, Generator):
                self._items.close()  # closes its files now, in the thread that opened them

    def _put(self, item: T | _End) -> bool:
        while not self._is_stopped.is_set():
            try:
                self._queue.put(item, timeout=POLL_SECONDS)
            except Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[T]:
        while not isinstance(item := self._next(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def _next(self) -> T | _End:
        quiet = QuietTime()
        while (seconds := quiet.seconds) <= self._limit:
            with suppress(Empty):
                return self._queue.get(timeout=min(SLICE_SECONDS, self._limit))
        found = overran(seconds, "decoding", self._limit)
        self._is_stalled = True
        raise MachineError(Problem("the film's clips", found, remedy="check the disk or the network drive"))

    def stop(self) -> None:
        self._is_stopped.set()
        while True:  # empty the queue, so that a blocked put returns at once
            try:
                self._queue.get_nowait()
            except Empty:
                break
        self._thread.join(POLL_SECONDS if self._is_stalled else None)


@contextmanager
def ahead(items: Iterator[T], depth: int, *, are_read: bool = True) -> Iterator[Iterator[T]]:
    """`items`, produced in another thread, at most `depth` of them in advance. Their errors are raised in the consumer.

    The thread has ended when the block ends. are_read: the next item may take STALL_SECONDS, then MachineError is
    raised. False for items that are computed: nobody knows how long that takes on this machine.
    """
    producer = _Producer(items, depth, patience(STALL_SECONDS) if are_read else inf)
    try:
        yield iter(producer)
    finally:
        producer.stop()
