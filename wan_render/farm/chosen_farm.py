"""The farm that WAN_RENDER_FARM names: its devices, and how it is opened. Ray is imported only if it is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.devices import SETTING, local_devices, planned_devices
from wan_render.errors import Problem, UsageError
from wan_render.render_values import Device
from wan_render.settings import FARM_SETTING, MachineSettings

if TYPE_CHECKING:
    from wan_render.farm.device_farm import DeviceFarm
    from wan_render.farm.farm_settings import FarmSettings


def farm_devices(settings: MachineSettings, kinds: tuple[str, ...]) -> tuple[Device, ...]:
    """The devices that a backend renders on. kinds: those that it can use, best first.

    Raises UsageError for settings that name no device, and MachineError if a machine or a cluster does not answer.
    """
    if settings.farm == "ray":
        return _cluster_devices(settings, kinds)
    return local_devices(settings, kinds)


def planned_farm_devices(settings: MachineSettings, kinds: tuple[str, ...]) -> tuple[Device, ...]:
    """The devices that a plan is made for; see devices.planned_devices. Raises the errors of `farm_devices`."""
    if settings.farm == "ray":
        return _cluster_devices(settings, kinds)
    return planned_devices(settings, kinds)


def open_farm(
    settings: MachineSettings, devices: Sequence[Device], store_root: Path, terms: FarmSettings | None = None
) -> DeviceFarm:
    """A farm of devices that `farm_devices` found. store_root: of the store for orders that name no other. Raises what
    LocalFarm or RayFarm raises."""
    if settings.farm == "ray":
        from wan_render.farm.cluster.ray_farm import RayFarm

        return RayFarm(devices, store_root, terms)
    from wan_render.farm.local import LocalFarm

    return LocalFarm(devices, store_root, terms)


def _cluster_devices(settings: MachineSettings, kinds: tuple[str, ...]) -> tuple[Device, ...]:
    if settings.devices.strip() != "auto":
        found = f"{settings.devices!r} names devices of this machine, and {FARM_SETTING} is ray"
        remedy = "unset it; a node's Ray that is started with CUDA_VISIBLE_DEVICES gives out only those GPUs"
        raise UsageError(Problem(SETTING, found, "allowed: auto", remedy))
    from wan_render.farm.cluster.node_facts import cluster_devices

    return cluster_devices(kinds)
