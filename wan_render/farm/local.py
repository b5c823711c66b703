"""The farm of one machine: a warm process for each device, started when it is first needed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from wan_render.errors import (
    DeviceError,
    LostPeerError,
    MachineError,
    OutOfMemoryError,
    Problem,
    RenderError,
    Stopped,
    WanRenderError,
)
from wan_render.farm.dispatch import Dispatch, Request
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.held_devices import DeviceHold, HeldDevice, Model, model_of
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.process.attempt_log import new_log
from wan_render.farm.process.channel import Start
from wan_render.farm.process.device_process import DeviceProcess
from wan_render.farm.running_attempt import AttemptContext, RunningAttempt
from wan_render.printable import logger
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Listen, Phase, Progress
from wan_render.store import TOGETHER, Clip

_POLL_SECONDS = 0.2
"""How often a device that another run holds is asked for."""

_log = logger(__name__)


class LocalFarm:
    """A Farm of this machine's devices. A context: leaves by `close`, or by `stop` when an error leaves it.

    A device is locked against other runs from its first order until the farm ends; one that is kept for a group, until
    the group is formed without it. A process that failed is replaced, never used again.
    """

    def __init__(self, devices: Sequence[Device], store_root: Path, settings: FarmSettings | None = None) -> None:
        if not devices or len({device.name for device in devices}) < len(devices):
            raise ValueError(f"expected one device or several different ones, got {devices}")
        self._settings = settings or FarmSettings()
        self._store_root = store_root.absolute()
        self._slots = [HeldDevice(device, DeviceLock(self._settings.locks, device)) for device in devices]
        self._dispatch = Dispatch(self._slots, self._settings.quarantine, self._settings.groups)
        self._tighter: Counter[tuple[Model, int]] = Counter()
        self._stopped = self._closing = False
        self._changed = threading.Condition()
        for slot in self._slots:
            if slot.lock.weakness:
                _log.warning("%s", slot.lock.weakness)
        self._ground = AttemptContext(self._settings, self._changed, self._warm, self._clear, lambda: self._stopped)

    @property
    def devices(self) -> tuple[Device, ...]:
        """What it renders on."""
        return tuple(slot.device for slot in self._slots)

    def expect(self, orders: Sequence[RenderOrder]) -> None:
        """See Farm.expect."""
        with self._changed:
            self._dispatch.outlook.expect(orders)
            self._describe_use(orders)
            self._changed.notify_all()

    def render(self, order: RenderOrder, listen: Listen) -> Clip:
        """See Farm.render. Raises DiskError where its log cannot be written."""
        with self._devices_for(order) as slots, self._team(order, slots) as team:
            try:
                clip = team.render(self._heard(order, listen))
            except BaseException as error:
                meaning = self._account_for(team, order, slots, error)
                if meaning is error:
                    raise
                raise meaning from error
            with self._changed:
                self._dispatch.finished(order, slots)
            return clip

    def stop(self) -> None:
        """See Farm.stop. Returns when the device processes are gone."""
        with self._changed:
            self._stopped = self._closing = True
            processes = [slot.process for slot in self._slots if slot.process is not None]
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
            self._changed.wait_for(lambda: not any(slot.busy or slot.writing for slot in self._slots))
        processes = [slot.process for slot in self._slots if slot.process is not None]
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
    def _team(self, order: RenderOrder, slots: Sequence[HeldDevice]) -> Iterator[RunningAttempt]:
        """One attempt on these devices, which are free when each has done its part."""
        turns = [DeviceHold(slot) for slot in slots]
        try:
            log = new_log(self._store_root, order)
            later = tuple(each for each in order.later if slots[0].device.name not in each.barred)
            order = replace(order, later=later, tighter=self._tighter[_memory(order, slots[0])])
            team = RunningAttempt(self._ground, order, turns, log)
        except BaseException:
            with self._changed:
                for turn in turns:
                    turn.end()
                if self._stopped:
                    self._release()
                self._changed.notify_all()
            raise
        _log.info("%s take %d on %s, log %s", order.shot, order.number, _names(slots), log)
        try:
            yield team
        finally:
            team.settle()

    def _heard(self, order: RenderOrder, listen: Listen) -> Listen:
        def heard(progress: Progress) -> None:
            if progress.phase is Phase.WRITING:
                with self._changed:
                    self._dispatch.outlook.rendered(order)
            listen(progress)

        return heard

    def _warm(self, turn: DeviceHold, order: RenderOrder, log: Path) -> DeviceProcess:
        """The device's process, a new one where there is none or it died while idle; known to `stop` at once."""
        slot = turn.slot
        with self._changed:
            self._refuse_if_closing("the farm", stopping_only=True)
            if slot.process is None or not slot.process.alive:
                if slot.process is not None:
                    slot.process.kill()
                start = Start(self._settings.work, slot.device, self._store_root)
                slot.process = DeviceProcess(start, slot.lock.files, log)
            turn.process, slot.model = slot.process, model_of(order)
            return slot.process

    def _clear(self, turn: DeviceHold) -> None:
        """After a failure the process goes, unless it may be used again."""
        slot, process = turn.slot, turn.process
        if process is None or process.alive:
            return
        process.kill()
        if not self._stopped:  # its successor needs the device's memory
            process.wait()
        with self._changed:
            if slot.process is process:
                slot.process = slot.model = None

    def _account_for(
        self, team: RunningAttempt, order: RenderOrder, slots: Sequence[HeldDevice], error: BaseException
    ) -> BaseException:
        """Note whose fault a failure was; the error to raise for it."""
        with self._changed:
            if self._stopped:
                return _stopped(order.shot) if isinstance(error, WanRenderError) else error
            failed, cause = team.cause, team.cause.error or error
            if isinstance(cause, OutOfMemoryError):
                if len(slots) > 1:  # which takes memory for exchanges: alone it may fit as it is
                    self._dispatch.failed_by_group(order, is_of_devices=True)
                    return _of_group(cause)
                memory = _memory(order, failed.turn.slot)
                self._tighter[memory] = max(self._tighter[memory], failed.order.tighter + 1)
            elif _is_of_device(cause) and failed.turn.renders:
                self._dispatch.blame(order, failed.turn.slot)
            if len(slots) > 1:
                self._dispatch.failed_by_group(order, is_of_devices=isinstance(cause, DeviceError))
                return _of_group(cause)
            return cause

    # Which devices

    @contextmanager
    def _devices_for(self, order: RenderOrder) -> Iterator[tuple[HeldDevice, ...]]:
        """The devices that render it, taken."""
        self._refuse_if_none_is_able(order)
        slots = self._wait_for_devices(Request(order), order.shot)
        try:
            yield slots
        finally:
            with self._changed:
                self._dispatch.outlook.ends(order)

    def _wait_for_devices(self, request: Request, shot: str) -> tuple[HeldDevice, ...]:
        with self._changed:
            self._dispatch.enter(request)
            try:
                while not (slots := self._dispatch.assigned(request)):
                    self._refuse_if_closing(shot)
                    self._tell_waiting(request.order)
                    self._changed.wait(_POLL_SECONDS)
                self._refuse_if_closing(shot)
                self._dispatch.take(request, slots)
                return slots
            finally:
                self._dispatch.leave(request)
                self._changed.notify_all()

    def _refuse_if_none_is_able(self, order: RenderOrder) -> None:
        if not order.able(self.devices):
            names = ", ".join(device.name for device in self.devices)
            raise MachineError(Problem(order.shot, f"can be rendered on none of {names}"))

    def _tell_waiting(self, order: RenderOrder) -> None:
        """Say once which devices other runs hold, and who they are; devices of one run in one sentence."""
        held: dict[str, list[str]] = {}
        for slot in self._dispatch.able(order):
            if not (slot.busy or slot.told or slot.lock.obtainable()):
                slot.told = True
                held.setdefault(slot.lock.holder(), []).append(slot.device.name)
        for who, names in held.items():
            _log.warning("waiting for %s: %s", ", ".join(names), who)

    def _describe_use(self, orders: Sequence[RenderOrder]) -> None:
        """Tell who waits for our devices what they are held for."""
        if orders:
            seconds = self._dispatch.outlook.remaining(len(self._slots))
            for slot in self._slots:
                slot.lock.describe(orders[0].film, seconds)

    def _refuse_if_closing(self, shot: str, *, stopping_only: bool = False) -> None:
        if self._stopped or (self._closing and not stopping_only):
            raise _stopped(shot)

    def _release(self) -> None:
        with self._changed:
            for slot in self._slots:
                if not (slot.busy or slot.writing):
                    slot.lock.release()


def _names(slots: Sequence[HeldDevice]) -> str:
    return TOGETHER.join(slot.device.name for slot in slots)


def _memory(order: RenderOrder, slot: HeldDevice) -> tuple[Model, int]:
    """What an order found out about memory holds for this model on every device with as much of it."""
    return model_of(order), slot.device.memory_bytes


def _is_of_device(cause: BaseException) -> bool:
    """Whether it may be the fault of the device that it was raised on."""
    return isinstance(cause, WanRenderError) and cause.worth_retrying and not isinstance(cause, LostPeerError)


def _of_group(cause: BaseException) -> BaseException:
    """What would end alike is worth another attempt where a group failed, since one device makes it; but for what is
    wrong with the input, the weights or the disk."""
    if type(cause) in (RenderError, MachineError) and isinstance(cause, WanRenderError):
        return DeviceError(*cause.problems)
    return cause


def _stopped(shot: str) -> Stopped:
    return Stopped(Problem(shot, "was stopped"))
