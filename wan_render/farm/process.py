"""A device process, seen from the farm: started, given orders, watched, killed.

It is a plain `python -m wan_render.farm.child` in a session of its own, with its GPU pinned in the environment. Its
stdin is its lifeline: when our end closes, whether we close it or die, a watcher in its session kills that whole
session, ffmpeg included, whatever Python is doing there.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from wan_render.errors import DeviceError, Problem
from wan_render.farm.channel import Channel, ClosedError, Done, Failed, Job, Logged, Ready, Start
from wan_render.farm.inbox import Inbox, Message
from wan_render.farm.settings import Stall
from wan_render.render import Device, Listen, Progress

_GRACE_SECONDS = 1.0
"""After a stall: a farm that was itself asleep (Ctrl-Z) has events to read first."""

_EXIT_SECONDS = 10.0


class _Gone:
    """In the inbox: the process closed its end."""


class DeviceProcess:
    """One process. Attempts one at a time; `kill` from any thread. After a failure it must be killed, never reused."""

    def __init__(self, start: Start, lock: int, log: Path) -> None:
        self._device = start.device
        self._log = log
        self._ready = self._killed = False
        self._inbox = Inbox()
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as on_failure:
            on_failure.enter_context(ours)
            self._process = _spawn(start.device, theirs.fileno(), lock, log)
            on_failure.pop_all()
        self._channel = Channel(ours)
        threading.Thread(target=self._read, name=f"reads {start.device.name}", daemon=True).start()
        self._send(start)

    @property
    def pid(self) -> int:
        """The process's id, also that of its session and group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can take an order."""
        return not self._killed and self._process.poll() is None

    def attempt(self, job: Job, listen: Listen, stall: Stall) -> Any:
        """The job's result. `listen` is called in this thread.

        Raises what the job raised; DeviceError where the process died or stalled.
        """
        self._log = job.log
        self._send(job)
        doing, limit = ("beginning", stall.beginning) if self._ready else ("starting", stall.starting)
        while not isinstance(message := self._next(doing, limit), Done):
            match message:
                case Progress():
                    doing, limit = message.phase.value, stall.of(message.phase)
                    listen(message)
                case Ready():
                    self._ready = True
                    doing, limit = "beginning", stall.beginning
                case Logged():
                    logging.getLogger(message.logger).log(message.level, "%s", message.text)
                case Failed():
                    raise message.error
                case _Gone():
                    raise self._death()
        return message.result

    def kill(self) -> None:
        """Now, with all that it started. An attempt in flight raises at once; does not wait for the death itself."""
        self._killed = True
        self._process.kill()
        self._cut()

    def dismiss(self) -> None:
        """Tell it to leave; `close` waits for that."""
        self._channel.close()

    def close(self) -> None:
        """Let it leave by itself; kill it if it does not."""
        self.dismiss()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)
        self.kill()

    def wait(self) -> None:
        """Until a killed process has given the device back. One stuck in its driver is left behind, with its lock."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)

    def _cut(self) -> None:
        self._channel.close()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _send(self, message: Start | Job) -> None:
        with suppress(OSError):  # it is dead: the reader says so
            self._channel.send(message)

    def _read(self) -> None:
        """Empty the socket always, so that the device never waits for whoever listens."""
        while True:
            try:
                self._inbox.put(self._channel.receive())
            except ClosedError:
                self._inbox.put(_Gone())
                return
            except Exception as error:  # noqa: BLE001 - the seam to another process: whatever unpickling raised
                self._inbox.put(Failed(self._failure(f"sent what cannot be read: {error!r}")))

    def _next(self, doing: str, limit: float) -> Message:
        message = self._inbox.get(limit) or self._inbox.get(_GRACE_SECONDS)
        if message is None:
            raise self._failure(f"showed no progress for {limit:g} s while {doing}")
        return message

    def _death(self) -> DeviceError:
        if self._killed:
            return self._failure("was stopped")
        try:
            code = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return self._failure("closed its connection")
        if code >= 0:
            return self._failure(f"ended by itself with code {code}")
        why = ", often for want of memory" if -code == signal.SIGKILL else ""
        return self._failure(f"was killed by signal {-code} ({signal.strsignal(-code)}){why}")

    def _failure(self, found: str) -> DeviceError:
        return DeviceError(Problem(f"the process on {self._device.name}", found, remedy=f"its log: {self._log}"))


def _spawn(device: Device, channel: int, lock: int, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "wan_render.farm.child", str(channel), str(lock)]
    try:
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(channel, lock),
                env=_environment(device),
                start_new_session=True,
            )
    except OSError as error:
        raise DeviceError(Problem(f"the process on {device.name}", f"cannot be started: {error}")) from error


def _environment(device: Device) -> dict[str, str]:
    """Ours, with the GPU pinned, and modules found where we find them."""
    modules = os.pathsep.join(folder for folder in sys.path if folder)
    return {**os.environ, "CUDA_VISIBLE_DEVICES": device.pin, "PYTHONPATH": modules, "PYTHONUNBUFFERED": "1"}
