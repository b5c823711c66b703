"""Processes without the seconds that their imports take: they are forked from a process that has imported what they
use, and has done nothing else.

That process calls `serve`. For each request on its socket it forks a keeper, whose child becomes what was asked for;
the keeper says its id, and then how it ended.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any, BinaryIO

PROJECT = Path(__file__).parents[1]

MOST_BYTES = 1 << 20
"""Of a request. It has the whole environment."""

MOST_FILES = 64
"""Of a request."""

NUMBER = struct.Struct("=i")

Become = Callable[[Mapping[str, Any], Sequence[int]], None]
"""Makes a forked process what Python would be, had it been started for the request, and runs it. It gets the request
and its open files."""


@dataclass
class ForkedProcess:
    """What is used of `subprocess.Popen`.

    reports: the end of a pipe to which its keeper writes how it ended.
    """

    pid: int
    stdin: BinaryIO
    reports: int
    _code: int | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        weakref.finalize(self, os.close, self.reports)

    def poll(self) -> int | None:
        """How it ended; None while it runs."""
        with self._lock:
            if self._code is None and select([self.reports], [], [], 0)[0]:
                self._code = _number(self.reports)
            return self._code

    def wait(self, timeout: float) -> int:
        """How it ended. Raises subprocess.TimeoutExpired."""
        select([self.reports], [], [], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("a forked process", timeout)
        return code

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class ForkServer:
    """The process that others are forked from: `python -m <module> SOCKET <arguments>`. It ends when this one does.

    own_session: whether Ctrl-C and signals to the group of this process are not for it.
    """

    def __init__(self, module: str, arguments: Sequence[str] = (), *, own_session: bool) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(theirs.fileno()), *arguments],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=own_session,
            )

    def fork(self, request: Mapping[str, Any], *files: int) -> ForkedProcess:
        """A process that becomes what the request says. files: open ones for it, after its standard input."""
        its_end, stdin = os.pipe()
        reports, to_report = os.pipe()
        said = json.dumps(request).encode("utf-8", "surrogateescape")
        socket.send_fds(self._requests, [said], (to_report, its_end, *files))
        os.close(its_end)
        os.close(to_report)
        return ForkedProcess(_number(reports), os.fdopen(stdin, "wb", 0), reports)

    def close(self) -> None:
        """End it; what was forked goes on."""
        self._requests.close()
        self._process.wait()


def serve(requests: socket.socket, become: Become) -> None:
    """Fork for each request until nobody can send more."""
    gc.freeze()
    while True:
        _reap()
        request, files, _, _ = socket.recv_fds(requests, MOST_BYTES, MOST_FILES)
        if not request:
            _reap()
            return
        if os.fork() == 0:
            requests.close()
            _keep(json.loads(request.decode("utf-8", "surrogateescape")), become, *files)
        for file in files:
            os.close(file)


def _reap() -> None:
    """Forget keepers that have ended; their CPU time becomes this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(request: Mapping[str, Any], become: Become, reports: int, *files: int) -> None:
    """Fork the process, and say how it ended."""
    forked = os.fork()
    if forked == 0:
        os.close(reports)
        become(request, files)
        sys.exit()
    for file in files:
        os.close(file)
    with suppress(OSError):  # nobody listens any more
        os.write(reports, NUMBER.pack(forked))
        os.write(reports, NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])))
    os._exit(0)


def _number(reports: int) -> int:
    """The next that a keeper writes."""
    said = os.read(reports, NUMBER.size)
    assert len(said) == NUMBER.size, "the keeper of a forked process was killed"
    return int(NUMBER.unpack(said)[0])


def take_over(request: Mapping[str, Any], name: str, standard_files: Sequence[int]) -> None:
    """The working folder, environment, module search path and standard files that a request names, and a name for this
    process. standard_files: for input, output and errors; they are closed."""
    Path("/proc/self/comm").write_text(name, encoding="ascii")
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [each for each in paths if each and each not in sys.path]
    for number, file in enumerate(standard_files):
        os.dup2(file, number)
    for file in set(standard_files):
        os.close(file)
