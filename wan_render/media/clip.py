"""A clip's frames as a file: lossless, intra-only.

Frames are addressed by index, never by time: Matroska stores milliseconds, and 1/16 s is not a whole number of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

from wan_render.errors import FfmpegError, MachineError, Problem
from wan_render.media.clip_coding import READABLE, TAKE_CODING, ClipCoding, coding_threads
from wan_render.media.frame_encoders import FrameEncoders
from wan_render.media.probe import opened, url
from wan_render.media.stored_pictures import bgr0_picture, rgb_picture
from wan_render.render_values import Frames, Pixels
from wan_render.store.disk import disk_error
from wan_render.take import Size

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import InputContainer


def write_clip(target: Path, frames: Frames) -> None:
    """Write frames to `target`, as a take (TAKE_CODING). Reading them back is bit-exact.

    frames.pixels: (frames, height, width, 3) uint8 RGB. The file is written atomically. Raises DiskError or
    FfmpegError.
    """
    _, height, width, _ = frames.pixels.shape
    write_pictures(target, frames.pixels, Size(width, height), frames.rate)


def write_pictures(
    target: Path, pictures: Iterable[Pixels], size: Size, rate: Fraction, coding: ClipCoding = TAKE_CODING
) -> None:
    """Like `write_clip`, for an iterator of pictures, each (height, width, 3) uint8 RGB, and any coding."""
    import av

    part = target.with_name(target.name + ".part")
    try:
        _encode(part, pictures, size, rate, coding)
        part.replace(target)
    except OSError as error:  # includes PyAV's file errors
        raise disk_error(target, OSError(error.errno, error.strerror)) from error
    except av.FFmpegError as error:
        raise FfmpegError(Problem(str(target), f"cannot be encoded: {error.strerror}")) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _encode(part: Path, pictures: Iterable[Pixels], size: Size, rate: Fraction, coding: ClipCoding) -> None:
    import av

    encoders = FrameEncoders(size, rate, coding)
    # bitexact: no random identifiers, so equal frames give equal files.
    with av.open(url(part), "w", format=coding.container, container_options={"fflags": "+bitexact"}) as container:
        stream = cast("VideoStream", container.add_stream(coding.codec, rate=rate))
        encoders.set_up(stream.codec_context)
        container.start_encoding()
        for packet in encoders.packets(pictures):
            packet.stream = stream
            container.mux(packet)


def read_frames(clip: Path, first: int, count: int) -> Iterator[Pixels]:
    """Frames [first, first + count) of a clip, each (height, width, 3) uint8 RGB, one at a time.

    Raises MachineError if the clip is too short, truncated or not written by wan-render. A flipped bit inside a frame
    goes unnoticed here, because decoders conceal it. The store's SHA-256 detects it.
    """
    for frame in _read(clip, first, count):
        yield rgb_picture(frame)


def read_on(clip: Path, first: int, count: int | None = None) -> Iterator[Pixels]:
    """Every frame of a clip from `first` on, at most `count`, as `read_frames`. None if it ends before."""
    with opened(clip) as container:
        for frame in _decoded(container, first, count):
            yield rgb_picture(frame)


def read_stored(clip: Path, first: int, count: int) -> Iterator[Pixels]:
    """Like read_frames, but as stored: (height, width, 4) uint8 blue, green, red, unused. Do not modify the arrays."""
    for frame in _read(clip, first, count):
        yield bgr0_picture(frame)


def _read(clip: Path, first: int, count: int) -> Iterator[VideoFrame]:
    if first < 0 or count < 0:
        raise ValueError(f"expected frames from 0 on, got {first} and {count}")
    read = 0
    with opened(clip) as container:
        for frame in _decoded(container, first, count):
            yield frame
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
    if (stream.codec_context.name, stream.codec_context.pix_fmt) not in READABLE:
        allowed = "FFV1 in bgr0, or MagicYUV in gbrp, is expected"
        raise MachineError(Problem(container.name, "is not a clip of wan-render", allowed))
    stream.codec_context.thread_type = "SLICE" if count == 1 else "FRAME"
    stream.codec_context.thread_count = coding_threads()
    packets = (packet for packet in container.demux(stream) if packet.size)
    for packet in islice(packets, first, None if count is None else first + count):
        yield from stream.decode(packet)
    yield from stream.decode(None)  # what its threads still hold
