"""What runs on a node of the cluster, as a Ray actor: it holds one device, and starts device processes on it.

Ray gives the actor its GPU, so no other job of the cluster gets it. The device's lock keeps runs off it that know
nothing of Ray. The device process is a child of the actor, as it is one of the farm on one machine, and dies with it.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from wan_render.devices import cpu, gpus
from wan_render.errors import DeviceError, Problem
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.process.channel import ClosedError, Start
from wan_render.farm.process.process_link import LocalProcess
from wan_render.render_values import Device
from wan_render.settings import machine_settings

START_SECONDS = 60.0
"""How long a message waits for the start of its process. The start was asked for before."""


@dataclass(frozen=True, eq=False)
class _Hosted:
    """A device process, and what it has sent and the farm has not asked for yet."""

    process: LocalProcess
    unread: deque[bytes] = field(default_factory=deque)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    ended: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        """Keep the connection empty, so that the device never waits for the network."""
        try:
            while True:
                self._put(self.process.channel.receive_bytes())
        except ClosedError:
            self.ended.set()
            self._put()

    def _put(self, *bodies: bytes) -> None:
        with self.arrived:
            self.unread.extend(bodies)
            self.arrived.notify_all()


class DeviceHost:
    """Holds one device of this node. Ray calls its methods in several threads. Messages are pickles that it never
    reads."""

    def __init__(self, node: str, kind: str, store: Path, mark: str) -> None:
        """node: the node's name. kind: of the device. mark: a file of the store that shows that this node sees it."""
        self._node, self._kind, self._mark = node, kind, store / mark
        self._lock: DeviceLock | None = None
        self._hosted: dict[str, _Hosted] = {}
        self._started = threading.Condition()

    def sees_store(self) -> bool:
        """Whether this node has the farm's outputs folder, at the same path."""
        return self._mark.exists()

    def device(self) -> Device:
        """The device that Ray gave us, named for the whole cluster. Raises DeviceError if there is none."""
        found = gpus() if self._kind == "cuda" else (cpu(),)
        if not found:
            raise DeviceError(Problem(self._node, "has a GPU for Ray, but nvidia-smi shows none"))
        self._lock = self._lock or DeviceLock(machine_settings().locks, found[0])
        return at_node(found[0], self._node)

    def lock(self) -> str:
        """Lock the device; "" if it is ours now, else who holds it, in words."""
        if self._lock is None:
            raise ValueError("the device is not known yet")
        return "" if self._lock.acquire() else self._lock.holder()

    def live(self) -> None:
        """Block for as long as this host lives. Whoever waits for it hears of its end."""
        threading.Event().wait()

    # The processes, each by a key that the farm chose

    def start(self, key: str, start: Start, log: Path) -> int:
        """Start a process; its id. Raises DeviceError."""
        if self._lock is None:
            raise ValueError("the device is not locked")
        hosted = _Hosted(LocalProcess(start, self._lock.files, log))
        threading.Thread(target=hosted.read, name=f"reads {start.device.name}", daemon=True).start()
        with self._started:
            self._hosted[key] = hosted
            self._started.notify_all()
        return hosted.process.pid

    def send(self, key: str, body: bytes) -> None:
        """Send a message to a process. If it is gone, `receive` says so."""
        hosted = self._of(key)
        if not hosted.ended.is_set():
            hosted.process.channel.send_bytes(body)

    def receive(self, key: str) -> list[bytes]:
        """All messages that have arrived, as soon as there is one. None will come if it is empty."""
        hosted = self._of(key)
        with hosted.arrived:
            hosted.arrived.wait_for(lambda: bool(hosted.unread) or hosted.ended.is_set())
            bodies = list(hosted.unread)
            hosted.unread.clear()
        return bodies

    def kill(self, key: str) -> None:
        """Kill a process and everything that it started."""
        self._of(key).process.kill()

    def dismiss(self, key: str) -> None:
        """Ask a process to exit."""
        self._of(key).process.dismiss()

    def wait(self, key: str) -> None:
        """Wait until a process has ended, for a limited time."""
        self._of(key).process.wait()

    def death(self, key: str) -> str:
        """How a process ended, in words."""
        return self._of(key).process.death()

    def used_bytes(self, key: str) -> int | None:
        """Host memory of a process, in bytes."""
        return self._of(key).process.used_bytes()

    def _of(self, key: str) -> _Hosted:
        with self._started:
            if not self._started.wait_for(lambda: key in self._hosted, START_SECONDS):
                raise DeviceError(Problem(self._node, "has no such device process"))
            return self._hosted[key]


def at_node(device: Device, node: str) -> Device:
    """The device with a name that is unique in the cluster: `cuda:0@studio-b`."""
    return replace(device, name=f"{device.name}@{node}")
