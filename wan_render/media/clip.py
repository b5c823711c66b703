"""A take's frames as a file: FFV1, lossless, intra-only.

Frames are addressed by index, never by time: Matroska stores milliseconds, and 1/16 s is not a whole number of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wan_render.errors import FfmpegError, MachineError, Problem
from wan_render.media.frame_encoders import FrameEncoders, coding_threads, frame_plane
from wan_render.media.probe import opened, url
from wan_render.render_values import Frames, Pixels
from wan_render.store.disk import disk_error
from wan_render.take import Size

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

SLICES = 4
"""Parts of a frame. Each has its own checksum, and can be decoded by a thread of its own."""

MOST_SLICES = 16
"""For pictures that are larger than a take's. They take 1 % more space."""


def write_clip(target: Path, frames: Frames) -> None:
    """Write frames to `target` (Matroska, FFV1 `bgr0`, `-g 1 -slicecrc 1`). Reading them back is bit-exact.

    frames.pixels: (frames, height, width, 3) uint8 RGB. The file is written atomically. Raises DiskError or
    FfmpegError.
    """
    _, height, width, _ = frames.pixels.shape
    write_pictures(target, frames.pixels, Size(width, height), frames.rate)


def write_pictures(target: Path, pictures: Iterable[Pixels], size: Size, rate: Fraction, slices: int = SLICES) -> None:
    """Like `write_clip`, for an iterator of pictures, each (height, width, 3) uint8 RGB.

    slices: how many parts each frame has: SLICES or MOST_SLICES. The pictures are the same.
    """
    import av

    part = target.with_name(target.name + ".part")
    try:
        _encode(part, pictures, size, rate, slices)
        part.replace(target)
    except OSError as error:  # includes PyAV's file errors
        raise disk_error(target, OSError(error.errno, error.strerror)) from error
    except av.FFmpegError as error:
        raise FfmpegError(Problem(str(target), f"cannot be encoded: {error.strerror}")) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _encode(part: Path, pictures: Iterable[Pixels], size: Size, rate: Fraction, slices: int) -> None:
    import av

    encoders = FrameEncoders(size, rate, slices)
    # bitexact: no random identifiers, so equal frames give equal files.
    with av.open(url(part), "w", format="matroska", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("ffv1", rate=rate)
        encoders.set_up(stream.codec_context)
        container.start_encoding()
        for packet in encoders.packets(pictures):
            packet.stream = stream
            container.mux(packet)


def read_frames(clip: Path, first: int, count: int) -> Iterator[Pixels]:
    """Frames [first, first + count) of a clip, each (height, width, 3) uint8 RGB, one at a time.

    Raises MachineError if the clip is too short, truncated or not written by wan-render. A flipped bit inside a frame
    goes unnoticed here, because FFV1's decoder conceals it. The store's SHA-256 detects it.
    """
    import cv2

    for picture in read_stored(clip, first, count):
        yield cv2.cvtColor(picture, cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)


def read_on(clip: Path, first: int, count: int | None = None) -> Iterator[Pixels]:
    """Every frame of a clip from `first` on, at most `count`, as `read_frames`. None if it ends before."""
    import cv2

    with opened(clip) as container:
        for frame in _decoded(container, first, count):
            yield cv2.cvtColor(frame_plane(frame), cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)


def read_stored(clip: Path, first: int, count: int) -> Iterator[Pixels]:
    """Like read_frames, but as stored: (height, width, 4) uint8 blue, green, red, unused. Do not modify the arrays."""
    if first < 0 or count < 0:
        raise ValueError(f"expected frames from 0 on, got {first} and {count}")
    read = 0
    with opened(clip) as container:
        for frame in _decoded(container, first, count):
            yield frame_plane(frame)
            read += 1
    if read < count:
        raise MachineError(
            Problem(
                str(clip),
                f"is too short: frame {first + read} is missing",
                f"frames {first} to {first + count - 1} are needed",
                "run the same command again: a damaged take is set aside and rendered again",
            )
        )


def _decoded(container: InputContainer, first: int, count: int | None = None) -> Iterator[VideoFrame]:
    """Frames [first, first + count), or all from `first` on. Every packet is one whole frame, so earlier ones are
    skipped without decoding.

    Several frames are decoded at the same time; of a single one, several slices.
    """
    stream = container.streams.video[0]
    if stream.codec_context.name != "ffv1" or stream.codec_context.pix_fmt != "bgr0":
        raise MachineError(Problem(container.name, "is not a clip of wan-render", "FFV1 in bgr0 is expected"))
    stream.codec_context.thread_type = "SLICE" if count == 1 else "FRAME"
    stream.codec_context.thread_count = coding_threads()
    packets = (packet for packet in container.demux(stream) if packet.size)
    for packet in islice(packets, first, None if count is None else first + count):
        yield from stream.decode(packet)
    yield from stream.decode(None)  # what its threads still hold
