"""Films' processes without the seconds that the imports of Prefect take: they are forked (tests/forked_processes.py).
So are their device processes.

`python -m tests.flows.forked_films SOCKET` is the process that they are forked from, for a worker that runs as
tests/flows/forking_farm_worker.py. Tests marked `spawned`, and farms that are started with `forks=False`, start films'
processes as they are started at night.
"""

from __future__ import annotations

import importlib
import os
import runpy
import socket
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.forked_devices import ALWAYS, DeviceForkServer
from tests.forked_processes import ForkedProcess, ForkServer, serve, take_over
from wan_render.farm.process import process_link

MODULE = "flows.film_process"

IMPORTED = (
    *("flows.batch", "flows.farm_home.run_lock", "flows.film", "prefect.engine", "prefect.flow_engine"),
    *("av", "cv2", "ffmpeg", "jinja2", "noto_cjk_sans_otc", "pandas", "pysubs2", "uharfbuzz"),
    *("wan_render.backends.animatic", "wan_render.plates.decode", "wan_render.report.page"),
)
"""What a film's process imports until its end, but not itself: it is run."""

RUN = "PREFECT__FLOW_RUN_ID"


NAME, SHOWN = "film ", 8
"""The name of a forked process, by which tests find it, and how many characters of its run's id follow. Linux keeps 15
characters."""


def forked_run(name: str) -> str:
    """The beginning of the id of a forked process's run, by the name of the process; "" for another process."""
    return name.removeprefix(NAME) if name.startswith(NAME) else ""


def spawns_file(farm_home: Path) -> Path:
    """While it exists, the worker of that farm forks no film."""
    return farm_home.parent / "spawns"


class FilmForkServer(ForkServer):
    """The process that films' are forked from. It has the session of this process, as they have: who kills the group of
    a worker kills its films."""

    def __init__(self) -> None:
        super().__init__("tests.flows.forked_films", own_session=False)

    def fork_film(self, folder: str, environment: Mapping[str, str]) -> ForkedProcess:
        """`python -m flows.film_process` in that folder and environment."""
        return self.fork({"folder": folder, "environment": dict(environment)})


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    for name in IMPORTED:
        importlib.import_module(name)
    devices = DeviceForkServer(ALWAYS, own_session=False)
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, f"after a fork, {len(threads) - 1} threads would be missing"
    serve(requests, partial(_become, devices))


def _become(devices: DeviceForkServer, request: Mapping[str, Any], files: Sequence[int]) -> None:
    from prefect.context import refresh_global_settings_context

    nothing = os.open(os.devnull, os.O_WRONLY)
    take_over(request, NAME + request["environment"][RUN][:SHOWN], (files[0], nothing, nothing))
    refresh_global_settings_context()  # Prefect reads them when it is imported
    process_link._spawn = devices.fork_device  # type: ignore[assignment]  # what a farm uses of a Popen
    sys.argv = [MODULE]
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
