"""How the processes of a group learn of each other's coming, failing and dying, before they speak. Real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pytest

from wan_render.backends.wan.parallel.meeting import LOOK_SECONDS, Meeting
from wan_render.errors import DeviceError
from wan_render.render_values import Group

OTHER = """
import sys, time
from pathlib import Path
from wan_render.backends.wan.parallel.meeting import Meeting
from wan_render.render_values import Group

meeting = Meeting(Group(int(sys.argv[2]), 2, Path(sys.argv[1])))
with meeting.present():
    print("came", flush=True)
    if sys.argv[3] == "ready":
        meeting.await_leader(lambda: None)
    else:
        time.sleep(60)
"""


@contextmanager
def other(folder: Path, rank: int, does: str = "sleep") -> Iterator[subprocess.Popen[str]]:
    """Another process of a group of two, which has come."""
    command = [sys.executable, "-c", OTHER, str(folder), str(rank), does]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "came\n"
        yield process
        process.kill()


def nobody() -> None:
    """Ignores the call."""


def test_a_leader_begins_when_the_others_are_ready(tmp_path: Path) -> None:
    leader = Meeting(Group(0, 2, tmp_path))
    with leader.present(), other(tmp_path, 1, "ready") as assistant:
        leader.begin(nobody)
        assert assistant.wait(60) == 0
    assert (tmp_path / "begun").exists()


def test_a_leader_that_needs_no_others_releases_them(tmp_path: Path) -> None:
    leader = Group(0, 2, tmp_path)
    with other(tmp_path, 1, "ready") as assistant:
        leader.end()
        assert assistant.wait(60) == 0


def test_an_attempt_whose_folder_is_removed_is_over(tmp_path: Path) -> None:
    group = Group(1, 2, tmp_path / "group")
    group.rendezvous.mkdir()
    assert not Meeting(group).await_leader(lambda: rmtree(group.rendezvous))


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_leader_learns_that_another_has_died_while_it_loaded(tmp_path: Path, signum: int) -> None:
    leader = Meeting(Group(0, 2, tmp_path))
    with leader.present(), other(tmp_path, 1) as assistant:
        os.kill(assistant.pid, signum)
        with pytest.raises(DeviceError, match="device 1 has gone") as raised:
            leader.begin(nobody)
    assert raised.value.worth_retrying
    assert not (tmp_path / "begun").exists()


def test_a_leader_does_not_begin_with_one_that_was_ready_and_has_died(tmp_path: Path) -> None:
    leader = Meeting(Group(0, 2, tmp_path))
    with leader.present(), other(tmp_path, 1, "ready") as assistant:
        while not (tmp_path / "ready-1").exists():
            time.sleep(0.01)
        assistant.kill()
        assistant.wait()
        with pytest.raises(DeviceError, match="device 1 has gone"):
            leader.begin(nobody)


def test_the_others_learn_that_the_leader_has_died(tmp_path: Path) -> None:
    assistant = Meeting(Group(1, 2, tmp_path))
    with assistant.present(), other(tmp_path, 0) as leader:
        leader.kill()
        with pytest.raises(DeviceError, match="leading device has gone"):
            assistant.await_leader(nobody)


def test_a_leader_does_not_wait_for_ever_for_one_that_never_comes(tmp_path: Path) -> None:
    leader = Meeting(Group(0, 2, tmp_path), patience_seconds=0.3)
    with leader.present(), pytest.raises(DeviceError, match="device 1 did not come"):
        leader.begin(nobody)


def test_a_wait_is_reported_every_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it would look stalled."""
    group = Group(1, 2, tmp_path)
    now = 0.0
    said: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def say() -> None:
        said.append(now)
        if len(said) == 3:
            group.end()

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr("time.sleep", sleep)
    assert not Meeting(group).await_leader(say)
    assert said == pytest.approx([0, 1, 2], abs=2 * LOOK_SECONDS)
