"""The ffmpeg program: which one is used, how it runs, and how its failures are reported."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

from wan_render.errors import (
    DiskFullError,
    FfmpegError,
    FfmpegKilledError,
    FfmpegMissingError,
    MachineError,
    Problem,
)
from wan_render.media.ffmpeg_watch import REPORT, FfmpegWatch
from wan_render.media.oom_score import protect
from wan_render.printable import logger
from wan_render.settings import machine_settings

TAIL_LINES = 12
"""How many of ffmpeg's last lines go into an error."""

LONGEST_LINE = 1000
"""Bytes per line. A longer line counts as several."""

LAST_WORDS_SECONDS = 10.0
"""An ffmpeg that stopped reading gets this long to exit before it is killed."""

ATTEMPTS = 3
"""How often ffmpeg is tried in all if it is killed: memory may be short only for a moment."""

PAUSE_SECONDS = 1.0
"""Pause before the second attempt; twice as long before the third."""

_ENDED_BY_SIGNAL = 255
"""ffmpeg's exit code after SIGTERM or SIGINT (ffmpeg.c, received_nb_signals), and rarely otherwise."""

_SHORTAGES = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EINTR)
"""errno values of a system that cannot start a program at the moment."""

T = TypeVar("T")

LOG = logger("wan_render.media")

QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning")


def program() -> str:
    """Path of the ffmpeg in use: WAN_RENDER_FFMPEG, or else the one from imageio-ffmpeg.

    Raises FfmpegMissingError if there is none.
    """
    chosen = machine_settings().ffmpeg
    if chosen is not None:
        return _chosen(chosen)
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise FfmpegMissingError(
            Problem(
                "ffmpeg", "not found", "", "reinstall imageio-ffmpeg, or set WAN_RENDER_FFMPEG to an ffmpeg program"
            )
        ) from error


def _chosen(file: Path) -> str:
    found = shutil.which(file)
    if found is None:
        raise FfmpegMissingError(
            Problem("WAN_RENDER_FFMPEG", f"{file} is not a program", "a path to ffmpeg", "correct or unset it")
        )
    return str(Path(found).absolute())


def retry_if_killed(what: str, make: Callable[[], T]) -> T:
    """The result of `make`, which is retried if its ffmpeg is killed. `what`: what it makes, in words.

    Raises FfmpegKilledError after ATTEMPTS attempts. Other errors of `make` are raised at once.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return make()
        except FfmpegKilledError as error:
            LOG.warning("retrying %s: %s", what, error.problems[0])
            time.sleep(PAUSE_SECONDS * attempt)
    return make()


def unstarted(exe: str, error: OSError) -> FfmpegError:
    """The error of an ffmpeg that the system could not start."""
    if error.errno in _SHORTAGES:
        return FfmpegKilledError(Problem(exe, f"cannot be started at the moment: {error.strerror}"))
    return FfmpegMissingError(Problem(exe, f"does not run: {error.strerror}", "", "check WAN_RENDER_FFMPEG"))


def killed_words(number: int) -> str:
    """What a signal did to a process."""
    return (
        "was killed (signal 9)"
        if number == signal.SIGKILL
        else f"was killed (signal {number}: {signal.strsignal(number)})"
    )


def run(arguments: Sequence[str], folder: Path | None = None) -> None:
    """Run ffmpeg in `folder` and wait for it. Raises FfmpegError or DiskFullError with its last lines of output."""
    with Ffmpeg(arguments, folder) as process:
        process.finish()


class Ffmpeg:
    """A running ffmpeg that reads from a pipe.

    A context manager: if the block ends before `finish` returned, the process is killed. When the block ends, no
    process and no zombie is left.
    """

    def __init__(self, arguments: Sequence[str], folder: Path | None = None) -> None:
        """arguments: without the program's name. Relative paths in them are relative to `folder`."""
        self._argv = [program(), *QUIET, *REPORT, *arguments]
        self._process = _started(self._argv, folder)
        self._watch = FfmpegWatch(self._reports, self._process.kill)
        self._gave_up = False
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        # A full stderr pipe (64 KiB) would block ffmpeg.
        self._drain = threading.Thread(target=self._read_tail, name="ffmpeg-stderr", daemon=True)
        self._drain.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def write(self, data: Any) -> None:
        """Write bytes-like data; blocks until ffmpeg has read it. Raises FfmpegError if the process has ended."""
        try:
            with self._watch.waiting("reading a frame"):
                self._input.write(data)
        except OSError as error:
            raise self._failure() from error

    def finish(self) -> None:
        """Close its input and wait for it to succeed. Raises FfmpegError or DiskError."""
        with self._watch.waiting("finishing the file"):
            with suppress(OSError):  # if the process has ended, its exit code says why
                self._input.close()
            code = self._code()
        if code != 0:
            raise self._failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # no effect if it has ended
        with suppress(OSError):
            self._input.close()
        with suppress(subprocess.TimeoutExpired):  # stuck in the system, on a disk that is gone: it is left
            self._process.wait(LAST_WORDS_SECONDS)
            self._watch.close()
            self._drain.join()
            self._errors.close()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - made with a pipe
        return self._process.stdin

    @property
    def _reports(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101 - made with a pipe
        return self._process.stdout

    @property
    def _errors(self) -> IO[bytes]:
        assert self._process.stderr is not None  # noqa: S101 - made with a pipe
        return self._process.stderr

    def _read_tail(self) -> None:
        while line := self._errors.readline(LONGEST_LINE):
            self._tail.append(line.decode(errors="replace").rstrip())

    def _code(self) -> int:
        """The exit code. A process that was killed and is stuck in the system is not waited for."""
        while True:
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(LAST_WORDS_SECONDS)
            if self._watch.verdict or self._gave_up:
                return -signal.SIGKILL

    def _ended(self) -> int:
        """The exit code of a process that stopped reading. It is killed if it does not exit in time."""
        try:
            return self._process.wait(LAST_WORDS_SECONDS)
        except subprocess.TimeoutExpired:
            self._gave_up = not self._watch.verdict
            self._process.kill()
            return self._code()

    def _failure(self) -> MachineError:
        code = self._ended()
        self._drain.join(LAST_WORDS_SECONDS)
        printed = "\n".join(self._tail)
        found = self._watch.verdict or (killed_words(-code) if code < 0 else f"exited with code {code}")
        if "No space left on device" in printed or "Disk quota exceeded" in printed:
            return DiskFullError(Problem("ffmpeg", f"{found}: the disk is full", "", f"free some space\n{printed}"))
        problem = Problem("ffmpeg", found, "", f"its last output:\n{printed}" if printed else "it printed nothing")
        return (
            FfmpegKilledError(problem)
            if (code < 0 or code == _ENDED_BY_SIGNAL) and not self._gave_up
            else FfmpegError(problem)
        )


def _started(argv: Sequence[str], folder: Path | None) -> subprocess.Popen[bytes]:
    try:
        # Its own process group: Ctrl-C in a terminal reaches only us, and we end it.
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
    except OSError as error:
        raise unstarted(argv[0], error) from error
    protect(process.pid)
    return process
