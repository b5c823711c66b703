"""The connection to a device process: here it is a child of this process; a farm of other machines brings its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

from wan_render.errors import DeviceError, Problem
from wan_render.farm.process.channel import Channel, Start
from wan_render.host_memory import own_bytes
from wan_render.render_values import Device

EXIT_SECONDS = 10.0
"""How long a process that was asked to exit, or was killed, may take."""


class ProcessLink(Protocol):
    """A device process, on whatever machine it runs. Any thread may call each method, but only one may `receive`."""

    @property
    def pid(self) -> int:
        """Its id, on its machine."""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended, as far as is known without waiting."""

    @property
    def is_out_of_reach(self) -> bool:
        """Whether its machine is lost, so that neither it nor its device is at fault."""

    def send(self, message: object) -> None:
        """Raises OSError if the process is gone."""

    def receive(self) -> Any:
        """The next message. Raises ClosedError if none will come, and whatever unpickling raises."""

    def kill(self) -> None:
        """Kill it and everything that it started. Does not wait."""

    def dismiss(self) -> None:
        """Ask it to exit. Does not wait."""

    def wait(self) -> None:
        """Wait until it has ended, for at most EXIT_SECONDS."""

    def death(self) -> str:
        """How it ended, in words. For a process that was not killed by us."""

    def used_bytes(self) -> int | None:
        """Host memory of its own, in bytes. None if nobody knows."""


class LocalProcess:
    """A ProcessLink to a child of this process: `python -m wan_render.farm.process.child` in a session of its own, with
    its GPU pinned in the environment.

    Its stdin is a lifeline. When our end closes, because we close it or die, a watcher in its session kills the whole
    session, including ffmpeg, whatever Python is doing there.
    """

    def __init__(self, start: Start, locks: tuple[int, ...], log: Path) -> None:
        """locks: open files that the child inherits. log: what it prints until its first order. Raises DeviceError."""
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as on_failure:
            on_failure.enter_context(ours)
            self._process = _spawn(start.device, theirs.fileno(), locks, log)
            on_failure.pop_all()
        self.channel = Channel(ours)
        with suppress(OSError):  # it is dead: `receive` says so
            self.channel.send(start)

    @property
    def pid(self) -> int:
        """Its id, also of its session and of its process group."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """See ProcessLink."""
        return self._process.poll() is None

    @property
    def is_out_of_reach(self) -> bool:
        """See ProcessLink. It is on this machine."""
        return False

    def send(self, message: object) -> None:
        """See ProcessLink."""
        self.channel.send(message)

    def receive(self) -> Any:
        """See ProcessLink."""
        return self.channel.receive()

    def kill(self) -> None:
        """See ProcessLink."""
        self._process.kill()
        self.channel.close()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def dismiss(self) -> None:
        """See ProcessLink."""
        self.channel.close()

    def wait(self) -> None:
        """See ProcessLink. One that is stuck in its driver is left, with its lock."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_SECONDS)

    def death(self) -> str:
        """See ProcessLink."""
        try:
            code = self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        if code >= 0:
            return f"ended by itself with code {code}"
        if -code == signal.SIGKILL:
            return "was killed (signal 9); the kernel's log says whether memory ran out"
        return f"was killed (signal {-code}: {signal.strsignal(-code)})"

    def used_bytes(self) -> int | None:
        """See ProcessLink."""
        return own_bytes(self.pid)


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
