"""Which launches of the fused kernels are chosen on a device, from measurements that are given here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from wan_render.backends.wan.kernels import launch_choice
from wan_render.backends.wan.kernels.launch_choice import Work, fastest_launches
from wan_render.backends.wan.kernels.launches import USUAL, Launches
from wan_render.backends.wan.kernels.operations import Operations, TorchOperations
from wan_render.backends.wan.profiles.render_profile import Precision
from wan_render.facts import FactCache

pytestmark = pytest.mark.wan

CPU = torch.device("cpu")


@dataclass
class Device:
    """Takes given seconds for a launch; 1 for others. A launch without seconds fails."""

    seconds: dict[Launches, float | None]
    measured: list[Launches] = field(default_factory=list)

    def make(self, launches: Launches) -> Operations:
        if self.seconds.get(launches, 1.0) is None:
            raise RuntimeError("out of resource: registers")
        self.measured.append(launches)
        return TorchOperations()

    def timer(self, work: Work) -> float:
        work()
        return self.seconds.get(self.measured[-1], 1.0) or 0.0


@pytest.fixture
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Launches]:
    monkeypatch.setattr(launch_choice, "TOKENS", 4)

    def choose(device: Device, linears: Precision = Precision.FLOAT8) -> Launches:
        return fastest_launches(64, 2, linears, CPU, FactCache(tmp_path), device.make, device.timer)

    return choose


def test_the_fastest_is_chosen_and_measured_once(chosen: Any, caplog: pytest.LogCaptureFixture) -> None:
    device = Device({Launches(rows=1024): 0.5, Launches(head_float8=4096): 0.6})
    with caplog.at_level(logging.INFO):
        assert chosen(device) == Launches(rows=1024, head_float8=4096)
    assert "rows 1024" in caplog.text
    device.measured.clear()
    assert chosen(device) == Launches(rows=1024, head_float8=4096)
    assert device.measured == []


def test_a_gain_within_the_noise_changes_nothing(chosen: Any) -> None:
    assert chosen(Device({Launches(rows=1024): 0.99})) == USUAL


def test_what_cannot_be_run_is_not_chosen(chosen: Any) -> None:
    assert chosen(Device({Launches(rows=1024): None, Launches(rows=4096): 0.9})) == Launches(rows=4096)


def test_only_kernels_of_the_precision_are_measured(chosen: Any) -> None:
    exact, stored = Device({}), Device({Launches(unpacked=1024): 0.4})
    assert chosen(exact, Precision.LOADED) == USUAL
    assert exact.measured == []
    assert chosen(stored, Precision.STORED) == Launches(unpacked=1024)
    assert {(each.rows, each.head_float8) for each in stored.measured} == {(USUAL.rows, USUAL.head_float8)}
