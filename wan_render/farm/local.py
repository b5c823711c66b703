"""The farm of one machine: one warm process per device, started when it is first needed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from wan_render.errors import DeviceError, MachineError, OutOfMemoryError, Problem, WanRenderError
from wan_render.farm.attempts import OFFLOAD_LEVELS
from wan_render.farm.dispatch import Dispatch, Request
from wan_render.farm.failure_meaning import is_of_device, of_group, stopped
from wan_render.farm.farm_contract import Begins, at_any_time
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.held_devices import DeviceHold, HeldDevice, Model, model_of
from wan_render.farm.ordering.loaded import loaded_by
from wan_render.farm.process.attempt_log import new_log
from wan_render.farm.process.channel import Start
from wan_render.farm.process.device_process import DeviceProcess
from wan_render.farm.running_attempt import AttemptContext, RunningAttempt
from wan_render.farm.space_watch import SpaceWatch
from wan_render.printable import logger
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Listen, Phase, Progress
from wan_render.store import TOGETHER, Clip

_POLL_SECONDS = 0.2
"""Seconds between two tries to lock a device that another run holds."""

_log = logger(__name__)


class LocalFarm:
    """A Farm of this machine's devices. As a context manager it ends with `close`, or with `stop` after an error.

    A device is locked against other runs from its first attempt until the farm ends. One that is only kept for a group
    is unlocked if the group forms without it. A process that failed is replaced, never reused.
    """

    def __init__(self, devices: Sequence[Device], store_root: Path, settings: FarmSettings | None = None) -> None:
        """store_root: of the store for orders that name no other."""
        if not devices or len({device.name for device in devices}) < len(devices):
            raise ValueError(f"expected one device or several different ones, got {devices}")
        self._settings = settings or FarmSettings()
        self._store_root, self._watch = store_root.absolute(), self._settings.watch
        self._held_devices = [HeldDevice(device, self._settings.lock(device)) for device in devices]
        self._space = SpaceWatch(self._settings.space, self._store_root)
        self._dispatch = Dispatch(self._held_devices, self._settings.quarantine, self._settings.groups)
        self._tighter: Counter[tuple[Model, int]] = Counter()
        self._stopped = self._closing = False
        self._changed = threading.Condition()
        for weakness in filter(None, (held.lock.weakness for held in self._held_devices)):
            _log.warning("%s", weakness)
        self._context = AttemptContext(
            self._settings, self._changed, self._process_for, self._discard, lambda: self._stopped
        )

    @property
    def devices(self) -> tuple[Device, ...]:
        """See Farm.devices."""
        return tuple(held.device for held in self._held_devices)

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
        with self._attempt(order, held_devices, begins) as attempt:
            self._watch.attempt_begins(order, [held.device.name for held in held_devices], attempt.log)
            try:
                clip = attempt.render(self._heard(order, listen))
            except BaseException as error:
                meaning = self._account_for(attempt, order, held_devices, error)
                self._watch.attempt_ends(order, meaning)
                if meaning is error:
                    raise
                raise meaning from error
            with self._changed:
                self._dispatch.finished(order, held_devices)
            self._watch.attempt_ends(order, None)
            return clip

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

    # One attempt

    @contextmanager
    def _attempt(self, order: RenderOrder, those: Sequence[HeldDevice], begins: Begins) -> Iterator[RunningAttempt]:
        """One attempt on these devices. Each is free again when its part is done."""
        holds = [DeviceHold(held) for held in those]
        try:
            begins([held.device for held in those])
            log = new_log(order.store or self._store_root, order)
            later = tuple(each for each in order.later if those[0].device.name not in each.barred)
            order = replace(order, later=later, tighter=self._tighter[_memory(order, those[0])])
            attempt = RunningAttempt(self._context, order, holds, log)
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
            yield attempt
        finally:
            attempt.settle()

    def _heard(self, order: RenderOrder, listen: Listen) -> Listen:
        def heard(progress: Progress) -> None:
            if progress.phase is Phase.WRITING:
                with self._changed:
                    self._dispatch.simulation.rendered(order)
                self._watch.take_rendered(order)
            listen(progress)

        return heard

    def _process_for(self, hold: DeviceHold, order: RenderOrder, log: Path) -> DeviceProcess:
        """The process on the held device; a new one if there is none or it died while idle. `stop` sees it at once."""
        held = hold.held
        with self._changed:
            self._refuse_if_closing("the farm", stopping_only=True)
            self._replace_grown(held)
            if held.process is not None and not held.process.alive:
                held.process.kill()
                held.process = held.loaded = None
            if held.process is None:
                start = Start(self._settings.handler, held.device, self._store_root)
                held.process = DeviceProcess(start, held.lock.files, log, self._settings.growth_bytes)
            hold.process, held.loaded = held.process, loaded_by(order) or held.loaded
            return held.process

    def _replace_grown(self, held: HeldDevice) -> None:
        """End a process whose memory keeps growing, as soon as it has written the take before."""
        if held.process is None or not held.process.growth.verdict:
            return
        self._changed.wait_for(lambda: self._stopped or not held.writing)
        self._refuse_if_closing("the farm", stopping_only=True)
        _log.warning("the process on %s is replaced: %s", held.device.name, held.process.growth.verdict)
        held.process.kill()
        held.process.wait()
        held.process = held.loaded = None

    def _discard(self, hold: DeviceHold) -> None:
        """Remove a hold's process after a failure, unless it can be used again."""
        held, process = hold.held, hold.process
        if process is None or process.alive:
            return
        process.kill()
        if not self._stopped:  # its successor needs the device's memory
            process.wait()
        with self._changed:
            if held.process is process:
                held.process = held.loaded = None

    def _account_for(
        self, attempt: RunningAttempt, order: RenderOrder, held_devices: Sequence[HeldDevice], error: BaseException
    ) -> BaseException:
        """Note whose fault a failure was; return the error to raise."""
        with self._changed:
            if self._stopped:
                return stopped(order.shot) if isinstance(error, WanRenderError) else error
            failed, cause = attempt.cause, attempt.cause.error or error
            if isinstance(cause, OutOfMemoryError):
                if len(held_devices) > 1:  # a group needs memory for exchanges: one device may fit as it is
                    self._dispatch.failed_by_group(order, is_of_devices=True)
                    return of_group(cause)
                memory = _memory(order, failed.hold.held)
                self._tighter[memory] = max(self._tighter[memory], failed.order.tighter + 1)
                if failed.order.tighter >= OFFLOAD_LEVELS:  # less memory is not to be had: another device may have more
                    self._dispatch.avoid(order, failed.hold.held)
            elif is_of_device(cause) and failed.hold.renders:
                self._dispatch.blame(order, failed.hold.held)
            if len(held_devices) > 1:
                self._dispatch.failed_by_group(order, is_of_devices=isinstance(cause, DeviceError))
                return of_group(cause)
            return cause

    @contextmanager
    def _devices_for(self, order: RenderOrder, begins: Begins) -> Iterator[tuple[HeldDevice, ...]]:
        """The devices that render an order, marked as busy."""
        self._refuse_if_none_is_able(order)
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
                    if held_devices := self._dispatch.assigned(request):
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
        if not order.able(self.devices):
            names = ", ".join(device.name for device in self.devices)
            raise MachineError(Problem(order.shot, f"can be rendered on none of {names}"))

    def _tell_waiting(self, order: RenderOrder) -> None:
        """Log once which devices other runs hold, and which runs: one line for each run."""
        names_by_holder: dict[str, list[str]] = {}
        for held in self._dispatch.able(order):
            if not (held.busy or held.wait_was_logged or held.lock.obtainable()):
                held.wait_was_logged = True
                names_by_holder.setdefault(held.lock.holder(), []).append(held.device.name)
        for who, names in names_by_holder.items():
            _log.warning("waiting for %s: %s", ", ".join(names), who)

    def _describe_use(self, orders: Sequence[RenderOrder]) -> None:
        """Let other runs see what our devices are held for."""
        if orders:
            seconds = self._dispatch.simulation.remaining_seconds(len(self._held_devices))
            for held in self._held_devices:
                held.lock.describe(orders[0].film, seconds)

    def _refuse_if_closing(self, shot: str, *, stopping_only: bool = False) -> None:
        if self._stopped or (self._closing and not stopping_only):
            raise stopped(shot)

    def _release(self) -> None:
        with self._changed:
            for held in self._held_devices:
                if not (held.busy or held.writing):
                    held.lock.release()


def _names(held_devices: Sequence[HeldDevice]) -> str:
    return TOGETHER.join(held.device.name for held in held_devices)


def _memory(order: RenderOrder, held: HeldDevice) -> tuple[Model, int]:
    """The key of `_tighter`: a shortage of memory holds for a model on every device with as much memory."""
    return model_of(order), held.device.memory_bytes
