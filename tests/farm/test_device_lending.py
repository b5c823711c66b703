"""A farm lends its devices: before waiting takes, never under a running one, and not while it closes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.farm.conftest import OpenFarm
from tests.farm.orders import nobody, order, pid
from wan_render.farm.local import LocalFarm

OVERLAPPING = "tests.farm.duties:together"


def eventually(happens: threading.Event) -> None:
    assert happens.wait(60)


def test_borrowers_come_before_waiting_takes_and_after_the_running_one(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm, done = open_farm("cpu", handler=OVERLAPPING), list[str]()
    begun, asked = threading.Event(), threading.Event()

    def render(prompt: str, shot: str) -> None:
        farm.render(order(prompt, shot), lambda _: begun.set())
        done.append(shot)

    def borrow() -> None:
        with farm.lending.lend(asked.set) as lent:
            assert lent is not None
            assert (lent.device.name, len(lent.locks) > 0) == ("cpu", True)
            done.append("lent")
            time.sleep(0.3)
            assert done[-1] == "lent"

    with ThreadPoolExecutor() as threads:
        running = threads.submit(render, "hold go", "1/010")
        eventually(begun)
        waiting = threads.submit(render, "nothing", "1/020")
        time.sleep(0.3)
        borrowing = threads.submit(borrow)
        eventually(asked)
        assert done == []
        (tmp_path / "go").touch()
        for each in (running, waiting, borrowing):
            each.result(60)
    assert done == ["1/010", "lent", "1/020"]


def test_a_closing_farm_lends_nothing_and_waits_for_what_it_lent(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu")
    with ThreadPoolExecutor() as threads:
        with farm.lending.lend(lambda: None) as lent:
            assert lent is not None
            closing = threads.submit(farm.close)
            time.sleep(0.3)
            assert not closing.done()
            with farm.lending.lend(lambda: None) as second:
                assert second is None
        closing.result(60)


def test_a_device_can_be_lent_without_the_model_on_it(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu")
    process = psutil.Process(pid(farm.render(order("nothing"), nobody)))
    with farm.lending.lend(lambda: None):
        assert process.is_running()
    with farm.lending.lend(lambda: None, emptied=True):
        assert not process.is_running()
    assert pid(farm.render(order("nothing", "1/020"), nobody)) != process.pid


def test_a_borrower_that_gives_up_stops_no_take(open_farm: OpenFarm) -> None:
    class GivesUp(Exception):  # noqa: N818 - it is no error of ours
        pass

    def give_up() -> None:
        raise GivesUp

    farm = open_farm("cpu")
    with farm.lending.lend(lambda: None), pytest.raises(GivesUp), farm.lending.lend(give_up):
        pass
    assert isinstance(farm, LocalFarm)
    farm.render(order("nothing"), nobody)
