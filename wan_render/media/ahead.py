"""Run an iterator in its own thread, a few items ahead of its consumer."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.1
"""How often a blocked producer checks whether it was stopped."""


@dataclass(frozen=True)
class _End:
    """Marks the end of the queue. `error`: what ended the iterator early, if anything."""

    error: BaseException | None = None


class _Producer(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._queue: Queue[T | _End] = Queue(depth)
        self._is_stopped = threading.Event()
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
        while not isinstance(item := self._queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def stop(self) -> None:
        self._is_stopped.set()
        while True:  # empty the queue, so that a blocked put returns at once
            try:
                self._queue.get_nowait()
            except Empty:
                break
        self._thread.join()


@contextmanager
def ahead(items: Iterator[T], depth: int) -> Iterator[Iterator[T]]:
    """`items`, produced in another thread, at most `depth` of them in advance. Their errors are raised in the consumer.

    The thread has ended when the block ends.
    """
    producer = _Producer(items, depth)
    try:
        yield iter(producer)
    finally:
        producer.stop()
