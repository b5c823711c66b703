"""The ComfyUI servers of this machine's settings. Each is a device."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from wan_render.bounded_http import HttpService
from wan_render.errors import DeviceError, Problem
from wan_render.render_values import Device
from wan_render.settings import MachineSettings, machine_settings

KIND = "comfyui"
SETTING = "WAN_RENDER_COMFYUI"

MOST_BYTES = 64 << 20
"""Of any answer of a server: a picture, the queue with its graphs, what nodes have."""


@dataclass(frozen=True)
class ComfyServer:
    """One server. base: `http://127.0.0.1:8188`, without a slash at its end."""

    base: str

    @property
    def device(self) -> Device:
        """The server as a device, named by its address: one server has one name in all runs."""
        parts = urlsplit(self.base)
        place = re.sub(r"[^A-Za-z0-9.\-]+", "-", f"{parts.hostname}-{parts.port or parts.scheme}{parts.path}")
        return Device(f"{KIND}:{place.strip('-')}", f"ComfyUI at {self.base}", 0)

    def service(self, seconds: float = 30.0) -> HttpService:
        """Its HTTP interface. seconds: the longest time of one request."""
        return HttpService(self.base, seconds, MOST_BYTES, is_open=True)


def servers(settings: MachineSettings) -> tuple[ComfyServer, ...]:
    """The servers that WAN_RENDER_COMFYUI names, each once."""
    return tuple(ComfyServer(base) for base in dict.fromkeys(settings.comfyui))


def server_of(device: Device) -> ComfyServer:
    """The server that a device stands for. Raises DeviceError if the setting does not name it any more."""
    for server in servers(machine_settings()):
        if server.device.name == device.name:
            return server
    raise DeviceError(Problem(device.name, f"is no server that {SETTING} names"))
