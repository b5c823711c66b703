"""A farm's devices for other work than takes: finishing borrows one while others render."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from wan_render.farm.device_place import LocalPlace
from wan_render.farm.dispatch import Dispatch
from wan_render.farm.held_devices import HeldDevice
from wan_render.render_values import Device

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class LentDevice:
    """A device that is lent. locks: the open files of its lock, for the borrower's process."""

    device: Device
    locks: tuple[int, ...]


class DeviceLending:
    """Lends the devices of one farm. It shares the farm's lock and its view of which devices are busy."""

    def __init__(
        self,
        held_devices: Sequence[HeldDevice],
        changed: threading.Condition,
        dispatch: Dispatch,
        is_closing: Callable[[], bool],
        given_back: Callable[[], None],
    ) -> None:
        """given_back: called with the farm's lock after a device came back."""
        self._held_devices, self._changed, self._dispatch = held_devices, changed, dispatch
        self._is_closing, self._given_back = is_closing, given_back
        self._borrowers = 0

    @property
    def is_first(self) -> bool:
        """Whether somebody waits for a device. Takes then wait: borrowers need one for seconds, takes for minutes."""
        return self._borrowers > 0

    @contextmanager
    def lend(self, patient: Callable[[], None], *, emptied: bool = False) -> Iterator[LentDevice | None]:
        """The first device of this machine that is idle. None if the farm closes, or has no device of this machine.

        patient: called now and then while none is idle; it may raise. emptied: whether the model that a process has
        loaded on it must go first, because the work needs its memory.
        """
        held = self._idle(patient)
        if held is None or not isinstance(place := held.place, LocalPlace):
            yield None
            return
        try:
            if emptied and held.process is not None:
                held.process.kill()
                held.process.wait()
                held.process = held.loaded = None
            yield LentDevice(held.device, place.lock.files)
        finally:
            with self._changed:
                held.busy = False
                self._given_back()
                self._changed.notify_all()

    def _idle(self, patient: Callable[[], None]) -> HeldDevice | None:
        with self._changed:
            self._borrowers += 1
        try:
            while True:
                with self._changed:
                    here = [held for held in self._held_devices if isinstance(held.place, LocalPlace)]
                    if self._is_closing() or not here:
                        return None
                    for held in here:
                        is_idle = not held.busy and not held.writing
                        if is_idle and self._dispatch.allows(held) and held.lock.acquire():
                            held.busy, held.was_used, held.take_key = True, True, ""
                            return held
                    self._changed.wait(_POLL_SECONDS)
                patient()
        finally:
            with self._changed:
                self._borrowers -= 1
                self._changed.notify_all()
