"""What the farm is told of a device process that ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.farm.orders import HANDLER, nobody, order
from wan_render.farm.farm_settings import Stall
from wan_render.farm.process.channel import OrderMessage, Start
from wan_render.farm.process.device_process import DeviceProcess, LostProcessError
from wan_render.farm.process.process_link import LocalProcess
from wan_render.render_values import Device, Progress

CPU = Device("cpu", "under test", 0, pin="")


@dataclass(frozen=True)
class Attempt:
    """An attempt whose listener holds its thread. let_go: end that."""

    outcome: Future[object]
    let_go: threading.Event


@pytest.fixture
def process(tmp_path: Path) -> Iterator[DeviceProcess]:
    link = LocalProcess(Start(HANDLER, CPU, tmp_path), (), tmp_path / "log")
    process = DeviceProcess(CPU, link, tmp_path / "log")
    yield process
    process.kill()
    process.wait()


@contextmanager
def held_up(process: DeviceProcess, log: Path) -> Iterator[Attempt]:
    """An attempt that hears of its first step, and of nothing more before it is let go."""
    heard, let_go = threading.Event(), threading.Event()

    def listen(_progress: Progress) -> None:
        heard.set()
        let_go.wait(60)

    with ThreadPoolExecutor(1) as threads:
        message = OrderMessage(order("hang"), "shot 1/010", log)
        outcome = threads.submit(process.attempt, message, listen, Stall())
        assert heard.wait(60)
        try:
            yield Attempt(outcome, let_go)
        finally:
            let_go.set()


def die(process: DeviceProcess) -> None:
    child = psutil.Process(process.pid)
    os.kill(process.pid, signal.SIGSEGV)
    process.wait()
    assert not child.is_running()


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ([die, DeviceProcess.kill], r"was killed \(signal 11"),
        ([DeviceProcess.kill, DeviceProcess.wait], "was stopped"),
    ],
)
def test_a_late_attempt_hears_how_the_process_ended_first(
    process: DeviceProcess, tmp_path: Path, ends: list[Callable[[DeviceProcess], None]], found: str
) -> None:
    """The farm kills what is left of a dead process before each of its attempts has looked."""
    with held_up(process, tmp_path / "log") as attempt:
        for end in ends:
            end(process)
        attempt.let_go.set()
        with pytest.raises(LostProcessError, match=found):
            attempt.outcome.result(60)
    with pytest.raises(LostProcessError, match=found):
        process.attempt(OrderMessage(order("nothing"), "shot 1/020", tmp_path / "log"), nobody, Stall())
