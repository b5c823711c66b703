"""Who holds memory of the GPUs, as nvidia-smi says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.locks.foreign_use import ForeignUse
from wan_render.gpu_users import GpuUser, gpu_users
from wan_render.render_values import Device

GPUS = (
    Device("cuda:0", "NVIDIA H100", 80 * 2**30, pin="GPU-a"),
    Device("cuda:1", "NVIDIA H100", 80 * 2**30, pin="GPU-b"),
)


def answer(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    program = folder / "nvidia-smi"
    (folder / "apps").write_text("".join(f"{line}\n" for line in lines))
    program.write_text(f"#!/bin/sh\ncase \"$1\" in --query-compute-apps=*) /bin/cat '{folder}/apps' ;; esac\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_program_is_named_with_its_script_its_process_and_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(
        tmp_path,
        monkeypatch,
        f"GPU-a, {os.getpid()}, 40960, {sys.executable}",
        "GPU-b, 4000000, 1024, /usr/bin/gnome-shell",  # too little to matter
        "GPU-b, 4000000, [N/A], /opt/with, comma/blender",
        "GPU-c, 1, 40960, of a GPU that is not ours",
        "nonsense",
    )
    ours, blender = gpu_users(GPUS)
    assert (ours.device, ours.pid, ours.memory_bytes) == ("cuda:0", os.getpid(), 40960 * 2**20)
    assert str(blender) == "blender (process 4000000) holds an unknown amount of memory of cuda:1"
    assert "holds 42.9 GB of cuda:0" in str(ours)


def test_a_machine_without_gpus_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert gpu_users((Device("cpu", "CPU", 1),)) == ()
    assert gpu_users(GPUS) == ()


def test_a_held_gpu_is_waited_for_and_told_once(tmp_path: Path) -> None:
    comfy = GpuUser("cuda:1", 7, "python ComfyUI/main.py", 20_000_000_000)
    answers = [(comfy,), (comfy,), ()]
    told: list[str] = []
    with ForeignUse(GPUS, told.append, lambda _: answers.pop(0), look_seconds=3600) as foreign:
        free, held = (DeviceLock(tmp_path, device, foreign.of) for device in GPUS)
        assert free.acquire()
        assert not held.obtainable()
        assert not held.acquire()
        assert held.holder() == "python ComfyUI/main.py (process 7) holds 20.0 GB of cuda:1"
        foreign._look()
        foreign._look()
        assert held.acquire()
        free.release()
        held.release()
    assert [text.partition(";")[0] for text in told[:1]] == [f"waiting for cuda:1: {comfy}"]
    assert [text[:17] for text in told[1:]] == ["cuda:1 is free no"]
