"""A campaign on a Ray cluster of two nodes, which are killed and replaced as well."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from typing_extensions import override

from benchmarks.faults.campaign import Campaign, NightHandle
from benchmarks.faults.fault_ledger import Fault
from benchmarks.faults.injections import LOST, WEIGHTS, Injections
from tests.ray_nodes import ray_nodes

NODES = 2


@dataclass
class RayCampaign(Campaign):
    """The same campaign. Nights are commands whose devices are those of the cluster, so device processes are no
    children of theirs."""

    @property
    @override
    def weights(self) -> dict[str, int]:
        return {**WEIGHTS, "kill a node": 12}

    @override
    def prepare(self) -> None:
        self._opened, self._started = ExitStack(), 0
        self._nodes = self._opened.enter_context(ray_nodes())
        for _ in range(NODES):
            self._start_node()

    @override
    def end(self) -> None:
        self._opened.close()

    @override
    def start_night(self, outputs: Path, step: float, options: list[str]) -> NightHandle:
        self._farm = "local" if step == 0.0 else "ray"  # the run without faults, when the cluster is gone
        return super().start_night(outputs, step, options)

    @override
    def inject(self, kind: str, injections: Injections) -> Fault | None:
        injections.elsewhere = self._on_nodes
        if kind != "kill a node":
            return super().inject(kind, injections)
        name = self._rng.choice(self._nodes.names)
        fault = Fault(kind, name, time.monotonic())
        self._nodes.kill(name)
        self._start_node()
        return fault

    def _start_node(self) -> None:
        self._started += 1
        name = f"node-{self._started}"
        locks = {"WAN_RENDER_LOCKS": str(self.folder / "locks" / name)}
        self._nodes.start(name, {**self._environment(self.step), **locks})

    @override
    def _environment(self, step: float) -> dict[str, str]:
        return {**super()._environment(step), "WAN_RENDER_FARM": getattr(self, "_farm", "ray")}

    def _on_nodes(self) -> Iterator[psutil.Process]:
        """The device processes of the campaign, and what they started."""
        for process in psutil.process_iter():
            with suppress(*LOST):
                is_ours = process.environ().get("TMPDIR") == str(self.folder / "tmp")
                if is_ours and "wan_render.farm.process.child" in process.cmdline():
                    yield from (process, *process.children(recursive=True))
