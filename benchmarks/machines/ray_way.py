"""A Ray cluster: a head, where the command is typed, and two nodes that render. One of them dies."""

from __future__ import annotations

from benchmarks.machines.studio import MACHINES, Studio
from tests.ray_nodes import ray_nodes

HEAD = "head"


def by_ray(studio: Studio) -> None:
    """One command, and the devices of both nodes."""
    with ray_nodes() as nodes:
        for name in MACHINES:
            nodes.start(name, studio.environment(name))
        command = studio.start(HEAD, "render", str(studio.storyboard), "--farm", "ray")
        with studio.accident(nodes.kill):
            assert command.wait() == 0, studio.said(HEAD)
