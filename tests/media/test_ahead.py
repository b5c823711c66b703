from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from wan_render.errors import MachineError
from wan_render.media.ahead import ahead


def test_items_come_in_order_and_the_thread_ends() -> None:
    threads = threading.active_count()
    with ahead(iter(range(100)), 4) as items:
        assert list(items) == list(range(100))
    assert threading.active_count() == threads


def test_an_item_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_PATIENCE", "0.0005")
    is_enough = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        is_enough.wait(60)

    with (
        pytest.raises(MachineError, match=r"no progress for \d+\.\d s while decoding \(limit 0.3 s\)"),
        ahead(items(), 4) as coming,
    ):
        list(coming)
    is_enough.set()


def test_an_item_that_is_computed_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_PATIENCE", "0.0001")  # 0.06 s

    def items() -> Iterator[int]:
        yield 1
        time.sleep(0.3)
        yield 2

    with ahead(items(), 4, are_read=False) as coming:
        assert list(coming) == [1, 2]


def test_it_works_ahead_no_further_than_the_depth() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for n in range(50):
            made.append(n)
            yield n

    with ahead(items(), 3) as coming:
        next(coming)
        deadline = time.monotonic() + 60
        while len(made) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(made) == 5  # one is used, three wait, one is held out
    assert len(made) <= 6


def test_an_error_is_raised_in_the_consumer_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("nothing more")

    with ahead(items(), 3) as coming:
        assert next(coming) == 1
        with pytest.raises(LookupError, match="nothing more"):
            next(coming)


def test_leaving_early_closes_the_generator() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    threads = threading.active_count()
    with ahead(items(), 2) as coming:
        next(coming)
    assert threading.active_count() == threads
    assert closed.wait(60)
