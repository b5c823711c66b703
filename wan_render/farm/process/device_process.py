"""The farm's side of a device process: start it, give it orders, watch it, kill it.

It is a plain `python -m wan_render.farm.process.child` in a session of its own, with its GPU pinned in the environment.
Its stdin is a lifeline. When our end closes, because we close it or die, a watcher in its session kills the whole
session, including ffmpeg, whatever Python is doing there.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from wan_render.errors import DeviceError, Problem
from wan_render.farm.farm_settings import Stall
from wan_render.farm.process.channel import (
    Channel,
    ClosedError,
    Done,
    Failed,
    Logged,
    OrderMessage,
    ProgressMessage,
    Ready,
    Start,
)
from wan_render.farm.process.inbox import Inbox, Message
from wan_render.farm.process.phase_watch import PhaseWatch
from wan_render.farm.process.process_memory import GROWTH_BYTES, MemoryGrowth
from wan_render.printable import logger
from wan_render.render_values import Device, Listen

_EXIT_SECONDS = 10.0


class LostProcessError(DeviceError):
    """The process died or stalled. The farm noticed; the process reported no error."""


class _Gone:
    """In the inbox: the process closed its end."""


class DeviceProcess:
    """One process. It renders one attempt at a time. The next may begin while the last one is written.

    `kill` is thread-safe. If the process is not `alive` after a failure, it must be killed, not reused.
    """

    def __init__(self, start: Start, locks: tuple[int, ...], log: Path, growth_bytes: int = GROWTH_BYTES) -> None:
        """growth_bytes: see FarmSettings."""
        self._device = start.device
        self._log = log
        self._ready = self._killed = self._spent = False
        self._over: Message | None = None
        self._inboxes: dict[int, Inbox] = {}
        self._numbers = count(1)
        self._routing = threading.Lock()
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as on_failure:
            on_failure.enter_context(ours)
            self._process = _spawn(start.device, theirs.fileno(), locks, log)
            on_failure.pop_all()
        self.growth = MemoryGrowth(self.pid, growth_bytes)
        self._channel = Channel(ours)
        threading.Thread(target=self._read, name=f"reads {start.device.name}", daemon=True).start()
        self._send(start)

    @property
    def pid(self) -> int:
        """The id of the process, of its session and of its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can take an order."""
        return not self._killed and not self._spent and self._process.poll() is None

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
                case _Gone():
                    raise self._death()

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

    def kill(self) -> None:
        """Kill the process and everything that it started. An attempt in flight raises at once. Does not wait."""
        self._killed = True
        self._process.kill()
        self._cut()

    def dismiss(self) -> None:
        """Ask the process to exit; `close` waits for that."""
        self._channel.close()

    def close(self) -> None:
        """Let the process exit by itself; kill it if it does not."""
        self.dismiss()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)
        self.kill()

    def wait(self) -> None:
        """Wait until a killed process has freed the device. One that is stuck in its driver is left, with its lock."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)

    def _cut(self) -> None:
        self._channel.close()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _send(self, message: Start | OrderMessage) -> None:
        with suppress(OSError):  # it is dead: the reader says so
            self._channel.send(message)

    def _read(self) -> None:
        """Keep the socket empty, so that the device never waits for a listener."""
        while True:
            try:
                self._deliver(self._channel.receive())
            except ClosedError:
                self._deliver(_Gone())
                return
            except Exception as error:  # noqa: BLE001 - the seam to another process: whatever unpickling raised
                self._deliver(Failed(0, self._failure(f"sent an unreadable message: {error!r}")))

    def _deliver(self, message: Message) -> None:
        """Deliver a message to its attempt; a log record to the newest one; a message about the process to all."""
        with self._routing:
            match message:
                case ProgressMessage(number=number) | Done(number=number) | Failed(number=number) if number:
                    inboxes = [self._inboxes[number]] if number in self._inboxes else []
                case Logged():
                    inboxes = list(self._inboxes.values())[-1:]
                case _:
                    self._ready = self._ready or isinstance(message, Ready)
                    self._over = self._over or (None if isinstance(message, Ready) else message)
                    inboxes = list(self._inboxes.values())
        for inbox in inboxes:
            inbox.put(message)

    def _next(self, inbox: Inbox, watch: PhaseWatch) -> Message:
        while (seconds := watch.wait_seconds) > 0:
            if (message := inbox.get(seconds)) is not None:
                return message
        raise self._failure(watch.overrun())

    def _death(self) -> LostProcessError:
        if self._killed:
            return self._failure("was stopped")
        try:
            code = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return self._failure("closed its connection")
        if code >= 0:
            return self._failure(f"ended by itself with code {code}")
        if -code == signal.SIGKILL:
            return self._failure("was killed (signal 9); the kernel's log says whether memory ran out")
        return self._failure(f"was killed (signal {-code}: {signal.strsignal(-code)})")

    def _failure(self, found: str) -> LostProcessError:
        return LostProcessError(Problem(f"the process on {self._device.name}", found, remedy=f"its log: {self._log}"))


def _spawn(device: Device, channel: int, locks: tuple[int, ...], log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "wan_render.farm.process.child", str(channel), *map(str, locks)]
    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(channel, *locks),
                env=_environment(device),
                start_new_session=True,
            )
    except OSError as error:
        raise DeviceError(Problem(f"the process on {device.name}", f"cannot be started: {error}")) from error


def _environment(device: Device) -> dict[str, str]:
    """Our environment with the GPU pinned and our module search path."""
    modules = os.pathsep.join(folder for folder in sys.path if folder)
    return {**os.environ, "CUDA_VISIBLE_DEVICES": device.pin, "PYTHONPATH": modules, "PYTHONUNBUFFERED": "1"}
