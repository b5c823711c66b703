"""The farm of one machine: a warm process for each device, started when it is first needed."""

from __future__ import annotations

import logging
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from wan_render.errors import OutOfMemoryError, Problem, Stopped, WanRenderError
from wan_render.farm.channel import Job, Start
from wan_render.farm.lock import DeviceLock
from wan_render.farm.logs import new_log
from wan_render.farm.process import DeviceProcess
from wan_render.farm.quarantine import Quarantine
from wan_render.farm.settings import FarmSettings
from wan_render.production import RenderOrder
from wan_render.render import Device, Listen, Phase, Progress
from wan_render.store import Clip

_POLL_SECONDS = 0.2
"""How often a device that another run holds is asked for."""

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Slot:
    """One device: who works on it, and with which model its process is warm.

    busy: an attempt renders on it. writing: attempts that its process writes; they do not keep it from the next.
    """

    device: Device
    lock: DeviceLock
    process: DeviceProcess | None = None
    model: tuple[str, str] | None = None
    busy: bool = False
    writing: int = 0
    told: bool = False

    def suits(self, model: tuple[str, str]) -> int:
        """Larger where less has to be loaded, or thrown away."""
        return 2 if self.model == model else 1 if self.model is None else 0


@dataclass(eq=False)
class _Turn:
    """An attempt's hold on a device: while it renders, alone; while it is written, beside the next."""

    slot: _Slot
    process: DeviceProcess | None = None
    renders: bool = True
    tighter: int = 0

    def leave(self) -> None:
        """What is left needs no device."""
        if self.renders:
            self.renders, self.slot.busy = False, False
            self.slot.writing += 1

    def end(self) -> None:
        """Over."""
        self.leave()
        self.slot.writing -= 1


@dataclass(frozen=True, eq=False)
class _Request:
    """A render that waits for a device."""

    key: str
    model: tuple[str, str]


class LocalFarm:
    """A Farm of this machine's devices. A context: leaves by `close`, or by `stop` when an error leaves it.

    A device is locked against other runs from its first order until the farm ends. A process that failed is
    replaced, never used again.
    """

    def __init__(self, devices: Sequence[Device], store_root: Path, settings: FarmSettings | None = None) -> None:
        if not devices or len({device.name for device in devices}) < len(devices):
            raise ValueError(f"expected one device or several different ones, got {devices}")
        self._settings = settings or FarmSettings()
        self._store_root = store_root.absolute()
        self._slots = [_Slot(device, DeviceLock(self._settings.locks, device)) for device in devices]
        self._quarantine = Quarantine(tuple(device.name for device in devices), self._settings.quarantine)
        self._failed: defaultdict[str, set[str]] = defaultdict(set)
        self._tighter: Counter[tuple[tuple[str, str], int]] = Counter()
        self._requests: list[_Request] = []
        self._stopped = self._closing = False
        self._changed = threading.Condition()

    @property
    def devices(self) -> tuple[Device, ...]:
        """What it renders on."""
        return tuple(slot.device for slot in self._slots)

    def render(self, order: RenderOrder, listen: Listen) -> Clip:
        """See Farm.render. Raises DiskError where its log cannot be written."""
        with self._device_for(order) as turn:
            try:
                clip = self._attempt(turn, order, listen)
            except BaseException as error:
                self._account_for(turn, order, error)
                if self._stopped and isinstance(error, WanRenderError):
                    raise _stopped(order.shot) from error
                raise
            with self._changed:
                self._quarantine.finished(turn.slot.device.name)
                self._failed.pop(order.take.key, None)
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

    def _attempt(self, turn: _Turn, order: RenderOrder, listen: Listen) -> Clip:
        slot, log = turn.slot, new_log(self._store_root, order)
        _log.info("%s take %d on %s, log %s", order.shot, order.number, slot.device.name, log)
        process = turn.process = self._warm(slot, log)
        slot.model = _model(order)
        turn.tighter = self._tighter[_memory(order, slot)]
        order = replace(order, tighter=turn.tighter)

        def heard(progress: Progress) -> None:
            if progress.phase is Phase.WRITING:
                with self._changed:
                    turn.leave()
                    self._changed.notify_all()
            listen(progress)

        clip: Clip = process.attempt(Job(order, f"shot {order.shot}", log), heard, self._settings.stall)
        return clip

    def _warm(self, slot: _Slot, log: Path) -> DeviceProcess:
        """The device's process, a new one where there is none or it died while idle; known to `stop` at once."""
        with self._changed:
            self._refuse_if_closing("the farm", stopping_only=True)
            if slot.process is None or not slot.process.alive:
                if slot.process is not None:
                    slot.process.kill()
                start = Start(self._settings.work, slot.device, self._store_root)
                slot.process, slot.model = DeviceProcess(start, slot.lock.file, log), None
            return slot.process

    def _account_for(self, turn: _Turn, order: RenderOrder, error: BaseException) -> None:
        """After a failure: the process goes, unless it may be used again; and whose fault it was is noted."""
        slot, process = turn.slot, turn.process
        if process is not None and not process.alive:
            process.kill()
            if not self._stopped:  # its successor needs the device's memory
                process.wait()
        with self._changed:
            if slot.process is process and process is not None and not process.alive:
                slot.process = slot.model = None
            if self._stopped:
                return
            if isinstance(error, OutOfMemoryError):
                memory = _memory(order, slot)
                self._tighter[memory] = max(self._tighter[memory], turn.tighter + 1)
            elif isinstance(error, WanRenderError) and error.worth_retrying and turn.renders:
                self._blame(slot, order)

    def _blame(self, slot: _Slot, order: RenderOrder) -> None:
        self._failed[order.take.key].add(slot.device.name)
        if self._quarantine.failed(slot.device.name, order.take.key):
            slot.lock.release()
            _log.warning("%s gets no more shots: several different ones failed on it", slot.device.name)

    # Which device

    @contextmanager
    def _device_for(self, order: RenderOrder) -> Iterator[_Turn]:
        turn = _Turn(self._wait_for_device(_Request(order.take.key, _model(order)), order.shot))
        try:
            yield turn
        finally:
            with self._changed:
                turn.end()
                if self._stopped and not turn.slot.busy:
                    turn.slot.lock.release()
                self._changed.notify_all()

    def _wait_for_device(self, request: _Request, shot: str) -> _Slot:
        with self._changed:
            self._requests.append(request)
            try:
                while (slot := self._assigned(request)) is None:
                    self._refuse_if_closing(shot)
                    self._tell_waiting()
                    self._changed.wait(_POLL_SECONDS)
                self._refuse_if_closing(shot)
                slot.busy = True
                return slot
            finally:
                self._requests.remove(request)
                self._changed.notify_all()

    def _assigned(self, request: _Request) -> _Slot | None:
        """The device for this request, after those who came earlier have had their choice."""
        taken: set[_Slot] = set()
        for earlier in self._requests:
            slot = self._choice(earlier, taken)
            if earlier is request:
                return slot
            if slot is not None:
                taken.add(slot)
        return None

    def _choice(self, request: _Request, taken: set[_Slot]) -> _Slot | None:
        """An idle device on which this take has not failed; another one only where there is none to wait for."""
        allowed = [slot for slot in self._slots if self._quarantine.allows(slot.device.name)]
        untried = [slot for slot in allowed if slot.device.name not in self._failed[request.key]]
        if slot := _idle(untried, request, taken):
            return slot
        if any(slot.busy or slot in taken for slot in untried):
            return None
        return _idle(allowed, request, taken)

    def _tell_waiting(self) -> None:
        """Say once which devices other runs hold."""
        for slot in self._slots:
            if not (slot.busy or slot.told or slot.lock.held) and self._quarantine.allows(slot.device.name):
                slot.told = True
                _log.warning("waiting for %s, which %s uses", slot.device.name, slot.lock.holder())

    def _refuse_if_closing(self, shot: str, *, stopping_only: bool = False) -> None:
        if self._stopped or (self._closing and not stopping_only):
            raise _stopped(shot)

    def _release(self) -> None:
        with self._changed:
            for slot in self._slots:
                if not (slot.busy or slot.writing):
                    slot.lock.release()


def _idle(slots: Sequence[_Slot], request: _Request, taken: set[_Slot]) -> _Slot | None:
    """The idle one that suits best, of those that no other run holds; locked."""
    idle = [slot for slot in slots if not slot.busy and slot not in taken]
    best_first = sorted(idle, key=lambda slot: slot.suits(request.model), reverse=True)
    return next((slot for slot in best_first if slot.lock.take()), None)


def _model(order: RenderOrder) -> tuple[str, str]:
    return order.backend.id, order.card.identity


def _memory(order: RenderOrder, slot: _Slot) -> tuple[tuple[str, str], int]:
    """What an order found out about memory holds for this model on every device with as much of it."""
    return _model(order), slot.device.memory_bytes


def _stopped(shot: str) -> Stopped:
    return Stopped(Problem(shot, "was stopped"))
