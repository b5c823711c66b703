"""Takes wait while the disk is low."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.farm.orders import order
from wan_render.farm import space_watch
from wan_render.farm.space_watch import SPARE_BYTES, SpaceTerms, SpaceWatch
from wan_render.status.forecast import take_bytes

TAKE = take_bytes(order("a").take)


class Disk:
    """A disk with this many free bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        monkeypatch.setattr(space_watch, "free_disk_bytes", lambda _: self.free)
        monkeypatch.setattr(space_watch, "LOOK_SECONDS", 0.01)


def never() -> bool:
    return False


def begins(watch: SpaceWatch, prompt: str, is_stopped: Callable[[], bool] = never) -> None:
    watch.room_for(order(prompt), is_stopped).__enter__()


def test_a_take_waits_until_there_is_space_for_it_the_others_and_the_films(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    disk, said, is_said = Disk(monkeypatch, 500 + SPARE_BYTES + TAKE), list[str](), threading.Event()

    def say(sentence: str) -> None:
        said.append(sentence)
        is_said.set()

    watch = SpaceWatch(SpaceTerms(lambda _: 500, say=say), tmp_path)
    with ThreadPoolExecutor(2) as threads, watch.room_for(order("first"), never):
        second = threads.submit(begins, watch, "second")
        assert is_said.wait(60)
        assert not second.done()
        disk.free += TAKE
        second.result(60)
    assert len(said) == 2, "once each"
    assert "no take starts until there is space" in said[0]
    assert "takes go on" in said[1]


@pytest.mark.parametrize("who", ["the farm is stopped", "the night is over"])
def test_nobody_waits_longer_than_the_night(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, who: str) -> None:
    Disk(monkeypatch, 0)
    watch = SpaceWatch(SpaceTerms(lambda _: 0, is_over=lambda: who == "the night is over"), tmp_path)
    begins(watch, "a", is_stopped=lambda: who == "the farm is stopped")


def test_without_terms_no_take_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Disk(monkeypatch, 0)
    begins(SpaceWatch(None, tmp_path), "a")
