"""A campaign in which the nights are runs of batch/overnight on a farm of its own."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from typing_extensions import override

from benchmarks.faults.campaign import Campaign, NightHandle
from benchmarks.faults.fault_ledger import Fault
from benchmarks.faults.injections import WEIGHTS, Injections
from tests.flows.conftest import FINAL, PROJECT, environment, start
from tests.ports import free_port

SITE = """\
import os
if "FAULTS_CONTROL" in os.environ:
    from benchmarks.faults.night_process import prepare
    prepare()
"""
"""Every Python process of the farm gets the campaign's backend, devices and clock."""

ASK_SECONDS = 0.3
DRAIN_SECONDS = 20.0


@dataclass(eq=False)
class FarmNight:
    """One run of batch/overnight. Like a process: `poll`, `wait`, `returncode`."""

    host: FarmCampaign
    run: str
    returncode: int | str | None = None
    _asked: float = 0.0

    @property
    def pid(self) -> int:
        """The run's process; 0 if it has none now."""
        with suppress(psutil.Error):
            return next((each.pid for each in self.host.farm.flows(self.run)), 0)
        return 0

    def poll(self) -> int | str | None:
        """0 if it is completed, else the name of its last state; None while it has not ended, or the server is away."""
        if self.returncode is None and time.monotonic() - self._asked > ASK_SECONDS:
            self._asked = time.monotonic()
            with suppress(httpx.HTTPError):
                state = self.host.farm.state(self.run)
                if state["type"] in FINAL:
                    self.returncode = 0 if state["type"] == "COMPLETED" else str(state["name"])
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | str:
        """Wait for its end. Raises TimeoutExpired."""
        until = time.monotonic() + (timeout or 60.0)
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(self.run, timeout or 60.0)
            time.sleep(ASK_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        """To its process."""
        if self.pid:
            os.kill(self.pid, number)


@dataclass
class FarmCampaign(Campaign):
    """The same campaign, and four more kinds of faults. database: the address of the server's; "" for SQLite."""

    database: str = ""

    @property
    @override
    def weights(self) -> dict[str, int]:
        return {**WEIGHTS, "kill the worker": 5, "kill the server": 5, "restart the farm": 3, "drain": 3}

    @override
    def prepare(self) -> None:
        site = self.folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SITE, encoding="utf-8")
        self._variables = {
            **environment(self.folder, free_port()),
            **{name: text for name, text in self._environment(self.step).items() if name not in os.environ},
            "TMPDIR": str(self.folder / "tmp"),
            "PYTHONPATH": os.pathsep.join((str(site), str(PROJECT))),
            **({"PREFECT_SERVER_DATABASE_CONNECTION_URL": self.database} if self.database else {}),
        }
        self.farm = start(self.folder, self._variables)

    @override
    def end(self) -> None:
        self.farm.stop()
        for left in self.farm.processes(""):
            self.complain(f"process {left.pid} of the farm is left: {' '.join(left.cmdline())[:150]}")
            left.kill()

    @override
    def start_night(self, outputs: Path, step: float, options: list[str]) -> NightHandle:
        if step == 0.0:  # the run without faults, when the farm is gone
            return super().start_night(outputs, step, options)
        window: dict[str, Any] = dict(zip(("until", "timezone"), options[1::2], strict=False))
        asked = {"folder": str(self.storyboards), "outputs": str(outputs), "backend": "faults", **window}
        while True:
            try:
                return FarmNight(self, self.farm.run("batch/overnight", **asked))
            except httpx.HTTPError:  # the server is away
                time.sleep(ASK_SECONDS)

    @override
    def inject(self, kind: str, injections: Injections) -> Fault | None:
        if kind == "restart the farm":
            self.farm.kill()
            fault = Fault(kind, "all its processes", time.monotonic())
            self.farm = start(self.folder, self._variables)
            return fault
        if kind == "drain":
            fault = Fault(kind, "and go on", time.monotonic())
            with suppress(subprocess.TimeoutExpired):  # a device process hangs
                self.farm.wan_render("farm", "drain", seconds=DRAIN_SECONDS)
            self.farm.wan_render("farm", "up")
            return fault
        if kind in ("kill the worker", "kill the server"):
            part = "farm_worker" if kind == "kill the worker" else "flows.serving.server"
            with suppress(psutil.Error, IndexError):
                victim = self.farm.processes(part)[0]
                victim.kill()
                return Fault(kind, f"process {victim.pid}", time.monotonic())
            return None
        return super().inject(kind, injections)
