"""A device process whose memory keeps growing is replaced between two takes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.farm.orders import nobody, order, pid
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.local import LocalFarm
from wan_render.farm.process.process_memory import MemoryGrowth
from wan_render.host_memory import own_bytes
from wan_render.render_values import Device

GB = 10**9


def test_growth_that_a_model_explains_is_none() -> None:
    used = [0]
    growth = MemoryGrowth(lambda: used[-1], least=GB)
    for model, size in (("a", 2), ("a", 5), ("a", 5), ("b", 30), ("b", 31), ("b", 36)):
        used.append(size * GB)
        growth.look(order("x", model=model))
        assert growth.verdict == ""
    used.append(40 * GB)
    growth.look(order("x", model="b"))
    assert growth.verdict == "its memory grew from 31.0 GB to 40.0 GB in 4 takes"


@pytest.mark.skipif(own_bytes(os.getpid()) is None, reason="Linux alone says")
def test_a_process_that_leaks_is_replaced_between_takes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = replace(FarmSettings(), locks=tmp_path / "locks", handler="tests.farm.duties:overlapping")
    device = Device("cpu", "under test", 0)
    with LocalFarm([device], tmp_path, replace(settings, growth_bytes=60_000_000)) as farm:
        (tmp_path / "go").touch()
        processes = [pid(farm.render(order(f"render go then leak {number}"), nobody)) for number in range(5)]
    assert len(set(processes)) == 2
    assert processes[0] == processes[2], "two takes set the baseline"
    assert "the process on cpu is replaced: its memory grew from" in caplog.text
