"""The ways to render one film on two machines. A way is a function in a module of its own, and a line in WAYS."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping

from benchmarks.machines.farm_way import by_farm
from benchmarks.machines.job_ways import by_openjd, by_slurm
from benchmarks.machines.ray_way import by_ray
from benchmarks.machines.studio import MACHINES, Studio, signal_all

Way = Callable[[Studio], None]
"""Renders the studio's film on its machines and returns when it is made. `Studio.accident` says when which machine
dies; a way has to end the processes of that machine then. Raises AssertionError if a command fails."""


def by_one_machine(studio: Studio) -> None:
    """What the others are compared with: one machine, and no accident."""
    assert studio.start(MACHINES[0], "render", str(studio.storyboard)).wait() == 0, studio.said(MACHINES[0])


def by_store(studio: Studio) -> None:
    """The same command on each machine, and the outputs folder between them."""
    running = {name: studio.start(name, "render", str(studio.storyboard)) for name in MACHINES}
    with studio.accident(lambda victim: signal_all(running[victim].pid, signal.SIGKILL)):
        for name, process in running.items():
            code = process.wait()
            assert code == 0 or name in studio.dead, studio.said(name)


WAYS: Mapping[str, Way] = {
    "one machine": by_one_machine,
    "the outputs folder": by_store,
    "Prefect's work pool": by_farm,
    "Open Job Description": by_openjd,
    "SLURM": by_slurm,
    "Ray": by_ray,
}
