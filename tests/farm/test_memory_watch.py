"""Takes wait while host memory is low, or use a leaner level."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.farm.orders import order
from wan_render.backends.animatic import Animatic
from wan_render.farm import memory_watch
from wan_render.farm.device_place import LocalPlace
from wan_render.farm.held_devices import HeldDevice
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.memory_terms import MemoryTerms
from wan_render.farm.memory_watch import MemoryWatch, memory_shortages
from wan_render.host_memory import HostMemory, host_memory
from wan_render.model_card import ModelCard
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device
from wan_render.take import Take

GB = 10**9


@dataclass(frozen=True)
class Large(Animatic):
    """Needs 10 GB, and with each level 4 GB less."""

    def host_bytes(self, take: Take, card: ModelCard, device: Device, tighter: int = 0) -> int:  # noqa: ARG002
        return (10 - 4 * tighter) * GB


@dataclass(frozen=True)
class Rigid(Animatic):
    """Needs 10 GB at every level."""

    def host_bytes(self, take: Take, card: ModelCard, device: Device, tighter: int = 0) -> int:  # noqa: ARG002
        return 10 * GB


class Machine:
    """With this many free bytes, and what was said about them."""

    def __init__(self, free: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free, self.said, self.is_said = free, list[str](), threading.Event()
        self.watch = MemoryWatch(MemoryTerms(self._say, look=lambda: HostMemory(self.free, 0)))
        monkeypatch.setattr(memory_watch, "LOOK_SECONDS", 0.01)

    def _say(self, sentence: str) -> None:
        self.said.append(sentence)
        self.is_said.set()

    def levels(self, asked: RenderOrder, held: HeldDevice) -> int:
        """Of a take that then goes on."""
        return self.watch.room_for(asked, [held], 0, lambda: False).__enter__()


def gpu(name: str, tmp_path: Path) -> HeldDevice:
    device = Device(name, "under test", 0)
    return HeldDevice(LocalPlace(device, DeviceLock(tmp_path, device)))


def test_a_take_waits_until_others_have_freed_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(15 * GB, monkeypatch)
    first, second = (replace(order(name), backend=Rigid(), film="rain") for name in "ab")
    with ThreadPoolExecutor(1) as threads:
        with machine.watch.room_for(first, [gpu("cuda:0", tmp_path)], 0, lambda: False):
            waits = threads.submit(machine.levels, second, gpu("cuda:1", tmp_path))
            assert machine.is_said.wait(60), "10 of 15 GB are promised to the first, though it uses none of them yet"
            assert not waits.done()
        assert waits.result(60) == 0
    assert "5.0 GB are free, and rain 1/010 needs 10.0 GB more: it waits" in machine.said[0]
    assert machine.said[1:] == ["host memory is free again: takes go on"]


def test_a_take_that_fits_at_a_leaner_level_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(7 * GB, monkeypatch)
    assert machine.levels(replace(order("a"), backend=Large(), film="rain"), gpu("cuda:0", tmp_path)) == 1
    assert machine.said == ["rain 1/010 take 1: host memory is low, so it is rendered 1 offload level(s) further"]


def test_nobody_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_watch, "ALONE_SECONDS", 0.05)
    machine = Machine(1 * GB, monkeypatch)
    assert machine.levels(replace(order("a"), backend=Rigid()), gpu("cuda:0", tmp_path)) == 0
    assert "is rendered although host memory is low" in machine.said[-1]


def test_what_does_not_fit_together_is_said_before_it_begins() -> None:
    devices = [Device(f"cuda:{number}", "under test", 0) for number in range(4)]
    orders = [replace(order(str(shot), f"1/0{shot}0"), backend=Rigid(), film="rain") for shot in range(1, 6)]
    (said,) = memory_shortages(orders, devices, HostMemory(25 * GB, 0))
    assert "about 10.0 GB for a model@1 (rain 1/010, rain 1/020, rain 1/030 and 2 more)" in said
    assert said.endswith("25.0 GB are free: 2 of 4 devices render them at a time")
    assert list(memory_shortages(orders, devices, HostMemory(40 * GB, 0))) == []


def test_a_control_group_limits_what_is_available(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 900 kB\n")
    assert host_memory(proc, groups) == HostMemory(900 * 1024, 1000 * 1024)
    (proc / "self" / "cgroup").write_text("0::/farm/night\n")
    (groups / "farm" / "night").mkdir(parents=True)
    (groups / "farm" / "memory.max").write_text("512000\n")
    (groups / "farm" / "memory.current").write_text("400000\n")
    (groups / "farm" / "memory.stat").write_text("anon 1\ninactive_file 100000\nactive_file 8000\n")
    (groups / "farm" / "night" / "memory.max").write_text("max\n")
    assert host_memory(proc, groups) == HostMemory(220000, 512000)
