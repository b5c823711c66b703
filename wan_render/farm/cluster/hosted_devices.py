"""Opens the devices of the cluster's nodes for one farm, and notices nodes that join and that are lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from wan_render.errors import MachineError, Problem, WanRenderError
from wan_render.farm.cluster.device_host import DeviceHost
from wan_render.farm.cluster.hosted_process import HostedProcess
from wan_render.farm.cluster.ray_cluster import ClusterNode, nodes
from wan_render.farm.process.channel import Start
from wan_render.farm.process.process_link import ProcessLink
from wan_render.printable import logger
from wan_render.render_values import Device

LOOK_SECONDS = 1.0
"""How often the farm asks for nodes that have joined, and for devices that others hold."""

CALLS_AT_ONCE = 32
"""How many calls a host answers at a time. Two of each process block: those that wait for messages."""

AGAIN_SECONDS = 30.0
"""After which a device that could not be used is tried again."""

_log = logger(__name__)


class GrantedLock:
    """The lock of a device whose host holds it as long as the host lives."""

    held, weakness = True, ""

    def acquire(self) -> bool:
        """It is held already."""
        return True

    def obtainable(self) -> bool:
        """It is held already."""
        return True

    def holder(self) -> str:
        """Nobody else."""
        return ""

    def describe(self, film: str, seconds: float) -> None:
        """Ray shows who holds it."""

    def release(self) -> None:
        """The host holds it until the farm ends."""


@dataclass(frozen=True, eq=False)
class HostedPlace:
    """A device of a node, with the actor that holds it."""

    device: Device
    node: str
    host: Any
    lock: GrantedLock = field(default_factory=GrantedLock)

    def start(self, start: Start, log: Path) -> ProcessLink:
        """See DevicePlace."""
        return HostedProcess(self.host, self.node, start, log)


class HostedDevices:
    """One host for each device of a kind, on every node. `end` ends them all.

    opened: called with each device that can be used from now on. lost: called with each that cannot be used any longer.
    refused: called with the reason why a device cannot be used at all. All are called in threads of their own.
    """

    def __init__(
        self,
        kind: str,
        store: Path,
        mark: str,
        opened: Callable[[HostedPlace], None],
        lost: Callable[[HostedPlace], None],
        refused: Callable[[Problem], None],
    ) -> None:
        """kind: of devices. store, mark: see DeviceHost."""
        self._kind, self._store, self._mark = kind, store, mark
        self._opened, self._lost, self._refused = opened, lost, refused
        self._is_over = threading.Event()
        self._known: dict[str, int] = {}
        self._hosts: list[Any] = []
        self._changing = threading.Lock()
        threading.Thread(target=self._watch_nodes, name="watches the cluster", daemon=True).start()

    def end(self) -> None:
        """Give all devices back. Their processes die with their hosts."""
        self._is_over.set()
        with self._changing:
            hosts = tuple(self._hosts)
        for host in hosts:
            _end(host)

    def _watch_nodes(self) -> None:
        while not self._is_over.is_set():
            with suppress(MachineError):  # the head node may be back later
                for node in nodes():
                    self._serve(node)
            self._is_over.wait(LOOK_SECONDS)

    def _serve(self, node: ClusterNode) -> None:
        """See that each device of a node has a host."""
        devices = node.gpus if self._kind == "cuda" else min(node.cpus, 1)
        with self._changing:
            missing = devices - self._known.get(node.id, 0)
            self._known[node.id] = devices
        for _ in range(missing):
            threading.Thread(target=self._keep, args=(node,), name=f"hosts {node.name}", daemon=True).start()

    def _keep(self, node: ClusterNode) -> None:
        """The life of one host. If it is lost and the node is not, the next one follows."""
        try:
            self._host_on(node)
        finally:
            with self._changing:
                self._known[node.id] -= 1

    def _host_on(self, node: ClusterNode) -> None:
        host = self._begun(node)
        if host is None:
            return
        try:
            place = self._place(node, host)
        except (RayError, WanRenderError) as error:
            if not self._is_over.is_set():
                problem = _problem(node, error)
                _log.warning("a device is not used: %s", problem)
                self._refused(problem)
                self._is_over.wait(AGAIN_SECONDS)
            _end(host)
            return
        if place is None:
            _end(host)
            return
        self._opened(place)
        self._await_end(host)
        if not self._is_over.is_set():
            _log.warning("%s was lost: its machine, its Ray or the network failed", place.device.name)
            self._lost(place)
        _end(host)

    def _begun(self, node: ClusterNode) -> Any:
        """The actor, a DeviceHost; None if the farm has ended."""
        options = {"num_gpus": 1, "num_cpus": 0} if self._kind == "cuda" else {"num_cpus": 1}
        host: Any = (
            ray.remote(DeviceHost)
            .options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
                max_concurrency=CALLS_AT_ONCE,
                **options,
            )
            .remote(node.name, self._kind, self._store, self._mark)
        )
        with self._changing:
            if self._is_over.is_set():
                _end(host)
                return None
            self._hosts.append(host)
        return host

    def _place(self, node: ClusterNode, host: Any) -> HostedPlace | None:
        """Wait until Ray and this node's other runs give us the device. None if the farm ends first."""
        waiting = f"waiting for Ray to give a device of {node.name}: other jobs may hold it"
        device = self._answer(host.device.remote(), waiting)
        if device is None:
            return None
        if not ray.get(host.sees_store.remote()):
            raise MachineError(_unshared(node, self._store))
        said = ""
        while holder := ray.get(host.lock.remote()):
            if holder != said:
                said = holder
                _log.warning("waiting for %s: %s", device.name, holder)
            if self._is_over.wait(LOOK_SECONDS):
                return None
        return HostedPlace(device, node.name, host)

    def _answer(self, asked: Any, waiting: str) -> Any:
        """What was asked for; None if the farm ends first. waiting: logged if it takes long."""
        waited = 0
        while not self._is_over.is_set():
            try:
                return ray.get(asked, timeout=LOOK_SECONDS)
            except GetTimeoutError:
                waited += 1
                if waited == WAIT_IS_LONG:
                    _log.warning("%s", waiting)
        return None

    def _await_end(self, host: Any) -> None:
        """Return when the host is lost, or the farm ends."""
        life: Any = host.live.remote()
        while not self._is_over.is_set():
            try:
                ray.get(life, timeout=LOOK_SECONDS)
            except GetTimeoutError:
                continue
            except RayError:
                return


WAIT_IS_LONG = 15
"""Seconds. Starting a host takes some."""


def _end(host: Any) -> None:
    """Kill a host. One that is out of reach is killed when Ray hears of it."""
    with suppress(RayError, RuntimeError, ValueError):  # Ray was shut down, or the host is not known any more
        ray.kill(host)


def _unshared(node: ClusterNode, store: Path) -> Problem:
    return Problem(
        node.name,
        f"does not see the outputs folder {store}",
        "a folder that every node has at the same path",
        "share it (NFS, for example), or name another one in WAN_RENDER_OUTPUTS",
    )


def _problem(node: ClusterNode, error: Exception) -> Problem:
    """Why a device of a node cannot be used."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, WanRenderError):
        return cause.problems[0]
    return Problem(node.name, next(iter(str(cause).strip().splitlines()), type(cause).__name__)[:300])
