"""One take is written while the next is rendered: what that changes, and what it must not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from tests.farm.conftest import OpenFarm
from tests.farm.duties import ACTIONS
from tests.farm.orders import nobody, order, pid
from wan_render.errors import DeviceError, DiskError, OutOfMemoryError, RenderError, Stopped
from wan_render.farm.attempt_events import Began, Event
from wan_render.farm.attempts import Attempts
from wan_render.farm.local import LocalFarm
from wan_render.farm.process.order_handler import OrderHandler
from wan_render.farm.run_terms import RunTerms
from wan_render.farm.scheduler import render_all
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Listen, Phase, Progress
from wan_render.store import Clip
from wan_render.take import Size

HANDLER = "tests.farm.duties:overlapping"


@pytest.fixture
def farm(open_farm: OpenFarm) -> LocalFarm:
    return open_farm("cpu", handler=HANDLER)


@contextmanager
def writing(farm: LocalFarm, prompt: str, shot: str = "1/010") -> Iterator[Future[Clip]]:
    """An order that is rendered and being written, or waiting for that. It is stopped if the test fails."""
    is_written = threading.Event()

    def listen(progress: Progress) -> None:
        if progress.phase is Phase.WRITING:
            is_written.set()

    with ThreadPoolExecutor(1) as threads:
        rendering = threads.submit(farm.render, order(prompt, shot), listen)
        try:
            assert is_written.wait(60)
            yield rendering
        except BaseException:
            farm.stop()
            raise


def test_the_next_order_is_rendered_while_one_is_written(farm: LocalFarm, tmp_path: Path) -> None:
    with writing(farm, "render first") as first:
        second = farm.render(order("nothing", "1/020"), nobody)
        assert not first.done()
        (tmp_path / "first").touch()
        assert pid(first.result(60)) == pid(second)


def test_no_more_than_one_is_written_at_a_time(farm: LocalFarm, tmp_path: Path) -> None:
    """The third waits with its frames: two takes' frames are in memory, never three."""
    (tmp_path / "second").touch()
    with (
        writing(farm, "render first") as first,
        writing(farm, "render second", "1/020") as second,
        ThreadPoolExecutor(1) as threads,
    ):
        third = threads.submit(farm.render, order("nothing", "1/030"), nobody)
        with pytest.raises(TimeoutError):
            third.result(0.3)
        (tmp_path / "first").touch()
        assert len({pid(each.result(60)) for each in (first, second, third)}) == 1


def test_a_write_that_fails_costs_its_take_and_not_the_process(farm: LocalFarm, tmp_path: Path) -> None:
    with writing(farm, "render first then full") as first:
        before = farm.render(order("nothing", "1/020"), nobody)
        (tmp_path / "first").touch()
        with pytest.raises(DiskError):
            first.result(60)
        assert pid(farm.render(order("nothing", "1/030"), nobody)) == pid(before)


def test_a_render_that_fails_lets_what_is_written_end(farm: LocalFarm, tmp_path: Path) -> None:
    with writing(farm, "render first") as first, ThreadPoolExecutor(1) as threads:
        failing = threads.submit(farm.render, order("blame", "1/020"), nobody)
        with pytest.raises(TimeoutError):
            failing.result(0.3)
        (tmp_path / "first").touch()
        before = pid(first.result(60))
        with pytest.raises(RenderError):
            failing.result(60)
        assert pid(farm.render(order("nothing", "1/030"), nobody)) != before


def test_a_death_costs_both_attempts_and_blames_the_device_for_one(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cpu", "cuda:0", handler=HANDLER, quarantine=2)
    with writing(farm, "render first") as first:
        with pytest.raises(DeviceError):
            farm.render(order("kill on cpu", "1/020", model="a model@1"), nobody)
        with pytest.raises(DeviceError, match="was killed"):
            first.result(60)
    (tmp_path / "first").touch()
    assert all(map(farm._dispatch.allows, farm._held_devices))


def test_stop_while_one_is_written_stops_both(farm: LocalFarm) -> None:
    with writing(farm, "render first") as first, ThreadPoolExecutor(1) as threads:
        second = threads.submit(farm.render, order("load", "1/020"), nobody)
        farm.stop()
        for each in (first, second):
            with pytest.raises(Stopped):
                each.result(60)


def test_close_waits_for_what_is_written(farm: LocalFarm, tmp_path: Path) -> None:
    with writing(farm, "render first") as first, ThreadPoolExecutor(1) as threads:
        closing = threads.submit(farm.close)
        with pytest.raises(TimeoutError):
            closing.result(0.3)
        (tmp_path / "first").touch()
        first.result(60)
        closing.result(60)


def test_all_takes_of_a_film_overlap_and_each_begins_when_it_has_its_turn(farm: LocalFarm, tmp_path: Path) -> None:
    began: list[str] = []

    def listen(order: RenderOrder, event: Event) -> None:
        if isinstance(event, Began):
            began.append(order.shot)
            if order.shot == "2":  # the first is still being written
                (tmp_path / "first").touch()

    orders = [order("render first", "1"), order("nothing", "2"), order("nothing", "3")]
    outcomes = render_all(orders, farm, listen)
    assert all(isinstance(outcome, Clip) for outcome in outcomes.values())
    assert began == ["1", "2", "3"]


def test_a_write_that_is_worth_a_retry_is_retried(farm: LocalFarm, tmp_path: Path) -> None:
    (tmp_path / "first").touch()
    orders = [order("render first then crowded", "1"), order("nothing", "2")]
    outcomes = render_all(orders, farm, terms=RunTerms(attempts=lambda: Attempts(limit=2)))
    assert isinstance(outcomes[orders[0]], OutOfMemoryError)
    assert isinstance(outcomes[orders[1]], Clip)


def large(device: Device, store: Path) -> OrderHandler:
    """Runs out of memory until it is told to use less, twice; the clip's frames say how tight it was."""

    def handle(order: RenderOrder, listen: Listen) -> Clip:
        if order.tighter < 2 and order.take.prompt == "large":
            ACTIONS["crowded"](store, listen)
        return Clip(order.take.key, Path(f"/{device.name}/1"), order.tighter, Size(64, 48), Fraction(16))

    return handle


@pytest.mark.parametrize("shots", [1, 4])
def test_after_running_out_of_memory_a_fresh_process_retries_with_less(open_farm: OpenFarm, shots: int) -> None:
    """For this model only, on every device with as much memory; and it is no device's fault."""
    farm = open_farm("cpu", "cuda:0", handler="tests.farm.test_overlap:large", quarantine=1)
    orders = [order("large", str(shot)) for shot in range(shots)]
    outcomes = render_all(orders, farm, terms=RunTerms(attempts=lambda: Attempts(limit=5)))
    assert [outcome.frames for outcome in outcomes.values() if isinstance(outcome, Clip)] == [2] * shots
    assert farm.render(order("small", model="another@1"), nobody).frames == 0
    assert all(map(farm._dispatch.allows, farm._held_devices))
