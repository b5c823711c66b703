"""One attempt on one device process: what every kind of death costs, and what it does not."""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.farm.conftest import OpenFarm
from tests.farm.duties import FLOOD
from tests.farm.orders import device, nobody, order, pid
from wan_render.errors import DeviceError, PictureError, RenderError
from wan_render.farm.farm_settings import Stall
from wan_render.render_values import Phase, Progress


@pytest.mark.spawned
def test_a_process_stays_warm_for_the_next_order_and_for_another_model(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu")
    first = farm.render(order("nothing"), nobody)
    second = farm.render(order("nothing", "1/020"), nobody)
    other_model = farm.render(order("nothing", "1/030", model="another@1"), nobody)
    assert pid(first) == pid(second) == pid(other_model) != os.getpid()


def test_progress_is_heard_in_the_thread_that_renders(open_farm: OpenFarm) -> None:
    heard: list[Progress] = []
    open_farm("cpu").render(order("progress"), heard.append)
    assert heard[-1] == Progress(Phase.STEP, 3, 3)


@pytest.mark.spawned
@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("kill", r"on cpu: was killed \(signal 9\); the kernel's log says whether memory ran out"),
        ("segfault", r"on cpu: was killed \(signal 11: Segmentation fault\)"),
        ("alien", r"on cpu: sent an unreadable message: ModuleNotFoundError"),
        ("exit", r"on cpu: ended by itself with code 3"),
        ("memory", r"shot 1/020: MemoryError, in <lambda> \(duties.py:\d+\)"),
    ],
)
def test_a_death_costs_that_attempt_only(open_farm: OpenFarm, action: str, words: str) -> None:
    farm = open_farm("cpu")
    before = farm.render(order("nothing"), nobody)
    with pytest.raises(DeviceError, match=words) as failure:
        farm.render(order(f"{action} once", "1/020"), nobody)
    assert failure.value.worth_retrying
    after = farm.render(order(f"{action} once", "1/020"), nobody)
    assert pid(after) != pid(before)


def test_a_process_that_died_while_idle_costs_nothing(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu")
    child = psutil.Process(pid(farm.render(order("nothing"), nobody)))
    child.kill()
    child.wait(60)
    assert pid(farm.render(order("nothing", "1/020"), nobody)) != child.pid


def test_our_own_errors_arrive_as_they_are_and_the_process_is_replaced(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu")
    before = farm.render(order("nothing"), nobody)
    with pytest.raises(PictureError, match=r"a\.png: changed since it was planned") as failure:
        farm.render(order("picture", "1/020"), nobody)
    assert not failure.value.worth_retrying
    assert pid(farm.render(order("nothing", "1/030"), nobody)) != pid(before)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("bug", r"shot 1/010: KeyError: 'weight', in action \(duties.py:\d+\); details are in (.*\.log)"),
        ("eof", r"shot 1/010: EOFError"),
        ("odd", r"shot 1/010: OddError: here: an error with a constructor of its own"),
        ("lambda", r"shot 1/010: RenderError: <function"),
    ],
)
def test_foreign_and_unpicklable_errors_arrive_as_words(open_farm: OpenFarm, action: str, words: str) -> None:
    with pytest.raises(RenderError, match=words) as failure:
        open_farm("cpu").render(order(action), nobody)
    log = Path(failure.value.problems[0].remedy.removeprefix("details are in "))
    assert "Traceback" in log.read_text()


def test_a_farm_needs_devices_that_differ(open_farm: OpenFarm) -> None:
    for names in ((), ("cpu", "cpu")):
        with pytest.raises(ValueError, match="expected one device or several different ones"):
            open_farm(*names)


@pytest.mark.spawned
def test_every_attempt_has_a_log_that_holds_all_it_printed(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cpu")
    farm.render(order("nothing"), nobody)
    farm.render(order("chatter", "1/020"), nobody)
    farm.render(order("chatter", "1/020"), nobody)
    logs = sorted((tmp_path / "logs").iterdir())
    assert [log.name.rpartition("-")[2] for log in logs] == ["1.log", "1.log", "2.log"]
    assert b"a library chatters" not in logs[0].read_bytes()
    for log in logs[1:]:
        assert log.read_bytes().count(b"a library chatters") == 200
        assert b"a program chatters" in log.read_bytes()


def test_a_segfault_leaves_where_it_happened_in_the_log(open_farm: OpenFarm, tmp_path: Path) -> None:
    with pytest.raises(DeviceError):
        open_farm("cpu").render(order("segfault"), nobody)
    (log,) = (tmp_path / "logs").iterdir()
    assert "duties.py" in log.read_text()


def test_a_listener_slower_than_the_device_neither_blocks_it_nor_misses_a_phase(open_farm: OpenFarm) -> None:
    heard: list[Progress] = []

    def slow(progress: Progress) -> None:
        heard.append(progress)
        time.sleep(0.005)

    open_farm("cpu").render(order("flood"), slow)
    assert heard[-2:] == [Progress(Phase.STEP, FLOOD - 1, FLOOD), Progress(Phase.WRITING)]
    assert len(heard) < FLOOD // 2


def test_what_the_process_logs_is_logged_here(open_farm: OpenFarm, caplog: pytest.LogCaptureFixture) -> None:
    open_farm("cpu").render(order("say"), nobody)
    assert ("wan_render.store", logging.WARNING, "take 7f3a91 was set aside") in caplog.record_tuples


@pytest.mark.spawned
def test_no_signal_of_the_terminal_reaches_the_process(open_farm: OpenFarm) -> None:
    clip = open_farm("cpu").render(order("signals"), nobody)
    assert os.getsid(pid(clip)) == os.getpgid(pid(clip)) == pid(clip)


@pytest.mark.spawned
def test_the_process_is_the_first_to_go_where_memory_runs_out(open_farm: OpenFarm) -> None:
    clip = open_farm("cpu").render(order("nothing"), nobody)
    ours, its = (int(Path(f"/proc/{who}/oom_score_adj").read_text()) for who in ("self", pid(clip)))
    assert its > ours


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="Linux alone has scores")
def test_the_process_protects_its_ffmpeg_from_its_own_oom_score(open_farm: OpenFarm) -> None:
    open_farm("cpu").render(order("encode"), nobody)


@pytest.mark.spawned
def test_the_gpu_is_pinned_before_anything_is_imported(open_farm: OpenFarm) -> None:
    clip = open_farm("cuda:1").render(order("nothing"), nobody)
    assert psutil.Process(pid(clip)).environ()["CUDA_VISIBLE_DEVICES"] == "GPU-cuda:1"


@pytest.mark.parametrize(
    ("prompt", "doing"), [("hang", "step 1 of 50"), ("load", "loading"), ("repeat", "step 1 of 50")]
)
def test_a_phase_without_progress_ends_the_attempt(open_farm: OpenFarm, prompt: str, doing: str) -> None:
    farm = open_farm("cpu", stall=Stall(loading=0.2, step=0.2))
    with pytest.raises(DeviceError, match=rf"no progress for \d+\.\d s while {doing} \(limit 0.[23] s\)") as failure:
        farm.render(order(prompt), nobody)
    assert failure.value.worth_retrying
    farm.render(order("nothing"), nobody)


def test_a_writer_that_is_stuck_ends_the_attempt(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu", handler="tests.farm.duties:overlapping", stall=Stall(writing=0.2))
    with pytest.raises(DeviceError, match=r"no progress for \d+\.\d s while writing \(limit 0.[23] s\)"):
        farm.render(order("render never"), nobody)


def test_a_process_that_never_starts_is_a_stall_too(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu", handler="tests.farm.duties:slow_start", stall=Stall(starting=0.2))
    with pytest.raises(DeviceError, match=r"no progress for \d+\.\d s while starting"):
        farm.render(order("nothing"), nobody)


def test_a_process_that_cannot_start_says_why(open_farm: OpenFarm) -> None:
    with pytest.raises(RenderError, match=r"the process on cpu: ImportError: libcudart.so.12"):
        open_farm("cpu", handler="tests.farm.duties:broken_start").render(order("nothing"), nobody)


def test_an_error_of_the_listener_is_raised_and_frees_the_device(open_farm: OpenFarm) -> None:
    farm = open_farm("cpu")

    def fail(_progress: Progress) -> None:
        raise LookupError("the bar is gone")

    with pytest.raises(LookupError, match="the bar is gone"):
        farm.render(order("load"), fail)
    farm.render(order("nothing"), nobody)


def test_a_device_that_is_warm_with_the_model_is_preferred(open_farm: OpenFarm) -> None:
    farm = open_farm("cuda:0", "cuda:1")
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda model: farm.render(order("briefly", model=model), nobody), ("a@1", "b@1"))
    again_b = farm.render(order("nothing", "2/010", model="b@1"), nobody)
    again_a = farm.render(order("nothing", "2/020", model="a@1"), nobody)
    assert {device(first), device(second)} == {"cuda:0", "cuda:1"}
    assert pid(again_a) == pid(first)
    assert pid(again_b) == pid(second)


def test_another_attempt_goes_to_another_device(open_farm: OpenFarm) -> None:
    farm = open_farm("cuda:0", "cuda:1")
    with pytest.raises(DeviceError):
        farm.render(order("kill on cuda:0"), nobody)
    assert device(farm.render(order("kill on cuda:0"), nobody)) == "cuda:1"


def test_with_one_device_another_attempt_has_to_go_there(open_farm: OpenFarm) -> None:
    farm = open_farm("cuda:0")
    with pytest.raises(DeviceError):
        farm.render(order("kill once"), nobody)
    assert device(farm.render(order("kill once"), nobody)) == "cuda:0"


def test_a_device_on_which_different_shots_fail_is_quarantined(open_farm: OpenFarm) -> None:
    farm = open_farm("cuda:0", "cuda:1")
    for shot in ("1/010", "1/020"):
        with pytest.raises(DeviceError):
            farm.render(order("kill on cuda:0", shot), nobody)
    assert device(farm.render(order("kill on cuda:0", "1/030"), nobody)) == "cuda:1"
