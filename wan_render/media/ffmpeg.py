"""The ffmpeg program: which one, what it can do, running it, and what its failures become."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
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
from wan_render.printable import logger
from wan_render.settings import machine_settings

TAIL_LINES = 12
"""Lines of what ffmpeg printed last that go into an error."""

LONGEST_LINE = 1000
"""Bytes of one such line; a longer one counts as several."""

LAST_WORDS_SECONDS = 10.0
"""For how long an ffmpeg that no longer reads may go on before it is killed."""

ATTEMPTS = 3
"""At what an ffmpeg was killed at, the first included: memory may be short for a moment only."""

PAUSE_SECONDS = 1.0
"""Before the second attempt; twice as long before the third."""

_ENDED_BY_SIGNAL = 255
"""Its exit code where SIGTERM or SIGINT asked it to end (ffmpeg.c, received_nb_signals), and seldom otherwise."""

_SHORTAGES = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EINTR)
"""What a system says that cannot start a program now."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "filters": ("anullsrc", "ass", "crop", "format", "pad", "scale", "setparams", "setsar"),
    "encoders": ("aac", "libx264"),
    "muxers": ("mp4",),
    "demuxers": ("ffmetadata", "matroska,webm", "rawvideo"),
    "bsfs": ("h264_metadata",),
}
"""What films are made with, by the lists that ffmpeg prints of itself."""

T = TypeVar("T")

LOG = logger("wan_render.media")

QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning")


def program() -> str:
    """The ffmpeg that is used: WAN_RENDER_FFMPEG, else the one that comes with imageio-ffmpeg.

    Raises FfmpegMissingError where there is none.
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


def version() -> str:
    """The version that ffmpeg gives itself, "9.0.2-static". Raises FfmpegError where there is none that runs."""
    first = _listing("-version").splitlines()[0]
    return first.removeprefix("ffmpeg version ").split(" ")[0]


def lacking() -> tuple[str, ...]:
    """What films need and this ffmpeg does not have: ("filter ass", "encoder libx264")."""
    missing = []
    for kind, names in NEEDED.items():
        # A line is flags and a name, or a name alone (bit stream filters).
        listed = {word for line in _listing(f"-{kind}").splitlines() for word in line.split()[:2]}
        missing += [f"{kind[:-1]} {name}" for name in names if name not in listed]
    return tuple(missing)


def require_ffmpeg() -> None:
    """Raise FfmpegMissingError where no ffmpeg runs, or the one that runs cannot make films."""
    lacks = lacking()
    if lacks:
        found = f"ffmpeg {version()} is without {', '.join(lacks)}"
        raise FfmpegMissingError(Problem(program(), found, "", "set or unset WAN_RENDER_FFMPEG"))


def persistently(what: str, work: Callable[[], T]) -> T:
    """`work`'s result; work is done again where its ffmpeg was killed. `what`: what it makes, in words.

    Raises FfmpegKilledError where that happened ATTEMPTS times, and whatever else work raises at once.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except FfmpegKilledError as error:
            LOG.warning("%s is made again: %s", what, error.problems[0])
            time.sleep(PAUSE_SECONDS * attempt)
    return work()


def _listing(option: str) -> str:
    return persistently(f"the list of ffmpeg {option}", lambda: _listed(program(), option))


def _listed(exe: str, option: str) -> str:
    try:
        done = subprocess.run(
            [exe, "-hide_banner", option], capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise FfmpegMissingError(Problem(exe, f"does not run: {error}")) from error
    except OSError as error:
        raise _unstarted(exe, error) from error
    if done.returncode < 0:
        raise FfmpegKilledError(Problem(exe, _killed(-done.returncode)))
    if done.returncode != 0 or not done.stdout:
        found = f"is not ffmpeg: {option} ended with {done.returncode}"
        raise FfmpegMissingError(Problem(exe, found, "", done.stderr[-500:]))
    return done.stdout


def _unstarted(exe: str, error: OSError) -> FfmpegError:
    if error.errno in _SHORTAGES:
        return FfmpegKilledError(Problem(exe, f"cannot be started now: {error.strerror}"))
    return FfmpegMissingError(Problem(exe, f"does not run: {error.strerror}", "", "check WAN_RENDER_FFMPEG"))


def _killed(number: int) -> str:
    return (
        "was killed (signal 9)"
        if number == signal.SIGKILL
        else f"was killed (signal {number}: {signal.strsignal(number)})"
    )


def run(arguments: Sequence[str], folder: Path | None = None) -> None:
    """Run ffmpeg to its end, in `folder`. Raises FfmpegError or DiskFullError with what it printed last."""
    with Ffmpeg(arguments, folder) as process:
        process.finish()


class Ffmpeg:
    """A running ffmpeg that reads what is written to it.

    Used as a context: whatever ends the block before `finish` returned kills the process; after the block
    none is left, and none is a zombie.
    """

    def __init__(self, arguments: Sequence[str], folder: Path | None = None) -> None:
        """`arguments` follow the program's name; paths in them are as seen from `folder`."""
        self._argv = [program(), *QUIET, *arguments]
        self._process = _started(self._argv, folder)
        self._gave_up = False
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        # An undrained pipe of 64 KiB stops ffmpeg as soon as it has much to complain about.
        self._drain = threading.Thread(target=self._read_tail, name="ffmpeg-stderr", daemon=True)
        self._drain.start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def write(self, data: Any) -> None:
        """Hand over bytes-like data; blocks until ffmpeg has taken them. Raises FfmpegError if it is gone."""
        try:
            self._input.write(data)
        except OSError as error:
            raise self._failure() from error

    def finish(self) -> None:
        """Close its input and wait for a good end. Raises FfmpegError or DiskError."""
        with suppress(OSError):  # a process that is gone says why by its exit code
            self._input.close()
        if self._process.wait() != 0:
            raise self._failure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # nothing happens to one that has ended
        with suppress(OSError):
            self._input.close()
        self._process.wait()
        self._drain.join()
        self._errors.close()

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - made with a pipe
        return self._process.stdin

    @property
    def _errors(self) -> IO[bytes]:
        assert self._process.stderr is not None  # noqa: S101 - made with a pipe
        return self._process.stderr

    def _read_tail(self) -> None:
        while line := self._errors.readline(LONGEST_LINE):
            self._tail.append(line.decode(errors="replace").rstrip())

    def _ended(self) -> int:
        """The exit code of a process that has stopped reading; one that lingers is killed."""
        try:
            return self._process.wait(LAST_WORDS_SECONDS)
        except subprocess.TimeoutExpired:
            self._gave_up = True
            self._process.kill()
            return self._process.wait()

    def _failure(self) -> MachineError:
        code = self._ended()
        self._drain.join()
        said = "\n".join(self._tail)
        found = _killed(-code) if code < 0 else f"ended with {code}"
        if "No space left on device" in said or "Disk quota exceeded" in said:
            return DiskFullError(Problem("ffmpeg", f"{found}: the disk is full", "", f"free some room\n{said}"))
        problem = Problem("ffmpeg", found, "", f"it printed last:\n{said}" if said else "it printed nothing")
        return (
            FfmpegKilledError(problem)
            if (code < 0 or code == _ENDED_BY_SIGNAL) and not self._gave_up
            else FfmpegError(problem)
        )


def _started(argv: Sequence[str], folder: Path | None) -> subprocess.Popen[bytes]:
    try:
        # A process group of its own: Ctrl-C in a terminal reaches us, and we end it.
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )
    except OSError as error:
        raise _unstarted(argv[0], error) from error
    _protect(process.pid)
    return process


_oom_score: int | None = None
"""What every ffmpeg gets as its oom_score_adj; None: that of this process."""


def protect_from_our_oom_score(own: int) -> None:
    """From now on every ffmpeg gets the score `own`, not that of this process, which is about to be raised: to end an
    ffmpeg frees next to nothing and costs what it makes."""
    global _oom_score
    _oom_score = own


def _protect(pid: int) -> None:
    if _oom_score is not None:
        with suppress(OSError):  # Linux only; and nobody may go below what an administrator set
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(_oom_score), encoding="ascii")
