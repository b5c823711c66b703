"""Any video file → its frames, one at a time. Nothing is trusted: not the container, the size or the length."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wan_render.errors import Problem, UsageError
from wan_render.media.probe import url
from wan_render.printable import one_line
from wan_render.render_values import Pixels

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

CONTAINERS = (
    *("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "avi", "mpegts", "mpeg", "mpegvideo", "ogg", "flv", "asf", "gif"),
    *("apng", "h264", "hevc", "ivf", "mxf", "y4m", "yuv4mpegpipe", "nut", "dv", "av1", "obu"),
)
"""FFmpeg's demuxers of files that are whole in themselves. A playlist would open other files, or the network."""

MOST_PIXELS = 8192 * 4320
"""Of a frame. It takes 106 MB."""

_ALLOWED = "a video file, for example MP4, MKV, MOV, WebM or AVI"

_BT709, _BT601, _BT2020 = 1, 5, 9
_MATRICES = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: _BT2020, 10: _BT2020}
"""Matrix coefficients of a frame (ITU-T H.273) → PyAV's colour space."""


def read_video(file: Path, most_frames: int) -> Iterator[Pixels]:
    """The frames of a video file's first video stream, each (height, width, 3) uint8 RGB, at least one.

    Untagged colours are read as BT.601, which is what exporters write that do not tag them.
    Raises UsageError for a file that is missing, not a video, empty, damaged, cut off or too long.
    """
    _check_file(file)
    with _opened(file) as container:
        yield from _frames(file, container, most_frames)


def _wrong(file: Path, found: str, allowed: str = _ALLOWED, remedy: str = "") -> UsageError:
    return UsageError(Problem(str(file), found, allowed, remedy))


def _check_file(file: Path) -> None:
    try:
        found = file.stat()
    except FileNotFoundError as error:
        raise _wrong(file, "no such file", remedy="check the name, its case, and the folder") from error
    except (OSError, ValueError) as error:  # a null byte in the name raises ValueError
        raise _wrong(file, f"cannot be read: {_reason(error)}") from error
    if stat.S_ISDIR(found.st_mode):
        raise _wrong(file, "is a folder", remedy="name a file in it")
    if not stat.S_ISREG(found.st_mode):
        raise _wrong(file, "is a pipe, socket or device, not a file")
    if found.st_size == 0:
        raise _wrong(file, "is empty (0 bytes)", remedy="write or copy it again")
    if not os.access(file, os.R_OK):
        raise _wrong(file, "no permission to read it", remedy="check its permissions")


@contextmanager
def _opened(file: Path) -> Iterator[InputContainer]:
    """The open file. Whatever its decoders raise becomes a UsageError: any byte of a stranger's file may be wrong."""
    import av

    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": "file"}
    try:
        with av.open(url(file), options=options, metadata_errors="replace") as container:
            yield container
    except UsageError:
        raise
    except (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError) as error:
        remedy = "if another program plays it, write it again as MP4 or MKV"
        raise _wrong(file, f"cannot be read as a video: {_reason(error)}", remedy=remedy) from error


def _frames(file: Path, container: InputContainer, most: int) -> Iterator[Pixels]:
    if not container.streams.video:
        raise _wrong(file, "has no video stream")
    stream = container.streams.video[0]
    if stream.codec_context is None:  # PyAV's types do not say so: the codec is unknown
        raise _wrong(file, "has video of an unknown kind", remedy="write it again as MP4 or MKV")
    size = (stream.codec_context.width, stream.codec_context.height)
    if size[0] * size[1] > MOST_PIXELS:
        raise _wrong(file, f"has frames of {size[0]}x{size[1]}", f"at most {MOST_PIXELS:,} pixels")
    stream.thread_type = "AUTO"
    count, end = 0, 0.0
    for frame in _decoded(file, container, stream):
        if (frame.width, frame.height) != size:
            raise _wrong(file, f"changes its size at frame {count}: {frame.width}x{frame.height}", "one size")
        if frame.is_corrupt:
            raise _wrong(file, f"is damaged: frame {count} cannot be decoded completely", "", _AGAIN)
        if count >= most:
            raise _wrong(file, f"has more than {most:,} frames", "one shot", "cut it into shots")
        yield _rgb(frame)
        count += 1
        end = max(end, _end(frame, stream))
    _check_end(file, container, stream, count, end)


_AGAIN = "write or copy the file again"


def _decoded(file: Path, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    packets: Iterator[Any] = container.demux(stream)
    with _decoder_log() as log:
        for packet in packets:
            if packet.is_corrupt:
                raise _wrong(file, "is damaged or cut off: a packet is incomplete", "", _AGAIN)
            yield from packet.decode()
            if any("CRC mismatch" in text for _, _, text in log):
                raise _wrong(file, "is damaged: a checksum inside it is wrong", "", _AGAIN)


@contextmanager
def _decoder_log() -> Iterator[list[tuple[int, str, str]]]:
    """What decoders report. FFV1's conceals a frame whose checksum is wrong, and only its log says so."""
    import av

    level = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture(local=False) as log:
            yield log
    finally:
        av.logging.set_level(level)


def _rgb(frame: VideoFrame) -> Pixels:
    matrix = _MATRICES.get(int(frame.colorspace), _BT601)
    return np.asarray(frame.to_ndarray(format="rgb24", src_colorspace=matrix), np.uint8)


def _end(frame: VideoFrame, stream: VideoStream) -> float:
    """When the frame ends, in seconds; 0 if the file does not say."""
    rate = stream.average_rate
    return float(frame.time) + (1 / float(rate) if rate else 0.0) if frame.time is not None else 0.0


def _check_end(file: Path, container: InputContainer, stream: VideoStream, count: int, end: float) -> None:
    """Raise UsageError without any frame, or if the headers promise more frames than there are."""
    if count == 0:
        raise _wrong(file, "has no frames")
    if stream.frames > count:
        raise _wrong(file, f"is cut off or damaged: {count} of {stream.frames} frames can be read", "", _AGAIN)
    rate = float(stream.average_rate or 0)
    promised = _promised_seconds(container, stream)
    if not stream.frames and rate and end and promised - end > 0.7 / rate:
        found = f"is cut off or damaged: it ends after {end:.2f} of {promised:.2f} seconds"
        raise _wrong(file, found, "", _AGAIN)


def _promised_seconds(container: InputContainer, stream: VideoStream) -> float:
    """The length of the video; of the whole file if nothing else is in it."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return one_line(" ".join(str(text).split()))[:160] or type(error).__name__
