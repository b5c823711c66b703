"""What a finished file contains, by its headers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.errors import MachineError, Problem
from wan_render.store.disk import disk_error

if TYPE_CHECKING:
    from av.container import InputContainer


@dataclass(frozen=True)
class VideoFacts:
    """A video file according to its headers.

    rate: frames per second. frames: of the video stream; 0 if the container does not count them (Matroska).
    """

    rate: Fraction
    frames: int


def url(file: Path) -> str:
    """A file in a form that FFmpeg's libraries open whatever its name is. They read text before a colon as a protocol,
    and `-` as standard input."""
    return f"file:{file.absolute()}"


@contextmanager
def opened(file: Path) -> Iterator[InputContainer]:
    """An open video file. Raises DiskError if it cannot be opened or read, MachineError if it is damaged."""
    import av

    try:
        with av.open(url(file)) as container:
            yield container
    except OSError as error:
        raise disk_error(file, OSError(error.errno, error.strerror), "read") from error
    except av.FFmpegError as error:
        again = "run the same command again: a damaged take is set aside and rendered again"
        raise MachineError(Problem(str(file), f"cannot be read as video: {error.strerror}", "", again)) from error


def probe(file: Path) -> VideoFacts:
    """Read the headers of a video file. Raises the errors of `opened`."""
    with opened(file) as container:
        stream = container.streams.video[0]
        return VideoFacts(stream.average_rate or Fraction(0), stream.frames)
