"""Intermediates: made once by all processes, whole or not at all, verified, removed when they are long unused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.store.test_prune import plan_of
from wan_render.errors import DiskError
from wan_render.store import Store
from wan_render.store.intermediates import INTERMEDIATE_RECORD, Intermediates
from wan_render.store.prune import Kind, prune

KEY = "a" * 64

_PROGRAM = """
import sys, time
from pathlib import Path
from wan_render.store.intermediates import Intermediates

def write(file):
    file.write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.readline()
    file.write_bytes(b"the whole of it")

Intermediates(Path(sys.argv[1])).made("a" * 64, "upscaled", ".mkv", write)
"""


@pytest.fixture
def intermediates(tmp_path: Path) -> Intermediates:
    return Store(tmp_path).intermediates


def made(intermediates: Intermediates, content: bytes = b"frames", key: str = KEY) -> Path:
    def write(file: Path) -> None:
        file.write_bytes(content)

    return intermediates.made(key, f"retimed {key[:1]}", ".mkv", write)


def other_process(intermediates: Intermediates) -> subprocess.Popen[str]:
    """A process that has begun to make KEY. It completes when it reads a line."""
    arguments = [sys.executable, "-c", _PROGRAM, str(intermediates.folder)]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def test_it_is_made_once_and_found_by_every_process(intermediates: Intermediates) -> None:
    assert intermediates.find(KEY) is None
    assert not intermediates.folder.exists()
    file = made(intermediates)

    assert file.suffix == ".mkv"
    assert made(intermediates, b"never written") == file == Intermediates(intermediates.folder).find(KEY)
    assert file.read_bytes() == b"frames"


def test_a_killed_process_leaves_nothing_that_is_found(intermediates: Intermediates) -> None:
    process = other_process(intermediates)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert intermediates.find(KEY) is None
    assert [part.name for part in intermediates.folder.glob(".part-*")] == [f".part-{KEY}"]
    intermediates.sweep()
    assert not list(intermediates.folder.glob(".part-*"))
    assert made(intermediates).read_bytes() == b"frames"


def test_a_second_process_waits_and_uses_what_the_first_one_made(intermediates: Intermediates) -> None:
    process, said = other_process(intermediates), list[str]()
    intermediates.sweep()  # removes nothing of a process that lives

    def waiting() -> None:
        said.append("waiting")
        process.communicate("go on\n")

    def unexpected(file: Path) -> None:
        raise AssertionError(f"{file} was made twice")

    file = intermediates.made(KEY, "upscaled", ".mkv", unexpected, waiting=waiting)
    assert (file.read_bytes(), said) == (b"the whole of it", ["waiting"])


@pytest.mark.parametrize("damage", ["bit", "gone", "record"])
def test_a_damaged_one_is_removed_with_a_warning_and_made_again(
    intermediates: Intermediates, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = made(intermediates)
    match damage:
        case "bit":
            file.write_bytes(b"frameS")
        case "gone":
            file.unlink()
        case _:
            file.with_name(INTERMEDIATE_RECORD).write_bytes(b"{")

    assert intermediates.find(KEY) is None
    assert "made again" in caplog.text
    assert made(intermediates).read_bytes() == b"frames"


def test_a_failure_leaves_nothing_behind(intermediates: Intermediates) -> None:
    def full(file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskError, match="disk is full"):
        intermediates.made(KEY, "upscaled", ".mkv", full)
    assert [path.name for path in intermediates.folder.iterdir()] == [".locks"]


def test_the_longest_unused_is_removed_but_none_of_the_last_day(intermediates: Intermediates) -> None:
    now = time.time()
    for index, days in enumerate((9, 3, 2, 0)):
        record = made(intermediates, bytes(100), f"{index}" * 64).with_name(INTERMEDIATE_RECORD)
        os.utime(record, (now - days * 86400,) * 2)
    intermediates.find("0" * 64)
    intermediates.sweep(most=250)

    assert {kept.what for kept in intermediates.kept()} == {"retimed 0", "retimed 3"}
    intermediates.sweep(most=0)
    assert len(intermediates.kept()) == 2


def test_prune_removes_those_that_nothing_used_for_a_month(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, _ = made(store.intermediates), made(store.intermediates, key="b" * 64)
    os.utime(old.with_name(INTERMEDIATE_RECORD), (1e9, 1e9))

    (gone,) = prune(plan_of(1), store, 3)

    assert (gone.what, gone.kind, gone.key) == ("retimed a", Kind.INTERMEDIATE, KEY)
    assert [kept.what for kept in store.intermediates.kept()] == ["retimed b"]
