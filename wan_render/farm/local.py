"""The farm of one machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wan_render.farm.device_farm import DeviceFarm
from wan_render.farm.device_place import LocalPlace
from wan_render.farm.farm_settings import FarmSettings
from wan_render.render_values import Device


class LocalFarm(DeviceFarm):
    """A Farm of this machine's devices, each in a child of this process."""

    def __init__(self, devices: Sequence[Device], store_root: Path, settings: FarmSettings | None = None) -> None:
        """store_root: of the store for orders that name no other. Raises MachineError if a device cannot be locked."""
        settings = settings or FarmSettings()
        super().__init__([LocalPlace(device, settings.lock(device)) for device in devices], store_root, settings)
