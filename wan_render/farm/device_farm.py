"""A farm with one warm process per device, started when it is first needed, wherever the devices are."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from wan_render.errors import MachineError, Problem, WanRenderError
from wan_render.farm.attempts_in_flight import AttemptsInFlight
from wan_render.farm.device_lending import DeviceLending
from wan_render.farm.device_place import DevicePlace
from wan_render.farm.dispatch import Dispatch, Request
from wan_render.farm.failure_account import FailureAccount
from wan_render.farm.failure_meaning import stopped
from wan_render.farm.farm_contract import Begins, at_any_time
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.held_devices import DeviceHold, HeldDevice, waiting_lines
from wan_render.farm.memory_watch import MemoryWatch
from wan_render.farm.process.attempt_log import new_log
from wan_render.farm.running_attempt import AttemptContext, RunningAttempt
from wan_render.farm.space_watch import SpaceWatch
from wan_render.farm.warm_processes import WarmProcesses
from wan_render.printable import logger
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Listen, Phase, Progress
from wan_render.store import TOGETHER, Clip

_POLL_SECONDS = 0.2
"""Seconds between two tries to lock a device that another run holds."""

_log = logger(__name__)


class DeviceFarm:
    """A Farm of the devices at some places, which may join and leave. As a context manager it ends with `close`, or
    with `stop` after an error.

    A device is locked against other runs from its first attempt until the farm ends. One that is only kept for a group
    is unlocked if the group forms without it. A process that failed is replaced, never reused.
    lending: its devices for other work.
    """

    def __init__(self, places: Sequence[DevicePlace], store_root: Path, settings: FarmSettings) -> None:
        """store_root: of the store for orders that name no other."""
        if not places or len({place.device.name for place in places}) < len(places):
            raise ValueError(f"expected one device or several different ones, got {[each.device for each in places]}")
        self._settings = settings
        self._store_root, self._watch = store_root.absolute(), self._settings.watch
        self._held_devices = [HeldDevice(place) for place in places]
        self._space = SpaceWatch(self._settings.space, self._store_root)
        self._memory = MemoryWatch(self._settings.memory)
        self._dispatch = Dispatch(self._held_devices, self._settings)
        self._failures = FailureAccount(self._dispatch)
        self._in_flight = AttemptsInFlight()
        self._stopped = self._closing = False
        self._changed = threading.Condition()
        for weakness in filter(None, (held.lock.weakness for held in self._held_devices)):
            _log.warning("%s", weakness)
        self.lending = DeviceLending(
            self._held_devices, self._changed, self._dispatch, lambda: self._closing, self._given_back
        )
        processes = WarmProcesses(self._settings, self._store_root, self._changed, lambda: self._stopped)
        self._context = AttemptContext(
            self._settings, self._changed, processes.process_for, processes.discard, lambda: self._stopped
        )

    @property
    def devices(self) -> tuple[Device, ...]:
        """See Farm.devices."""
        with self._changed:
            return tuple(held.device for held in self._held_devices)

    @property
    def quarantined(self) -> tuple[str, ...]:
        """The names of the devices that get no take which another device can render."""
        with self._changed:
            return self._dispatch.quarantined

    def release(self, name: str) -> None:
        """End the quarantine of a device, if it has one."""
        with self._changed:
            if name in self._dispatch.quarantined:
                self._dispatch.release(name)
                self._changed.notify_all()

    def expect(self, orders: Sequence[RenderOrder]) -> None:
        """See Farm.expect."""
        with self._changed:
            self._dispatch.simulation.expect(orders)
            self._describe_use(orders)
            self._changed.notify_all()

    def render(self, order: RenderOrder, listen: Listen, begins: Begins = at_any_time) -> Clip:
        """See Farm.render. Raises DiskError if its log cannot be written."""
        with self._space.room_for(order, lambda: self._closing), self._devices_for(order, begins) as held_devices:
            return self._render(order, held_devices, listen, begins)

    def _render(self, order: RenderOrder, held_devices: Sequence[HeldDevice], listen: Listen, begins: Begins) -> Clip:
        with self._changed:
            tighter = self._failures.tighter(order, held_devices[0])
        with (
            self._memory.room_for(order, held_devices, tighter, lambda: self._closing) as levels,
            self._attempt(order, held_devices, begins, tighter + levels) as attempt,
        ):
            self._watch.attempt_begins(order, [held.device.name for held in held_devices], attempt.log)
            try:
                clip = attempt.render(self._heard(order, held_devices, listen))
            except BaseException as error:
                meaning = self._meaning(attempt, order, held_devices, error)
                self._watch.attempt_ends(order, meaning)
                if meaning is error:
                    raise
                raise meaning from error
            with self._changed:
                self._dispatch.finished(order, held_devices)
            self._watch.attempt_ends(order, None)
            return clip

    def abort(self, orders: Collection[RenderOrder]) -> None:
        """See Farm.abort."""
        with self._changed:
            self._in_flight.abort(orders)

    def stop(self) -> None:
        """See Farm.stop. Returns when the device processes are gone."""
        with self._changed:
            self._stopped = self._closing = True
            processes = [held.process for held in self._held_devices if held.process is not None]
            for process in processes:
                process.kill()
            self._changed.notify_all()
        for process in processes:
            process.wait()
        self._release()

    def close(self) -> None:
        """See Farm.close."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not any(held.busy or held.writing for held in self._held_devices))
        processes = [held.process for held in self._held_devices if held.process is not None]
        for process in processes:
            process.dismiss()
        for process in processes:
            process.close()
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.stop()

    # Devices that join and leave

    def join(self, place: DevicePlace, like: str) -> None:
        """Render on another device as well. One with the same name has left before. like: see HeldDevice."""
        with self._changed:
            self._held_devices.append(HeldDevice(place, like=like))
            self._dispatch.joined(place.device.name)
            self._changed.notify_all()

    def leave(self, place: DevicePlace) -> None:
        """Begin nothing more on a device. An attempt on it ends as it ends."""
        with self._changed:
            self._held_devices[:] = [held for held in self._held_devices if held.place is not place]
            self._dispatch.left(place.device.name)
            self._changed.notify_all()

    # One attempt

    @contextmanager
    def _attempt(
        self, order: RenderOrder, those: Sequence[HeldDevice], begins: Begins, tighter: int
    ) -> Iterator[RunningAttempt]:
        """One attempt on these devices. Each is free again when its part is done."""
        holds = [DeviceHold(held) for held in those]
        try:
            begins([held.device for held in those])
            log = new_log(order.store or self._store_root, order)
            later = tuple(each for each in order.later if those[0].device.name not in each.barred)
            told = replace(order, later=later, tighter=tighter)
            attempt = RunningAttempt(self._context, told, holds, log)
        except BaseException:
            with self._changed:
                for hold in holds:
                    hold.end()
                if self._stopped:
                    self._release()
                self._changed.notify_all()
            raise
        _log.info("%s take %d on %s, log %s", order.shot, order.number, _names(those), log)
        try:
            with self._in_flight.begun(order, attempt):
                yield attempt
        finally:
            attempt.settle()

    def _heard(self, order: RenderOrder, held_devices: Sequence[HeldDevice], listen: Listen) -> Listen:
        def heard(progress: Progress) -> None:
            if progress.phase is Phase.STEP:
                self._memory.is_loaded(held_devices)
            if progress.phase is Phase.WRITING:
                with self._changed:
                    self._dispatch.simulation.rendered(order)
                self._watch.take_rendered(order)
            listen(progress)

        return heard

    def _meaning(
        self, attempt: RunningAttempt, order: RenderOrder, held_devices: Sequence[HeldDevice], error: BaseException
    ) -> BaseException:
        """The error to raise for a failure, once it is accounted for."""
        with self._changed:
            if self._stopped:
                return stopped(order.shot) if isinstance(error, WanRenderError) else error
            return self._failures.meaning(attempt, order, held_devices, error)

    @contextmanager
    def _devices_for(self, order: RenderOrder, begins: Begins) -> Iterator[tuple[HeldDevice, ...]]:
        """The devices that render an order, marked as busy."""
        held_devices = self._wait_for_devices(Request(order), order.shot, begins)
        try:
            yield held_devices
        finally:
            with self._changed:
                self._dispatch.simulation.ends(order)

    def _wait_for_devices(self, request: Request, shot: str, begins: Begins) -> tuple[HeldDevice, ...]:
        with self._changed:
            self._dispatch.enter(request)
        try:
            while True:
                with self._changed:
                    self._refuse_if_closing(shot)
                    self._refuse_if_none_is_able(request.order)
                    if not self.lending.is_first and (held_devices := self._dispatch.assigned(request)):
                        self._dispatch.begin(request, held_devices)
                        return held_devices
                    self._tell_waiting(request.order)
                    self._changed.wait(_POLL_SECONDS)
                begins(())  # without our lock: the caller has one, too
        finally:
            with self._changed:
                self._dispatch.leave(request)
                self._changed.notify_all()

    def _refuse_if_none_is_able(self, order: RenderOrder) -> None:
        """Raise MachineError if no device can ever render the order. The farm's lock is held."""
        if not any(held.is_able(order) for held in self._held_devices):
            names = ", ".join(device.name for device in self.devices)
            raise MachineError(Problem(order.shot, f"can be rendered on none of {names}"))

    def _tell_waiting(self, order: RenderOrder) -> None:
        """Log once which devices other runs hold, and which runs: one line for each run."""
        for line in waiting_lines(self._dispatch.able(order)):
            _log.warning("%s", line)

    def _describe_use(self, orders: Sequence[RenderOrder]) -> None:
        """Let other runs see what our devices are held for."""
        if orders:
            seconds = self._dispatch.simulation.remaining_seconds(max(1, len(self._held_devices)))
            for held in self._held_devices:
                held.lock.describe(orders[0].film, seconds)

    def _refuse_if_closing(self, shot: str) -> None:
        if self._stopped or self._closing:
            raise stopped(shot)

    def _given_back(self) -> None:
        if self._stopped:
            self._release()

    def _release(self) -> None:
        with self._changed:
            for held in self._held_devices:
                if not (held.busy or held.writing):
                    held.lock.release()


def _names(held_devices: Sequence[HeldDevice]) -> str:
    return TOGETHER.join(held.device.name for held in held_devices)
