"""Several devices render one take: who is in a group, when, and what becomes of it when one of them fails."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.farm.conftest import OpenFarm
from tests.farm.orders import Grouping, Wide, device, device_processes, grouped, nobody, order, pid
from tests.farm.test_stopping import runs, said, stop, until
from wan_render.errors import DeviceError, DiskError, LostPeerError, OutOfMemoryError, RenderError
from wan_render.farm import running_attempt
from wan_render.farm.farm_settings import Stall
from wan_render.farm.groups import simulation
from wan_render.farm.local import LocalFarm
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.ordering.policy import NightPolicy
from wan_render.farm.run_terms import RunTerms
from wan_render.farm.scheduler import render_all
from wan_render.model_card import ModelCard
from wan_render.render_values import Progress
from wan_render.settings import MachineSettings
from wan_render.store import Clip
from wan_render.take import Take

HANDLER = "tests.farm.duties:together"
FOUR = ("cuda:0", "cuda:1", "cuda:2", "cuda:3")


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as found:
        yield found


@pytest.fixture(autouse=True)
def grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_attempt, "GRACE_SECONDS", 0.8)


@contextmanager
def released(*files: Path) -> Iterator[None]:
    """Whatever happens, nobody waits for these files in the end."""
    try:
        yield
    finally:
        for file in files:
            file.touch()


def begun(folder: Path) -> list[str]:
    """`1/010 on cuda:0 0 of 2`, …: every order that a device began."""
    file = folder / "begun"
    lines = file.read_text().splitlines() if file.exists() else []
    return [line.partition(" tighter")[0] for line in lines]


def begins(folder: Path, shot: str) -> list[str]:
    return [line.removeprefix(f"{shot} on ") for line in begun(folder) if line.startswith(f"{shot} ")]


def held(farm: LocalFarm) -> list[str]:
    """The devices that no other run can have."""
    return [held.device.name for held in farm._held_devices if held.lock.held]


@contextmanager
def a_group_waits(farm: LocalFarm, folder: Path, threads: ThreadPoolExecutor) -> Iterator[Future[Clip]]:
    """Shot 2 asks for two devices; one of the farm's two is busy with shot 1 until the end."""
    with released(folder / "go"):
        threads.submit(farm.render, grouped("hold go", "1"), nobody)
        until(lambda: begun(folder))
        yield threads.submit(farm.render, grouped("nothing", "2", gpus=2), nobody)


def is_free(farm: LocalFarm) -> bool:
    """Nobody works, and nothing of a group is left."""
    idle = not any(held.busy or held.writing for held in farm._held_devices)
    locks = farm._settings.locks
    assert locks is not None
    return idle and not list(locks.glob("wan-render-group-*"))


# Who and when


@pytest.mark.parametrize("size", [2, 4])
def test_as_many_devices_as_are_asked_for_render_a_take(open_farm: OpenFarm, tmp_path: Path, size: int) -> None:
    farm = open_farm(*FOUR, handler=HANDLER)
    heard: list[Progress] = []
    clip = farm.render(grouped("nothing", gpus=size), heard.append)
    assert sorted(begun(tmp_path)) == [f"1/010 on cuda:{rank} {rank} of {size}" for rank in range(size)]
    assert device(clip) == "cuda:0"
    assert all(line.endswith(" 700") for line in (tmp_path / "begun").read_text().splitlines())
    until(lambda: is_free(farm))
    logs = sorted(log.name.rpartition("-1")[2] or log.name for log in (tmp_path / "logs").iterdir())
    assert len(logs) == size
    assert [log for log in logs if "rank" in log] == [f"-rank{rank}.log" for rank in range(1, size)]


def test_a_group_stays_warm(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    first = farm.render(grouped("nothing", gpus=2), nobody)
    until(lambda: is_free(farm))
    processes = [held.process for held in farm._held_devices]
    second = farm.render(grouped("nothing", "1/020", gpus=2), nobody)
    assert pid(first) == pid(second)
    assert [held.process for held in farm._held_devices] == processes
    assert len(begins(tmp_path, "1/020")) == 2


def test_a_device_that_has_helped_renders_another_take_while_the_leader_decodes(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    with released(tmp_path / "go"):
        first = threads.submit(farm.render, grouped("decode go", gpus=2), nobody)
        until(lambda: len(begins(tmp_path, "1/010")) == 2)
        second = farm.render(grouped("nothing", "1/020"), nobody)
        assert device(second) == "cuda:1"
        assert not first.done()
    assert device(first.result(60)) == "cuda:0"


def test_devices_that_are_asked_for_and_missing_are_reported_once(
    open_farm: OpenFarm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    farm = open_farm("cuda:0", "cuda:1", "cuda:2", handler=HANDLER)
    for shot in ("1/010", "1/020"):
        farm.render(grouped("nothing", shot, gpus=4), nobody)
        until(lambda: is_free(farm))
        assert len(begins(tmp_path, shot)) == 2
    words = "1/010 take 1 asks for 4 devices but gets 2: no more identical devices are available"
    assert said(caplog, "asks for") == [words]


def test_a_backend_that_renders_alone_says_so(open_farm: OpenFarm, caplog: pytest.LogCaptureFixture) -> None:
    asked = grouped("nothing", gpus=2, backend=order("nothing").backend)
    open_farm("cuda:0", "cuda:1", handler=HANDLER).render(asked, nobody)
    (warning,) = said(caplog, "asks for")
    assert warning.endswith("asks for 2 devices but gets 1: animatic/1 cannot use more for such a take")


def test_groups_that_are_off_are_not_formed(
    open_farm: OpenFarm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER, groups="off")
    farm.render(grouped("nothing", gpus=2), nobody)
    assert begun(tmp_path) == ["1/010 on cuda:0 alone"]
    assert said(caplog, "but gets 1: WAN_RENDER_GROUPS is off")


@pytest.mark.parametrize(("groups", "size"), [("asked", 1), ("auto", 2), (MachineSettings().groups, 2)])
def test_one_take_that_asks_for_nothing_gets_both_devices_only_where_that_is_the_farms_choice(
    open_farm: OpenFarm, tmp_path: Path, groups: str, size: int
) -> None:
    render_all([grouped("nothing")], open_farm("cuda:0", "cuda:1", handler=HANDLER, groups=groups))
    assert len(begun(tmp_path)) == size


def test_a_night_forms_groups_as_well(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER, groups="auto")
    render_all([grouped("nothing")], farm, terms=RunTerms(NightPolicy()))
    assert len(begun(tmp_path)) == 2


@dataclass(frozen=True)
class NotAsked(Grouping):
    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:
        raise AssertionError((take, card))


def test_one_device_forms_no_groups_and_logs_nothing(open_farm: OpenFarm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wan_render")
    farm = open_farm("cuda:0", handler=HANDLER, groups="auto")
    caplog.clear()  # of where its lock is
    alone = [grouped("nothing", shot, backend=NotAsked()) for shot in "123"]
    assert all(isinstance(outcome, Clip) for outcome in render_all(alone, farm).values())
    assert len(caplog.messages) == 3
    assert all(" take 1 on cuda:0, log " in message for message in caplog.messages)


def test_one_that_asks_for_one_device_gets_one(open_farm: OpenFarm, tmp_path: Path) -> None:
    open_farm("cuda:0", "cuda:1", handler=HANDLER, groups="auto").render(grouped("nothing", gpus=1), nobody)
    assert begun(tmp_path) == ["1/010 on cuda:0 alone"]


def test_the_last_wave_of_a_run_takes_groups(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three on two: two alone, and when they end, about the same time, the third by both."""
    monkeypatch.setattr(simulation, "JOINING_SECONDS", 0.0)
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER, groups="auto")
    orders = [grouped("hold go", "1"), grouped("hold go", "2"), grouped("nothing", "3")]
    with released(tmp_path / "go"):
        start = time.monotonic()
        run = threads.submit(render_all, orders, farm)
        until(lambda: len(begun(tmp_path)) == 2)
        time.sleep(max(1.0, 3 * (time.monotonic() - start)))  # however much later one of them began, they look alike
    assert all(isinstance(outcome, Clip) for outcome in run.result(60).values())
    shots, _, devices, ranks = zip(*(line.split() for line in begun(tmp_path)[:2]), strict=True)
    assert (set(shots), set(devices), set(ranks)) == ({"1", "2"}, {"cuda:0", "cuda:1"}, {"alone"})
    assert [line.partition(" on ")[0] for line in begun(tmp_path)[2:]] == ["3", "3"]


@pytest.mark.parametrize(("gpus", "size"), [(None, 4), (8, 8)])
def test_a_group_that_nobody_asked_for_has_four_at_most(
    open_farm: OpenFarm, tmp_path: Path, gpus: int | None, size: int
) -> None:
    farm = open_farm(*FOUR, "cuda:4", "cuda:5", "cuda:6", "cuda:7", handler=HANDLER, groups="auto")
    farm.render(grouped("nothing", gpus=gpus, backend=Wide()), nobody)
    assert len(begun(tmp_path)) == size


def test_idle_devices_that_a_group_waits_with_are_not_taken_by_those_who_come_later(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    with a_group_waits(farm, tmp_path, threads) as second:
        until(lambda: len(farm._dispatch._requests) == 1)
        third = threads.submit(farm.render, grouped("nothing", "3"), nobody)
        with pytest.raises(TimeoutError):
            third.result(0.5)
        assert not second.done()
    second.result(60)
    third.result(60)
    assert [line.partition(" on ")[0] for line in begun(tmp_path)] == ["1", "2", "2", "3"]


def test_a_device_that_another_run_holds_is_not_waited_for(open_farm: OpenFarm, tmp_path: Path) -> None:
    other, farm = open_farm("cuda:1", handler=HANDLER), open_farm("cuda:0", "cuda:1", "cuda:2", handler=HANDLER)
    other.render(order("nothing"), nobody)
    farm.render(grouped("nothing", "2", gpus=4), nobody)
    assert sorted(begins(tmp_path, "2")) == ["cuda:0 0 of 2", "cuda:2 1 of 2"]


def test_a_device_that_was_kept_for_a_group_and_never_used_is_given_back(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    """Three are kept for a group of four; the fourth fails, gets no more, and the group is one of two."""
    farm = open_farm(*FOUR, handler=HANDLER, quarantine=1)
    with released(tmp_path / "go"):
        failing = threads.submit(farm.render, grouped("hold go kill", "1"), nobody)
        until(lambda: begun(tmp_path))
        grouping = threads.submit(farm.render, grouped("nothing", "2", gpus=4), nobody)
        until(lambda: held(farm) == list(FOUR))
    assert isinstance(failing.exception(60), DeviceError)
    grouping.result(60)
    assert sorted(begins(tmp_path, "2")) == ["cuda:1 0 of 2", "cuda:2 1 of 2"]
    assert held(farm) == ["cuda:1", "cuda:2"], "what was used stays ours, warm as it is"
    open_farm("cuda:3", handler=HANDLER).render(order("nothing", "3"), nobody)


def test_a_device_that_is_kept_for_a_group_that_still_waits_is_not_given_back(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    with a_group_waits(farm, tmp_path, threads) as second:
        until(lambda: held(farm) == ["cuda:0", "cuda:1"])
        for _ in range(5):
            farm.expect([])
            time.sleep(0.1)
            assert held(farm) == ["cuda:0", "cuda:1"]
    second.result(60)


# Failures


@pytest.mark.parametrize("action", ["kill", "blame", "hang"])
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_fails_costs_that_attempt_only_and_the_next_is_alone(
    open_farm: OpenFarm,
    tmp_path: Path,
    threads: ThreadPoolExecutor,
    caplog: pytest.LogCaptureFixture,
    action: str,
    rank: int,
) -> None:
    stall = Stall(step=0.5, expected_times=0.0) if action == "hang" else Stall()
    farm = open_farm("cuda:0", "cuda:1", "cuda:2", handler=HANDLER, stall=stall)
    with released(tmp_path / "go"):
        other = threads.submit(farm.render, grouped("hold go", "1"), nobody)
        until(lambda: begun(tmp_path))
        failing = grouped(f"{action} by rank {rank}", "2", gpus=2)
        outcomes = render_all([failing], farm)
        assert not other.done()
    assert isinstance(outcomes[failing], Clip)
    assert device(other.result(60)) == "cuda:0"
    ranks = begins(tmp_path, "2")
    assert sorted(ranks[:2]) == ["cuda:1 0 of 2", "cuda:2 1 of 2"]
    assert [words.split(maxsplit=1)[1] for words in ranks[2:]] == ["alone"]
    assert said(caplog, "2 take 1 failed on a group of devices: retrying on one")
    until(lambda: is_free(farm))


def test_the_first_cause_is_raised_and_not_its_consequences(open_farm: OpenFarm, tmp_path: Path) -> None:
    """Out of memory on one; the other has lost its peer, and says so first. Alone it may fit as it is."""
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    crowded = grouped("crowded by rank 1", gpus=2)
    with pytest.raises(OutOfMemoryError, match="out of memory"):
        farm.render(crowded, nobody)
    farm.render(crowded, nobody)
    assert "alone tighter 0" in (tmp_path / "begun").read_text().splitlines()[-1]


def test_who_has_lost_another_is_neither_the_cause_nor_blamed(open_farm: OpenFarm) -> None:
    """One finds that the pixels are wrong; the three others have lost it, and say so first."""
    farm = open_farm(*FOUR, handler=HANDLER)
    with pytest.raises(DeviceError, match="black frames"):
        farm.render(grouped("blame by rank 2", gpus=4), nobody)
    for shot in ("1/020", "1/030"):
        with pytest.raises(LostPeerError):
            farm.render(grouped("apart", shot, gpus=2), nobody)
        until(lambda: is_free(farm))
    assert all(map(farm._dispatch.allows, farm._held_devices))


def test_where_no_group_ever_renders_anything_there_are_no_more(
    open_farm: OpenFarm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As where NCCL does not work: every take of the run would be tried in vain first."""
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    farm.render(grouped("nothing", "0", gpus=2), nobody)
    apart = [grouped("apart by rank 1", shot, gpus=2) for shot in "12345"]
    assert all(isinstance(outcome, Clip) for outcome in render_all(apart, farm).values())
    assert sorted(len(begins(tmp_path, shot)) for shot in "12345") == [1, 1, 3, 3, 3]
    assert len(said(caplog, "no more groups are formed")) == 1
    assert not said(caplog, "asks for")


def test_where_the_first_group_that_nobody_asked_for_fails_there_is_no_other(
    open_farm: OpenFarm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """But those that a storyboard asks for are tried."""
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER, groups="auto")
    apart = [grouped("apart by rank 1", shot) for shot in "12"]
    for each in apart:
        assert all(isinstance(outcome, Clip) for outcome in render_all((each,), farm).values())
        until(lambda: is_free(farm))
    assert [len(begins(tmp_path, shot)) for shot in "12"] == [3, 1]
    assert len(said(caplog, "the first group failed")) == 1
    assert isinstance(farm.render(grouped("nothing", "3", gpus=2), nobody), Clip)
    assert len(begins(tmp_path, "3")) == 2


def test_a_take_that_cannot_be_written_is_not_the_fault_of_who_failed_when_its_part_was_done(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    with released(tmp_path / "late"):
        rendering = threads.submit(farm.render, grouped("late late full", gpus=2), nobody)
        until(lambda: said(caplog, "cuda:1 failed when its part of 1/010 was done"))
    with pytest.raises(DiskError, match="the disk is full"):
        rendering.result(60)


def test_what_would_end_alike_by_one_device_is_no_worse_for_having_been_tried_by_two(open_farm: OpenFarm) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    failing = grouped("blame", gpus=2)
    with pytest.raises(DeviceError, match="black frames"):
        farm.render(failing, nobody)
    with pytest.raises(RenderError, match="black frames"):
        farm.render(failing, nobody)


def test_the_rank_that_failed_is_blamed(open_farm: OpenFarm) -> None:
    farm = open_farm(*FOUR, handler=HANDLER)
    for shot in ("1", "2"):
        with pytest.raises(DeviceError, match=r"on cuda:1: was killed \(signal 9\)"):
            farm.render(grouped("kill on cuda:1", shot, gpus=4), nobody)
        until(lambda: is_free(farm))
    assert [farm._dispatch.allows(held) for held in farm._held_devices] == [True, False, True, True]


def test_a_leader_that_fails_before_its_helpers_begin_leaves_them_as_they_are(open_farm: OpenFarm) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    farm.render(grouped("nothing", "1", gpus=2), nobody)
    until(lambda: is_free(farm))
    helper = farm._held_devices[1].process
    with pytest.raises(DeviceError, match="KeyError: 'early'"):
        farm.render(grouped("early", "2", gpus=2), nobody)
    until(lambda: is_free(farm))
    assert farm._held_devices[1].process is helper
    assert helper is not None
    assert helper.alive


def test_a_helper_that_fails_when_its_part_is_done_costs_no_take(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    with released(tmp_path / "late"):
        rendering = threads.submit(farm.render, grouped("late late", gpus=2), nobody)
        until(lambda: said(caplog, "cuda:1 failed when its part of 1/010 was done"))
    assert device(rendering.result(60)) == "cuda:0"
    until(lambda: is_free(farm))
    assert farm._held_devices[1].process is None


def test_a_take_that_is_written_on_a_rank_that_has_to_go_is_written(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    with released(tmp_path / "go"):
        taken = (("1", "cuda:1"), ("2", "cuda:0"))  # each shot, and the device that it is barred from
        orders = [replace(grouped("render go", shot), barred=frozenset({other})) for shot, other in taken]
        written = [threads.submit(farm.render, each, nobody) for each in orders]
        until(lambda: [held.writing for held in farm._held_devices] == [1, 1])
        failing = threads.submit(farm.render, grouped("hang by rank 0", "3", gpus=2), nobody)
        until(lambda: len(begins(tmp_path, "3")) == 2)
        helper = farm._held_devices[1].process
        assert helper is not None
        leader = farm._held_devices[0].process
        assert leader is not None
        threading.Timer(0.3, leader.kill).start()  # as when it dies: what it writes is lost, the helper's is not
        time.sleep(2)
        assert helper.alive
    with pytest.raises(DeviceError):
        failing.result(60)
    assert [isinstance(each.exception(60), DeviceError) for each in written] == [True, False]


# The end


def test_stop_while_a_group_waits_for_its_devices(
    open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    with a_group_waits(farm, tmp_path, threads) as waiting:
        until(lambda: farm._dispatch._requests)
        stop(farm, waiting)
    until(lambda: locks_are_free(farm))


def test_stop_while_a_group_renders(open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    farm = open_farm(*FOUR, handler=HANDLER)
    rendering = threads.submit(farm.render, grouped("hang", gpus=4), nobody)
    until(lambda: len(begun(tmp_path)) == 4)
    processes = [held.process.pid for held in farm._held_devices if held.process is not None]
    assert len(processes) == 4
    stop(farm, rendering)
    assert not any(map(runs, processes))
    until(lambda: is_free(farm) and locks_are_free(farm))


A_RUN = """
import sys
from pathlib import Path
from tests.farm.orders import grouped, nobody
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.local import LocalFarm
from wan_render.render_values import Device

root = Path(sys.argv[1])
devices = [Device(name, "under test", 0, pin=f"GPU-{name}") for name in ("cuda:0", "cuda:1")]
farm = LocalFarm(devices, root, FarmSettings(locks=root / "locks", handler="tests.farm.duties:together"))
farm.render(grouped("hang", gpus=2), nobody)
"""


def test_a_run_that_is_killed_takes_its_groups_along(open_farm: OpenFarm, tmp_path: Path) -> None:
    modules = os.pathsep.join(filter(None, sys.path))
    run = subprocess.Popen([sys.executable, "-c", A_RUN, str(tmp_path)], env={**os.environ, "PYTHONPATH": modules})
    until(lambda: len(begun(tmp_path)) == 2)
    ranks = device_processes(run.pid)
    assert len(ranks) == 2
    run.kill()
    run.wait()
    until(lambda: not any(map(runs, ranks)))
    until(lambda: locks_are_free(open_farm("cuda:0", "cuda:1")))


def test_close_lets_a_group_end(open_farm: OpenFarm, tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    with released(tmp_path / "go"):
        rendering = threads.submit(farm.render, grouped("hold go", gpus=2), nobody)
        until(lambda: len(begun(tmp_path)) == 2)
        closing = threads.submit(farm.close)
        with pytest.raises(TimeoutError):
            closing.result(0.3)
    closing.result(60)
    rendering.result(60)
    assert is_free(farm)
    assert locks_are_free(farm)


def test_a_listener_that_fails_ends_the_whole_group(open_farm: OpenFarm) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)

    def fail(_progress: Progress) -> None:
        raise LookupError("the bar is gone")

    with pytest.raises(LookupError, match="the bar is gone"):
        farm.render(grouped("hang", gpus=2), fail)
    until(lambda: is_free(farm))
    farm.render(grouped("nothing", "1/020", gpus=2), nobody)


def test_folders_of_killed_runs_go_when_they_are_old(open_farm: OpenFarm, tmp_path: Path) -> None:
    farm = open_farm("cuda:0", "cuda:1", handler=HANDLER)
    old, new = (tmp_path / "locks" / f"wan-render-group-{name}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    farm.render(grouped("nothing", gpus=2), nobody)
    assert (old.exists(), new.exists()) == (False, True)


def locks_are_free(farm: LocalFarm) -> bool:
    locks = [DeviceLock(farm._settings.locks, device) for device in farm.devices]
    return all(lock.obtainable() for lock in locks)
