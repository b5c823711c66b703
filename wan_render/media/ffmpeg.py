"""The ffmpeg program: which one, what it can do, running it, and what its failures become."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from wan_render.errors import DiskError, FfmpegError, MachineError, Problem
from wan_render.settings import machine_settings

TAIL_LINES = 12
"""Lines of what ffmpeg printed last that go into an error."""

LONGEST_LINE = 1000
"""Bytes of one such line; a longer one counts as several."""

LAST_WORDS_SECONDS = 10.0
"""For how long an ffmpeg that no longer reads may go on before it is killed."""

NEEDED: Mapping[str, tuple[str, ...]] = {
    "filters": ("anullsrc", "ass", "crop", "format", "pad", "scale", "setparams", "setsar"),
    "encoders": ("aac", "libx264"),
    "muxers": ("mp4",),
    "demuxers": ("ffmetadata", "matroska,webm", "rawvideo"),
    "bsfs": ("h264_metadata",),
}
"""What films are made with, by the lists that ffmpeg prints of itself."""

QUIET = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning")


def program() -> str:
    """The ffmpeg that is used: WAN_RENDER_FFMPEG, else the one that comes with imageio-ffmpeg.

    Raises FfmpegError where there is none.
    """
    chosen = machine_settings().ffmpeg
    if chosen is not None:
        return _chosen(chosen)
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise FfmpegError(
            Problem("ffmpeg", "not found", "", "install imageio-ffmpeg anew or set WAN_RENDER_FFMPEG to a program")
        ) from error


def _chosen(file: Path) -> str:
    found = shutil.which(file)
    if found is None:
        raise FfmpegError(
            Problem("WAN_RENDER_FFMPEG", f"{file} is no program", "a path to ffmpeg", "correct or unset it")
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


def _listing(option: str) -> str:
    exe = program()
    try:
        done = subprocess.run(
            [exe, "-hide_banner", option], capture_output=True, text=True, errors="replace", timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FfmpegError(Problem(exe, f"does not run: {error}", "", "check WAN_RENDER_FFMPEG")) from error
    if done.returncode != 0 or not done.stdout:
        raise FfmpegError(Problem(exe, f"is no ffmpeg: {option} ended with {done.returncode}", "", done.stderr[-500:]))
    return done.stdout


def run(arguments: Sequence[str], folder: Path | None = None) -> None:
    """Run ffmpeg to its end, in `folder`. Raises FfmpegError or DiskError with what it printed last."""
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
            self._process.kill()
            return self._process.wait()

    def _failure(self) -> MachineError:
        code = self._ended()
        self._drain.join()
        said = "\n".join(self._tail)
        found = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        if "No space left on device" in said or "Disk quota exceeded" in said:
            return DiskError(Problem("ffmpeg", f"{found}: the disk is full", "", f"free some room\n{said}"))
        return FfmpegError(Problem("ffmpeg", found, "", f"it printed last:\n{said}" if said else "it printed nothing"))


def _started(argv: Sequence[str], folder: Path | None) -> subprocess.Popen[bytes]:
    try:
        # A process group of its own: Ctrl-C in a terminal reaches us, and we end it.
        return subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )
    except OSError as error:
        problem = Problem(argv[0], f"cannot be started: {error.strerror}", "", "check WAN_RENDER_FFMPEG")
        raise FfmpegError(problem) from error
