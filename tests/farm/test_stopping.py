"""How a farm ends, how it dies, and how two of them share a device."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.farm.conftest import OpenFarm
from tests.farm.orders import nobody, order, pid
from wan_render.errors import DeviceError, MachineError, Stopped
from wan_render.farm.local import LocalFarm
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.render_values import Device
from wan_render.store import Clip

CPU = Device("cpu", "under test", 0)

A_RUN = """
import sys
from pathlib import Path
from tests.farm.orders import HANDLER, nobody, order
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.local import LocalFarm
from wan_render.render_values import Device

root = Path(sys.argv[1])
farm = LocalFarm([Device("cpu", "under test", 0)], root, FarmSettings(locks=root / "locks", handler=HANDLER))
farm.render(order("load"), nobody)
"""


def test_stop_during_a_load_that_hears_nothing(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cpu")
    with ThreadPoolExecutor(1) as threads:
        rendering = threads.submit(farm.render, order("load"), nobody)
        child, grandchild = pids(tmp_path)
        stop(farm, rendering)
    assert_gone(child, grandchild)


def test_stop_while_a_process_starts(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cpu", handler="tests.farm.duties:slow_start")
    with ThreadPoolExecutor(1) as threads:
        rendering = threads.submit(farm.render, order("nothing"), nobody)
        child = psutil.Process(int(appears(tmp_path / "pid")))
        stop(farm, rendering)
    assert_gone(child)


def test_a_process_that_dies_takes_its_ffmpeg_along(open_farm: OpenFarm, tmp_path: Path) -> None:
    with pytest.raises(DeviceError):
        open_farm("cpu").render(order("orphan"), nobody)
    grandchild = int(appears(tmp_path / "pids").split()[1])
    until(lambda: not runs(grandchild))


def test_nothing_is_rendered_after_a_stop(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu")
    farm.stop()
    farm.stop()
    with pytest.raises(Stopped):
        farm.render(order("nothing"), nobody)


def test_close_lets_what_is_rendered_end_and_frees_the_device(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cpu")
    lock = DeviceLock(tmp_path / "locks", CPU)
    began = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        rendering = threads.submit(farm.render, order("briefly"), lambda _: began.set())
        assert began.wait(60)
        assert not lock.acquire()
        farm.close()
        child = pid(rendering.result())
    until(lambda: not psutil.pid_exists(child))
    assert lock.acquire()
    lock.release()


def test_a_run_that_is_killed_takes_its_device_processes_along_and_frees_the_device(tmp_path: Path) -> None:
    """kill -9, in the middle of a load that holds Python's interpreter, with an ffmpeg at work."""
    run = a_run(tmp_path)
    child, grandchild = pids(tmp_path)
    lock = DeviceLock(tmp_path / "locks", CPU)
    assert not lock.acquire()
    run.kill()
    run.wait()
    assert_gone(child, grandchild)
    until(lock.acquire)
    lock.release()


def test_a_second_run_says_that_it_waits_and_then_goes_on(
    open_farm: OpenFarm, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = open_farm("cpu"), open_farm("cpu")
    first.render(order("nothing"), nobody)
    with ThreadPoolExecutor(1) as threads:
        rendering = threads.submit(second.render, order("nothing", "1/020"), nobody)
        until(lambda: said(caplog, f"waiting for cpu: process {os.getpid()} of "))
        assert not rendering.done()
        first.close()
        rendering.result(timeout=60)
    assert len(said(caplog, "waiting for cpu")) == 1


def test_a_run_that_waits_for_a_device_can_be_stopped(open_farm: OpenFarm, caplog: pytest.LogCaptureFixture) -> None:
    first, second = open_farm("cpu"), open_farm("cpu")
    first.render(order("nothing"), nobody)
    with ThreadPoolExecutor(1) as threads:
        rendering = threads.submit(second.render, order("nothing", "1/020"), nobody)
        until(lambda: said(caplog, "waiting for cpu"))
        stop(second, rendering)


def test_a_device_that_another_run_holds_does_not_hold_up_the_others(open_farm: OpenFarm) -> None:
    first, second = open_farm("cuda:0"), open_farm("cuda:0", "cuda:1")
    first.render(order("nothing"), nobody)
    with ThreadPoolExecutor(2) as threads:
        clips = threads.map(lambda shot: second.render(order("briefly", shot), nobody), ("1/010", "1/020", "1/030"))
        assert {clip.folder.parent.name for clip in clips} == {"cuda:1"}


def test_a_failed_attempt_goes_back_to_its_device_where_another_run_holds_the_other(open_farm: OpenFarm) -> None:
    first, second = open_farm("cuda:1"), open_farm("cuda:0", "cuda:1")
    first.render(order("nothing"), nobody)
    with pytest.raises(MachineError):
        second.render(order("kill once"), nobody)
    assert second.render(order("kill once"), nobody).folder.parent.name == "cuda:0"


def a_run(folder: Path) -> subprocess.Popen[bytes]:
    """Another process with a farm that loads without end."""
    modules = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-c", A_RUN, str(folder)], env={**os.environ, "PYTHONPATH": modules}, stderr=subprocess.DEVNULL
    )


def pids(folder: Path) -> tuple[psutil.Process, psutil.Process]:
    """The device process and its grandchild, once they are there."""
    child, grandchild = (psutil.Process(int(pid)) for pid in appears(folder / "pids").split())
    return child, grandchild


def appears(file: Path) -> str:
    until(lambda: file.exists() and file.stat().st_size > 0)
    return file.read_text()


def stop(farm: LocalFarm, rendering: Future[Clip]) -> None:
    """Stop it while a device is busy without end, or not free: what is waited for here would never come by itself."""
    farm.stop()
    with pytest.raises(Stopped):
        rendering.result(timeout=60)


def assert_gone(*processes: psutil.Process) -> None:
    """Dead, whether anybody has reaped them or not."""
    until(lambda: not any(runs(process.pid) for process in processes))


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def said(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [text for _, level, text in caplog.record_tuples if level >= logging.WARNING and words in text]


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.02)
