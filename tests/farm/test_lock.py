"""The lock of a device: one for everybody who could use it, nobody's to prepare, and its holder is named."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import NOBODY, AsNobody
from tests.farm.conftest import OpenFarm
from tests.farm.orders import nobody, order
from tests.farm.test_stopping import said, until
from wan_render.errors import MachineError
from wan_render.farm.locks import lock_place
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.locks.lock_place import place_for
from wan_render.farm.locks.lock_record import holder
from wan_render.render_values import Device
from wan_render.store.disk import user_name

CPU = Device("cpu", "under test", 0)
GPU = Device("cuda:0", "NVIDIA H200", 0, "GPU-aaaa-1")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of the user database, and nothing of version 0.1."""
    monkeypatch.setattr(lock_place, "_home", lambda: tmp_path / "home")
    monkeypatch.setattr(lock_place, "_former_folder", lambda: tmp_path / "tmp" / f"wan-render-tests-{os.getuid()}")
    return tmp_path / "home"


@pytest.fixture
def node(tmp_path: Path, open_folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device node that every user has, and a driver that calls it the GPU's."""
    assert not home.exists()
    facts = tmp_path / "proc" / "0000:00:06.0" / "information"
    facts.parent.mkdir(parents=True)
    facts.write_text("Model: \t\t NVIDIA H200\nGPU UUID: \t GPU-aaaa-1\nDevice Minor: \t 7\nGPU Excluded:\t No\n")
    monkeypatch.setattr(lock_place, "_GPUS", tmp_path / "proc")
    monkeypatch.setattr(lock_place, "_NODES", f"{open_folder}/nvidia")
    subprocess.run(["mknod", f"{open_folder}/nvidia7", "c", "1", "7"], check=False, capture_output=True)  # noqa: S607
    if not (open_folder / "nvidia7").exists():
        pytest.skip("only root may make a device node")
    (open_folder / "nvidia7").chmod(0o666)
    return open_folder / "nvidia7"


@pytest.fixture
def shared(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What every user reads, for records."""
    folder = open_folder / "shm"
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setattr("wan_render.farm.locks.lock_record._SHARED", folder)
    return folder


HOLD = """
import sys, time
from pathlib import Path
from wan_render.farm.locks import lock_place
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.render_values import Device

lock_place._home = lambda: Path(sys.argv[1])
lock_place._former_folder = lambda: Path(sys.argv[1]) / "no-run-of-0.1"
lock = DeviceLock(None, Device("cpu", "", 0))
assert lock.acquire()
lock.describe("river-to-dove", 3600)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other_run(home: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another run of this user that holds the CPU, with another TMPDIR."""
    (tmp_path / "its-tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "its-tmp"), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], env=environment, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "held\n"
        yield run
        run.kill()


def test_two_runs_of_a_user_share_the_cpus_lock_whatever_tmpdir_is(other_run: subprocess.Popen[str]) -> None:
    lock = DeviceLock(None, CPU)
    assert not lock.acquire()
    end = time.strftime("%H:%M", time.localtime(time.time() + 3600))
    who = f"film river-to-dove (process {other_run.pid} of {user_name(os.getuid())}) uses it, about until "
    assert lock.holder().startswith(who)
    assert lock.holder()[-5:-3] == end[:2] or end[3:] < "02"
    other_run.kill()
    other_run.wait()
    until(lock.acquire)
    lock.release()


def test_a_folder_that_is_removed_is_made_again(home: Path) -> None:
    holder, waiter = DeviceLock(None, CPU), DeviceLock(None, CPU)
    assert holder.acquire()
    assert not waiter.acquire()
    shutil.rmtree(home)
    assert holder.acquire(), "asked for again, it is locked at its new place as well"
    assert not waiter.acquire()
    assert len(holder.files) == 2
    holder.release()
    shutil.rmtree(home)
    assert waiter.acquire()
    waiter.release()


def test_a_lock_is_free_when_its_holder_has_released_it(home: Path) -> None:
    first, second = DeviceLock(None, CPU), DeviceLock(None, CPU)
    assert first.obtainable()
    assert second.obtainable()
    assert first.acquire()
    assert not second.obtainable()
    first.release()
    assert second.acquire()
    second.release()
    assert list(home.rglob("*.lock"))


def prepared(folder: Path, how: str) -> None:
    """What somebody may have put where a folder of ours is to be."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made: dict[str, Callable[[], None]] = {
        "folder": folder.mkdir,
        "file": folder.touch,
        "link": lambda: folder.symlink_to("/etc"),
        "dangling": lambda: folder.symlink_to("/nowhere"),
        "fifo": lambda: os.mkfifo(folder),
    }
    made[how]()
    if os.geteuid() == 0 and how == "folder":
        os.chown(folder, NOBODY, NOBODY)


@pytest.mark.parametrize("how", ["folder", "file", "link", "dangling", "fifo"])
def test_nobody_can_block_it_by_preparing_a_place(home: Path, tmp_path: Path, how: str) -> None:
    if how == "folder" and os.geteuid() != 0:
        pytest.skip("only root may give a folder away")
    prepared(lock_place._former_folder(), how)
    lock = DeviceLock(None, CPU)
    assert (lock.acquire(), lock.weakness) == (True, "")
    assert next(home.rglob("*.lock"))
    lock.release()
    assert {path.name for path in tmp_path.iterdir()} == {"home", "tmp"}


@pytest.mark.parametrize("how", ["file", "dangling", "fifo"])
def test_if_the_home_folder_cannot_hold_the_lock_another_place_does_with_a_warning(home: Path, how: str) -> None:
    prepared(home, how)
    first, second = DeviceLock(None, CPU), DeviceLock(None, CPU)
    assert "set WAN_RENDER_LOCKS to a folder that all your runs share" in first.weakness
    assert first.acquire()
    assert not second.acquire()
    first.release()
    shutil.rmtree(lock_place._former_folder(), ignore_errors=True)


def test_without_a_place_for_a_lock_the_run_goes_on_with_a_warning(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, open_farm: OpenFarm
) -> None:
    assert home
    monkeypatch.setattr(lock_place, "_is_usable", lambda _: False)
    lock = DeviceLock(None, CPU)
    assert (lock.acquire(), lock.files) == (True, ())
    lock.release()
    assert lock.weakness == "cpu has no lock: set WAN_RENDER_LOCKS to a folder of your own"
    monkeypatch.undo()
    assert open_farm("cuda:0")
    assert said(caplog, "cuda:0 has no device node: only this user's runs see that it is in use")


def test_a_folder_of_the_settings_that_cannot_hold_it_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "locks").touch()
    with pytest.raises(MachineError, match="name another in WAN_RENDER_LOCKS"):
        DeviceLock(tmp_path / "locks", CPU)


def test_a_user_without_a_home_has_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setenv("HOME", "/somewhere")
    assert lock_place._home() == Path("/somewhere")
    monkeypatch.setenv("HOME", "relative")
    assert lock_place._home() is None
    monkeypatch.delenv("HOME")
    assert lock_place._home() is None


def test_a_run_of_version_0_1_is_waited_for(home: Path) -> None:
    """Its lock is a file in TMPDIR that holds its process and no more."""
    import fcntl

    former = lock_place._former_folder()
    former.mkdir(parents=True, mode=0o700)
    with (former / "cpu.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        file.flush()
        lock = DeviceLock(None, CPU)
        assert not lock.acquire()
        assert lock.holder() == f"process {os.getpid()} of {user_name(os.getuid())} uses it"
    assert lock.acquire()
    assert (former / "cpu.lock").read_text() == str(os.getpid())
    with (former / "cpu.lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.release()
    assert home


# A GPU


def test_a_gpu_is_locked_on_its_node_for_every_user(
    node: Path, shared: Path, as_nobody: AsNobody, tmp_path: Path
) -> None:
    assert place_for(GPU, tmp_path / "unused").path == node
    lock = DeviceLock(None, GPU)
    assert (lock.acquire(), lock.weakness) == (True, "")
    lock.describe("river", 600)
    theirs = place_for(GPU, None)

    def check() -> None:
        words = f"film river (process {os.getppid()} of {user_name(0)}) uses it, about until "
        assert holder(theirs).startswith(words), holder(theirs)

    as_nobody(check)
    assert not DeviceLock(None, GPU).acquire()
    lock.release()
    other = DeviceLock(None, GPU)
    assert other.acquire()
    other.release()
    assert not list(tmp_path.glob("unused"))
    assert list(shared.iterdir()) == []


def instead(file: Path, make: Callable[[Path], None]) -> None:
    file.unlink()
    make(file)


FORGED: dict[str, Callable[[Path], object]] = {
    "another process": lambda file: file.write_text('{"process": 1, "film": "mine", "until": 9e9}'),
    "no record": lambda file: file.write_text("[[[["),
    "deep": lambda file: file.write_text("[" * 100_000),
    "numbers": lambda file: file.write_text(f'{{"process": {os.getpid()}, "film": 7, "until": "soon"}}'),
    "far": lambda file: file.write_text(f'{{"process": {os.getpid()}, "film": "x", "until": 1e300}}'),
    "infinite": lambda file: file.write_text(f'{{"process": {os.getpid()}, "film": "x", "until": Infinity}}'),
    "past": lambda file: file.write_text(f'{{"process": {os.getpid()}, "film": "x", "until": 5}}'),
    "escapes": lambda file: file.write_text(json.dumps({"process": os.getpid(), "film": "a\x1b[2J\n\u202eb" * 99})),
    "nothing": lambda file: file.unlink(),
    "fifo": lambda file: instead(file, os.mkfifo),
    "folder": lambda file: instead(file, Path.mkdir),
    "link": lambda file: instead(file, lambda path: path.symlink_to("/etc/passwd")),
    "bytes": lambda file: file.write_bytes(b"\xff\xfe\x00" * 100),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_record_neither_breaks_nor_misleads(node: Path, shared: Path, what: str) -> None:
    lock, waiter = DeviceLock(None, GPU), DeviceLock(None, GPU)
    assert node
    assert lock.acquire()
    lock.describe("river", 600)
    (record,) = shared.iterdir()
    FORGED[what](record)
    said_of_it = waiter.holder()
    assert f"process {os.getpid()} of {user_name(os.getuid())}" in said_of_it
    assert said_of_it.isprintable()
    assert len(said_of_it) < 300
    assert not any(word in said_of_it for word in ("mine", "until"))
    lock.describe("river", 600)
    lock.release()


def test_a_record_of_another_user_does_not_count(node: Path, shared: Path) -> None:
    lock = DeviceLock(None, GPU)
    assert node
    assert lock.acquire()
    (record,) = shared.iterdir()
    record.write_text(json.dumps({"process": os.getpid(), "film": "theirs", "until": time.time() + 600}))
    os.chown(record, NOBODY, NOBODY)
    assert DeviceLock(None, GPU).holder() == f"process {os.getpid()} of {user_name(os.getuid())} uses it"
    lock.release()


def test_a_node_that_is_not_the_gpus_device_is_not_used(node: Path, home: Path) -> None:
    assert place_for(replace(GPU, pin="GPU-bbbb-2"), None).is_own
    node.unlink()
    os.mkfifo(node)
    path = place_for(GPU, None).path
    assert path is not None
    assert path.is_relative_to(home)


# What is said


def test_a_run_that_waits_logs_the_film_and_the_end_once(open_farm: OpenFarm, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    first, second = open_farm("cuda:0", "cuda:1"), open_farm("cuda:0", "cuda:1")
    orders = [replace(order("briefly", shot), film="river-to-dove") for shot in ("1", "2")]
    first.expect(orders)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda each: first.render(each, nobody), orders))
        waiting = threads.submit(second.render, order("nothing", "3"), nobody)
        who = f"waiting for cuda:0, cuda:1: film river-to-dove (process {os.getpid()} of {user_name(os.getuid())})"
        until(lambda: said(caplog, who))
        first.close()
        waiting.result(timeout=60)
    assert len(said(caplog, "waiting for")) == 1
