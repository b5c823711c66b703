"""Work on several files at a time, left at once where somebody interrupts.

Threads of a pool of the standard library are waited for when a program ends, and one that reads from a hub that has
fallen silent would keep it waiting; these are not. What they might still have written they do not write once stopped.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from wan_render.backends.wan.weights.watch import Meter

Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = 4
"""Files at a time: one connection seldom fills a line, and conversion needs a core of its own."""

FAREWELL_SECONDS = 1.0
"""So long stopped threads may take to close their files."""


def results(work: Callable[[Item], Result], items: Sequence[Item], meter: Meter) -> dict[Item, Result]:
    """The result for every item. The first failure, or an interrupt, stops the others and is raised."""
    todo: queue.SimpleQueue[Item] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Item, Result] | BaseException] = queue.SimpleQueue()
    for item in items:
        todo.put(item)
    threads = [
        threading.Thread(target=_until_empty, args=(work, todo, done, meter), daemon=True)
        for _ in range(min(WORKERS, len(items)))
    ]
    try:
        with meter.stopping():
            for thread in threads:
                thread.start()
            return dict(_collected(done) for _ in items)
    finally:
        deadline = time.monotonic() + FAREWELL_SECONDS
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))


def _until_empty(
    work: Callable[[Item], Result],
    todo: queue.SimpleQueue[Item],
    done: queue.SimpleQueue[tuple[Item, Result] | BaseException],
    meter: Meter,
) -> None:
    while True:
        try:
            item = todo.get_nowait()
            meter.check()
            done.put((item, work(item)))
        except queue.Empty:
            return
        except BaseException as fault:  # noqa: BLE001 - raised where the results are collected
            done.put(fault)
            return


def _collected(done: queue.SimpleQueue[tuple[Item, Result] | BaseException]) -> tuple[Item, Result]:
    found = done.get()
    if isinstance(found, BaseException):
        raise found
    return found
