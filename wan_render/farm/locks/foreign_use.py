"""Programs other than wan-render that hold memory of a farm's GPUs when it starts, such as an open ComfyUI."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from wan_render.errors import MachineError
from wan_render.gpu_users import GpuUser, gpu_users
from wan_render.printable import logger
from wan_render.render_values import Device

LOOK_SECONDS = 10.0
"""How often nvidia-smi is asked while a GPU is held."""

_log = logger(__name__)


class ForeignUse:
    """Watches GPUs until each was free once: after that, memory on it is our own, or its user came later.

    A context manager. It blocks until the first answer; after that, `of` is instant, because a thread of its own asks.
    tell: called once for each program, with a sentence.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        tell: Callable[[str], None],
        users: Callable[[Sequence[Device]], tuple[GpuUser, ...]] = gpu_users,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._held: dict[str, str] = {}
        self._waiting_for = {device.name: device for device in devices if device.kind == "cuda"}
        self._tell, self._users, self._seconds = tell, users, look_seconds
        self._told: set[tuple[str, int]] = set()
        self._over = threading.Event()

    def of(self, device: Device) -> str:
        """Who holds a device, in words; "" if it is free for us."""
        return self._held.get(device.name, "")

    def __enter__(self) -> Self:
        self._look()
        if self._held:
            threading.Thread(target=self._look_until_free, name="watches GPU memory", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _look_until_free(self) -> None:
        while self._held and not self._over.wait(self._seconds):
            self._look()

    def _look(self) -> None:
        try:
            found = self._users(tuple(self._waiting_for.values()))
        except MachineError as error:  # a driver that does not say cannot keep a night waiting
            _log.warning("nobody knows whether GPUs are in use: %s", error)
            found = ()
        held = {user.device: str(user) for user in found}
        for user in found:
            if (user.device, user.pid) not in self._told:
                self._told.add((user.device, user.pid))
                self._tell(f"waiting for {user.device}: {user}; close that program to use it tonight")
        for name in set(self._waiting_for) - held.keys():
            del self._waiting_for[name]
            if name in self._held:
                self._tell(f"{name} is free now, at {time.strftime('%H:%M')}")
        self._held = held
