"""The programs that a farm is made of: the server and the worker, each with its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

TAIL_LINES = 15


class Service:
    """`python -m <arguments>` in a session of its own: Ctrl-C reaches the farm alone, which stops it in order.

    `kept`: open files of the farm that it inherits; the farm's lock is free when its last program has gone.
    """

    def __init__(
        self, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str], kept: Sequence[int]
    ) -> None:
        self.name, self.log = name, log
        self._arguments, self._environment, self._kept = arguments, environment, kept
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, anew where it has died."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.log, "ab", opener=_private) as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=over(self._environment, os.environ),
                pass_fds=self._kept,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """Its process, or None before it was started."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, seconds: float) -> None:
        """Ask it to end; kill what is left of it afterwards."""
        if self._process is None:
            return
        if self.alive:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def over(ours: Mapping[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """An environment in which ours win however the others spell the name: Prefect reads small letters, too."""
    return {name: value for name, value in others.items() if name.upper() not in ours} | dict(ours)


def _private(path: str, flags: int) -> int:
    """Opened for its owner alone; what the program itself makes has the user's own umask."""
    return os.open(path, flags, 0o600)
