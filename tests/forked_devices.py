"""Device processes without the half second that their imports take, or the ten of torch's: they are forked
(tests/forked_processes.py).

Tests marked `spawned`, and farms in processes of their own, start device processes as they are started at night.
"""

from __future__ import annotations

import atexit
import importlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tests.forked_processes import ForkedProcess, ForkServer, serve, take_over
from wan_render.farm.process import child, process_link
from wan_render.render_values import Device

COMM = "forked device"
"""The name of such a process, by which tests find it: its command is that of the one that it was forked from."""

ALWAYS = ("av", "cv2", "tests.farm.duties", "wan_render.backends.animatic", "wan_render.plates.decode")
TORCH = (*ALWAYS, "torch", "tests.backends.wan.members", "wan_render.backends.wan.renderer")


class DeviceForkServer(ForkServer):
    """The process that device processes are forked from. modules: what it imports."""

    def __init__(self, modules: tuple[str, ...], *, own_session: bool = True) -> None:
        super().__init__("tests.forked_devices", modules, own_session=own_session)

    def fork_device(self, device: Device, channel: int, locks: tuple[int, ...], log: Path) -> ForkedProcess:
        """Instead of `process_link._spawn`."""
        request = {"folder": str(Path.cwd()), "environment": process_link._environment(device)}
        with log.open("ab") as output:
            return self.fork(request, output.fileno(), channel, *locks)


def fork_device(modules: tuple[str, ...], device: Device, channel: int, *rest: Any) -> ForkedProcess:
    """Instead of `process_link._spawn`."""
    return _fork_server(modules, os.getpid()).fork_device(device, channel, *rest)


@cache
def _fork_server(modules: tuple[str, ...], _process: int) -> DeviceForkServer:
    """That of this process, from its first use to its end."""
    server = DeviceForkServer(modules)
    atexit.register(server.close)
    return server


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2:]:
        importlib.import_module(name)
    serve(requests, _become)


def _become(request: Mapping[str, Any], files: Sequence[int]) -> None:
    stdin, log, *inherited = files
    os.setsid()
    take_over(request, COMM, (stdin, log, log))
    sys.argv = [child.__file__, *map(str, inherited)]
    child.main()


if __name__ == "__main__":
    main()
