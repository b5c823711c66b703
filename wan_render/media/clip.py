"""A take's frames as a file: FFV1, lossless, intra-only.

Frames are addressed by index, never by time: Matroska stores milliseconds, and 1/16 s is not a whole number of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wan_render.errors import FfmpegError, MachineError, Problem
from wan_render.media.probe import opened, url
from wan_render.render_values import Frames, Pixels
from wan_render.store.disk import disk_error
from wan_render.take import Size

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

SLICES = 4
"""Parts of a frame that are coded in parallel. Each has its own checksum."""

MOST_SLICES = 16
"""For pictures that a GPU makes faster than four threads code them. They take 1 % more space."""


def write_clip(target: Path, frames: Frames) -> None:
    """Write frames to `target` (Matroska, FFV1 `bgr0`, `-g 1 -slicecrc 1`). Reading them back is bit-exact.

    frames.pixels: (frames, height, width, 3) uint8 RGB. The file is written atomically. Raises DiskError or
    FfmpegError.
    """
    _, height, width, _ = frames.pixels.shape
    write_pictures(target, frames.pixels, Size(width, height), frames.rate)


def write_pictures(target: Path, pictures: Iterable[Pixels], size: Size, rate: Fraction, slices: int = SLICES) -> None:
    """Like `write_clip`, for an iterator of pictures, each (height, width, 3) uint8 RGB.

    slices: how many parts of a frame are coded in parallel: SLICES or MOST_SLICES. The pictures are the same.
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

    # bitexact: no random identifiers, so equal frames give equal files.
    with av.open(url(part), "w", format="matroska", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("ffv1", rate=rate, options={"level": "3", "slices": str(slices), "slicecrc": "1"})
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, "bgr0"
        stream.gop_size = 1
        _use_threads(stream, slices)
        for picture in pictures:
            container.mux(stream.encode(_stored(picture)))
        container.mux(stream.encode(None))


def _stored(picture: Pixels) -> VideoFrame:
    """RGB as a bgr0 frame: the same bytes in another order."""
    import av
    import cv2

    height, width, _ = picture.shape
    frame = av.VideoFrame(width, height, "bgr0")
    cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGRA, dst=_plane(frame))
    return frame


def _plane(frame: VideoFrame) -> Pixels:
    """The frame's own memory, (height, width, 4) uint8: blue, green, red, unused; no copy."""
    plane = frame.planes[0]
    return np.ndarray((frame.height, frame.width, 4), np.uint8, memoryview(plane), strides=(plane.line_size, 4, 1))


def _use_threads(stream: VideoStream, slices: int) -> None:
    stream.codec_context.thread_type = "SLICE"
    stream.codec_context.thread_count = min(slices, os.cpu_count() or 1)


def read_frames(clip: Path, first: int, count: int) -> Iterator[Pixels]:
    """Frames [first, first + count) of a clip, each (height, width, 3) uint8 RGB, one at a time.

    Raises MachineError if the clip is too short, truncated or not written by wan-render. A flipped bit inside a frame
    goes unnoticed here, because FFV1's decoder conceals it. The store's SHA-256 detects it.
    """
    import cv2

    for picture in read_stored(clip, first, count):
        yield cv2.cvtColor(picture, cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)


def read_on(clip: Path, first: int) -> Iterator[Pixels]:
    """Every frame of a clip from `first` on, as `read_frames`. None if it ends before."""
    import cv2

    with opened(clip) as container:
        for frame in _decoded(container, first):
            yield cv2.cvtColor(_plane(frame), cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)


def read_stored(clip: Path, first: int, count: int) -> Iterator[Pixels]:
    """Like read_frames, but as stored: (height, width, 4) uint8 blue, green, red, unused. Do not modify the arrays."""
    if first < 0 or count < 0:
        raise ValueError(f"expected frames from 0 on, got {first} and {count}")
    read = 0
    with opened(clip) as container:
        for frame in islice(_decoded(container, first), count):
            yield _plane(frame)
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


def _decoded(container: InputContainer, first: int) -> Iterator[VideoFrame]:
    """Frames from index `first` on. Every packet is one whole frame, so earlier ones are skipped without decoding."""
    stream = container.streams.video[0]
    if stream.codec_context.name != "ffv1" or stream.codec_context.pix_fmt != "bgr0":
        raise MachineError(Problem(container.name, "is not a clip of wan-render", "FFV1 in bgr0 is expected"))
    _use_threads(stream, MOST_SLICES)
    packets: Iterator[Any] = container.demux(stream)
    for packet in islice(packets, first, None):
        yield from packet.decode()
