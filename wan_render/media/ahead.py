"""Work one iterator in a thread of its own, a few items ahead of who uses them."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")

LOOK_SECONDS = 0.1
"""How often a producer that waits looks whether anybody still wants its items."""


@dataclass(frozen=True)
class _End:
    """The last thing in the queue; `error` is what ended the items early."""

    error: BaseException | None = None


class _Producer(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._queue: Queue[T | _End] = Queue(depth)
        self._unwanted = threading.Event()
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
                self._items.close()  # what it has open is closed here and now, in the thread that opened it

    def _put(self, item: T | _End) -> bool:
        while not self._unwanted.is_set():
            try:
                self._queue.put(item, timeout=LOOK_SECONDS)
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
        self._unwanted.set()
        while True:  # let go of what waits, so that a blocked put returns at once
            try:
                self._queue.get_nowait()
            except Empty:
                break
        self._thread.join()


@contextmanager
def ahead(items: Iterator[T], depth: int) -> Iterator[Iterator[T]]:
    """`items`, made in another thread, at most `depth` of them ahead; their errors are raised where they are used.

    After the block the thread has ended.
    """
    producer = _Producer(items, depth)
    try:
        yield iter(producer)
    finally:
        producer.stop()
