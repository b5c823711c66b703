"""What the nodes of the cluster have, as they say themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from wan_render import __version__
from wan_render.devices import VISIBLE, capabilities, cpu, visible_gpus
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.farm.cluster.device_host import at_node
from wan_render.farm.cluster.ray_cluster import AUTH_MODE, TOKEN, WHERE, ClusterNode, connect, nodes
from wan_render.printable import logger
from wan_render.render_values import Device

ANSWER_SECONDS = 60.0
"""How long the nodes may take to say what they have. A node starts a Python process for it."""

_log = logger(__name__)


@dataclass(frozen=True)
class NodeFacts:
    """What a node says: wan-render's version, how its Ray was started, and its devices, by their names there."""

    version: str
    auth_mode: str
    devices: tuple[Device, ...]


def facts_of_this_node(gpus: int, cpus: int) -> NodeFacts:
    """Runs on the node. gpus, cpus: how many Ray gives out there."""
    found = [cpu()] if cpus else []
    if gpus:
        _see_all_gpus()
        here = visible_gpus().visible
        known = zip(here, capabilities(here), strict=True)
        found += [replace(device, capability=capability) for device, capability in known]
    return NodeFacts(__version__, os.environ.get(AUTH_MODE, ""), tuple(found))


@cache
def cluster_devices(kinds: tuple[str, ...]) -> tuple[Device, ...]:
    """The devices of the best kind that the cluster has, asked for once in a process. kinds: those that a backend can
    use, best first.

    A node that cannot be used is left out, with a warning. Raises UsageError or MachineError if there is no cluster, if
    it has no token, or if it has no such device.
    """
    connect()
    here = [device for node, facts in _asked(nodes()) for device in _usable(node, facts)]
    for kind in kinds:
        if found := tuple(device for device in here if device.kind == kind):
            return found
    raise MachineError(
        Problem(WHERE, f"has no device that this backend renders on ({' or '.join(kinds)})", remedy="see `ray status`")
    )


def _asked(those: Sequence[ClusterNode]) -> Iterator[tuple[ClusterNode, NodeFacts]]:
    """Each node that answers."""
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0)(facts_of_this_node)
    asked = [
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            node.gpus, node.cpus
        )
        for node in those
    ]
    for node, answer in zip(those, asked, strict=True):
        try:
            yield node, ray.get(answer, timeout=ANSWER_SECONDS)
        except RayError as error:
            said = next(iter(str(error).strip().splitlines()[-1:]), "")[:200]
            _log.warning("%s is not used: it does not say what it has (%s)", node.name, said)


def _usable(node: ClusterNode, facts: NodeFacts) -> tuple[Device, ...]:
    """The devices of a node, by their names in the cluster. Raises UsageError for a node without a token: then the
    whole cluster is open."""
    if facts.auth_mode.lower() != TOKEN:
        found = f"its node {node.name} runs without a token: anybody who reaches it can run programs there"
        remedy = f"start every node with {AUTH_MODE}={TOKEN}; docs/ray.md says how"
        raise UsageError(Problem(WHERE, found, f"allowed: {AUTH_MODE}={TOKEN}", remedy))
    if facts.version != __version__:
        _log.warning("%s is not used: it has wan-render %s, not %s", node.name, facts.version, __version__)
        return ()
    return tuple(at_node(device, node.name) for device in facts.devices)


def _see_all_gpus() -> None:
    """Ray hides all GPUs from a task that asked for none: undo that. What hid GPUs from Ray hides them still."""
    started_with = Path("/proc/self/environ").read_bytes().split(b"\0")
    given = [entry.partition(b"=")[2].decode() for entry in started_with if entry.startswith(f"{VISIBLE}=".encode())]
    os.environ.pop(VISIBLE, None)
    if given and given[0]:
        os.environ[VISIBLE] = given[0]
