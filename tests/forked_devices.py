"""Device processes without the half second that their imports take, or the ten of torch's: they are forked from a
process that has imported what they use, and has done nothing else.

`python -m tests.forked_devices SOCKET MODULE…` is that process. For each request on the socket it forks a keeper, whose
child becomes the device process; the keeper says its id, and then how it ended. Tests marked `spawned`, and farms in
processes of their own, start device processes as they are started at night.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from select import select
from typing import Any, BinaryIO

from wan_render.farm.process import child, process_link
from wan_render.render_values import Device

COMM = "forked device"
"""The name of such a process, by which tests find it: its command is that of the one that it was forked from."""

ALWAYS = ("av", "cv2", "tests.farm.duties", "wan_render.backends.animatic", "wan_render.plates.decode")
TORCH = (*ALWAYS, "torch", "tests.backends.wan.members", "wan_render.backends.wan.renderer")
MOST_BYTES = 1 << 20
"""Of a request. It has the whole environment."""

NUMBER = struct.Struct("=i")


@dataclass
class ForkedDevice:
    """What a farm uses of `subprocess.Popen`.

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
            raise subprocess.TimeoutExpired(COMM, timeout)
        return code

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


class ForkServer:
    """The process that device processes are forked from. It ends when this one does."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.forked_devices", str(theirs.fileno()), *modules]
            folder = Path(__file__).parents[1]
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is not for it
            )

    def fork(self, device: Device, channel: int, locks: tuple[int, ...], log: Path) -> ForkedDevice:
        """A device process, as `process_link` starts it."""
        its_end, stdin = os.pipe()
        reports, to_report = os.pipe()
        request = {"folder": str(Path.cwd()), "environment": process_link._environment(device)}
        with log.open("ab") as output:
            files = (its_end, output.fileno(), to_report, channel, *locks)
            socket.send_fds(self._requests, [json.dumps(request).encode("utf-8", "surrogateescape")], files)
        os.close(its_end)
        os.close(to_report)
        return ForkedDevice(_number(reports), os.fdopen(stdin, "wb", 0), reports)

    def close(self) -> None:
        self._requests.close()
        self._process.wait()


def fork_device(modules: tuple[str, ...], device: Device, channel: int, *rest: Any) -> ForkedDevice:
    """Instead of `process_link._spawn`."""
    return _fork_server(modules, os.getpid()).fork(device, channel, *rest)


@cache
def _fork_server(modules: tuple[str, ...], _process: int) -> ForkServer:
    """That of this process, from its first use to its end."""
    server = ForkServer(modules)
    atexit.register(server.close)
    return server


def _number(reports: int) -> int:
    """The next that a keeper writes."""
    said = os.read(reports, NUMBER.size)
    assert len(said) == NUMBER.size, "the keeper of a forked device process was killed"
    return int(NUMBER.unpack(said)[0])


def main() -> None:
    requests = socket.socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2:]:
        importlib.import_module(name)
    gc.freeze()
    while True:
        _reap()
        request, files, _, _ = socket.recv_fds(requests, MOST_BYTES, 64)
        if not request:
            _reap()
            return
        if os.fork() == 0:
            requests.close()
            _keep(json.loads(request.decode("utf-8", "surrogateescape")), *files)
        for file in files:
            os.close(file)


def _reap() -> None:
    """Forget keepers that have ended; their CPU time becomes this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(request: Mapping[str, Any], stdin: int, log: int, reports: int, *inherited: int) -> None:
    """Fork the device process, and say how it ended."""
    forked = os.fork()
    if forked == 0:
        os.close(reports)
        _become(request, stdin, log, inherited)
        child.main()
        sys.exit()
    for file in (stdin, log, *inherited):
        os.close(file)
    with suppress(OSError):  # nobody listens any more
        os.write(reports, NUMBER.pack(forked))
        os.write(reports, NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(forked, 0)[1])))
    os._exit(0)


def _become(request: Mapping[str, Any], stdin: int, log: int, inherited: tuple[int, ...]) -> None:
    """Make this process what Python would be, had the farm started it."""
    os.setsid()
    Path("/proc/self/comm").write_text(COMM, encoding="ascii")
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = [each for each in os.environ["PYTHONPATH"].split(os.pathsep) if each not in sys.path]
    sys.argv = [child.__file__, *map(str, inherited)]
    for file, number in ((stdin, 0), (log, 1), (log, 2)):
        os.dup2(file, number)
    os.close(stdin)
    os.close(log)


if __name__ == "__main__":
    main()
