"""The farm's side of a device process: give it orders, watch it, kill it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from wan_render.errors import DeviceError, Problem
from wan_render.farm.farm_settings import Stall
from wan_render.farm.process.channel import ClosedError, Done, Failed, Logged, OrderMessage, ProgressMessage, Ready
from wan_render.farm.process.inbox import Inbox, Message
from wan_render.farm.process.phase_watch import PhaseWatch
from wan_render.farm.process.process_link import ProcessLink
from wan_render.farm.process.process_memory import GROWTH_BYTES, MemoryGrowth
from wan_render.printable import logger
from wan_render.render_values import Device, Listen


class LostProcessError(DeviceError):
    """The process died or stalled. The farm noticed; the process reported no error."""


@dataclass(frozen=True)
class _Gone:
    """In the inbox: the process has ended, or is being killed. by_us: the farm killed it while it ran."""

    by_us: bool


class DeviceProcess:
    """One process. It renders one attempt at a time. The next may begin while the last one is written.

    `kill` is thread-safe. If the process is not `alive` after a failure, it must be killed, not reused.
    """

    def __init__(self, device: Device, link: ProcessLink, log: Path, growth_bytes: int = GROWTH_BYTES) -> None:
        """link: to a process that has just been started for the device. growth_bytes: see FarmSettings."""
        self._device, self._link = device, link
        self._log = log
        self._ready = self._killed = self._spent = False
        self._over: Message | None = None
        self._inboxes: dict[int, Inbox] = {}
        self._numbers = count(1)
        self._routing = threading.Lock()
        self.growth = MemoryGrowth(link.used_bytes, growth_bytes)
        threading.Thread(target=self._read, name=f"reads {device.name}", daemon=True).start()

    @property
    def pid(self) -> int:
        """The id of the process on its machine."""
        return self._link.pid

    @property
    def alive(self) -> bool:
        """Whether it can take an order."""
        return not self._killed and not self._spent and self._link.is_running

    def attempt(self, message: OrderMessage, listen: Listen, stall: Stall, expected: float = 0.0) -> Any:
        """The result of one attempt. `listen` is called in this thread. expected: seconds that the take is expected to
        take; 0 if unknown.

        Raises the attempt's error, or LostProcessError if the process died or stalled.
        """
        with self._inbox_of(message) as inbox:
            try:
                end = self._end(inbox, listen, PhaseWatch(stall, expected, is_ready=self._ready))
            except BaseException:  # it died, it stalled, or `listen` raised
                self._spent = True
                raise
        if isinstance(end, Failed):
            self._spent = self._spent or not end.usable
            raise end.error
        return end.result

    def _end(self, inbox: Inbox, listen: Listen, watch: PhaseWatch) -> Done | Failed:
        while True:
            match message := self._next(inbox, watch):
                case ProgressMessage():
                    watch.hear(message.progress)
                    listen(message.progress)
                case Ready():
                    watch.ready()
                case Logged():
                    logger(message.logger).log(message.level, message.text)
                case Done() | Failed():
                    return message
                case _Gone(by_us):
                    raise self._failure("was stopped" if by_us else self._link.death())

    @contextmanager
    def _inbox_of(self, message: OrderMessage) -> Iterator[Inbox]:
        """Send the order; the process's messages about it arrive in the inbox."""
        number, inbox = next(self._numbers), Inbox()
        with self._routing:
            self._log = message.log
            self._inboxes[number] = inbox
            if self._over is not None:
                inbox.put(self._over)
        self._send(replace(message, number=number))
        try:
            yield inbox
        finally:
            with self._routing:
                del self._inboxes[number]

    @property
    def is_out_of_reach(self) -> bool:
        """Whether it was lost with its machine."""
        return self._link.is_out_of_reach

    def used_bytes(self) -> int | None:
        """Host memory of its own, in bytes. None if nobody knows."""
        return self._link.used_bytes()

    def kill(self) -> None:
        """Kill the process and everything that it started. An attempt in flight raises at once. Does not wait.

        A process that had ended before is reported as it ended, however late its attempts look.
        """
        self._killed = True
        self._deliver(_Gone(by_us=self._link.is_running))
        self._link.kill()

    def dismiss(self) -> None:
        """Ask the process to exit; `close` waits for that."""
        self._link.dismiss()

    def close(self) -> None:
        """Let the process exit by itself; kill it if it does not. Then the device is free."""
        self._link.dismiss()
        self._link.wait()
        self.kill()
        self._link.wait()

    def wait(self) -> None:
        """Wait until a killed process has freed the device, for a limited time."""
        self._link.wait()

    def _send(self, message: OrderMessage) -> None:
        with suppress(OSError):  # it is dead: the reader says so
            self._link.send(message)

    def _read(self) -> None:
        """Keep the connection empty, so that the device never waits for a listener."""
        while True:
            try:
                self._deliver(self._link.receive())
            except ClosedError:
                self._deliver(_Gone(by_us=False))
                return
            except Exception as error:  # noqa: BLE001 - the seam to another process: whatever unpickling raised
                self._deliver(Failed(0, self._failure(f"sent an unreadable message: {error!r}")))

    def _deliver(self, message: Message) -> None:
        """Deliver a message to its attempt; a log record to the newest one; a message about the process to all. Of the
        messages that end the process, all get the first one."""
        with self._routing:
            match message:
                case ProgressMessage(number=number) | Done(number=number) | Failed(number=number) if number:
                    inboxes = [self._inboxes[number]] if number in self._inboxes else []
                case Logged():
                    inboxes = list(self._inboxes.values())[-1:]
                case Ready():
                    self._ready = True
                    inboxes = list(self._inboxes.values())
                case _:
                    self._over = message = self._over or message
                    inboxes = list(self._inboxes.values())
        for inbox in inboxes:
            inbox.put(message)

    def _next(self, inbox: Inbox, watch: PhaseWatch) -> Message:
        while (seconds := watch.wait_seconds) > 0:
            if (message := inbox.get(seconds)) is not None:
                return message
        raise self._failure(watch.overrun())

    def _failure(self, found: str) -> LostProcessError:
        return LostProcessError(Problem(f"the process on {self._device.name}", found, remedy=f"its log: {self._log}"))
