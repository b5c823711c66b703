"""Orders, devices and farms whose device processes do what duties.py says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.farm.orders import HANDLER
from wan_render.farm.farm_settings import FarmSettings, Stall
from wan_render.farm.local import LocalFarm
from wan_render.render_values import Device

OpenFarm = Callable[..., LocalFarm]


@pytest.fixture
def open_farm(tmp_path: Path) -> Iterator[OpenFarm]:
    """`open_farm("cpu", "cuda:0", handler=…, stall=…)`; all are stopped in the end."""
    with ExitStack() as farms:

        def make(
            *names: str, handler: str = HANDLER, stall: Stall | None = None, quarantine: int = 2, groups: str = "asked"
        ) -> LocalFarm:
            devices = [Device(name, "under test", 0, pin="" if name == "cpu" else f"GPU-{name}") for name in names]
            settings = FarmSettings(stall or Stall(), tmp_path / "locks", quarantine, handler, groups)
            farm = LocalFarm(devices, tmp_path, settings)
            farms.callback(farm.stop)
            return farm

        yield make
