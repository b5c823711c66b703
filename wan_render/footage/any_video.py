"""Any video file → its frames, one at a time. Nothing is trusted: not the container, the size or the length."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_render.errors import Problem, UsageError
from wan_render.footage.shown_frame import AS_IT_IS, showing_notes, shown_frame, square_size, turn_of
from wan_render.foreign_container import opened_container
from wan_render.plates.reading import regular_file
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

LEAST_SIDE = 64
"""In smaller frames, grain can't be told from what they show."""

_ALLOWED = "a video file, for example MP4, MKV, MOV, WebM or AVI"


@dataclass(frozen=True)
class DecodedFrame:
    """A frame of a video. time: when it is shown, in seconds; None if the file does not say. size: as shown, before it
    is turned."""

    frame: VideoFrame
    time: Fraction | None
    size: tuple[int, int]

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        turned, _, _ = turn_of(self.frame) or AS_IT_IS
        return (self.size[1], self.size[0]) if turned else self.size

    def picture(self) -> Pixels:
        """The frame as it is shown: (height, width, 3) uint8 RGB."""
        return shown_frame(self.frame, self.size)


def read_video(file: Path, most_frames: int, note: Callable[[str], None]) -> Iterator[Pixels]:
    """The frames of a video file's first video stream as they are shown, each (height, width, 3) uint8 RGB, at least
    one. note: is told what is done with them.

    Untagged colours are read as BT.601, which is what exporters write that do not tag them.
    Raises UsageError for a file that is missing, not a video, empty, damaged, cut off or too long.
    """
    with opened_video(file) as container:
        for frame in decoded_frames(file, container, most_frames, note):
            yield frame.picture()


def _wrong(file: Path, found: str, allowed: str = _ALLOWED, remedy: str = "") -> UsageError:
    return UsageError(Problem(str(file), found, allowed, remedy))


@contextmanager
def opened_video(file: Path) -> Iterator[InputContainer]:
    """The open file. Whatever its decoders raise becomes a UsageError: any byte of a stranger's file may be wrong."""
    regular_file(file, _wrong, "video")
    if not os.access(file, os.R_OK):
        raise _wrong(file, "no permission to read it", remedy="check its permissions")

    def unreadable(words: str) -> UsageError:
        remedy = "if another program plays it, write it again as MP4 or MKV"
        return _wrong(file, f"cannot be read as a video: {words}", remedy=remedy)

    with opened_container(file, CONTAINERS, unreadable) as container:
        yield container


def video_stream(file: Path, container: InputContainer) -> VideoStream:
    """The first video of an open file. Raises UsageError if there is none that can be decoded."""
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams:
        raise _wrong(file, "has no video stream", remedy="name another file; a sound is a `sound` of a shot")
    stream = streams[0]
    if stream.codec_context is None:  # PyAV's types do not say so: the codec is unknown
        raise _wrong(file, "has video of an unknown kind", remedy="write it again as MP4 or MKV")
    size = (stream.codec_context.width, stream.codec_context.height)
    if size[0] * size[1] > MOST_PIXELS:
        raise _wrong(file, f"has frames of {size[0]}x{size[1]}", f"at most {MOST_PIXELS:,} pixels", _SMALLER)
    return stream


def _is_cover(stream: VideoStream) -> bool:
    """Whether it is only a picture on the cover of a sound."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def decoded_frames(
    file: Path, container: InputContainer, most: int, note: Callable[[str], None], least_side: int = LEAST_SIDE
) -> Iterator[DecodedFrame]:
    """The frames of `read_video`, not yet converted. least_side: in pixels. Raises UsageError."""
    stream = video_stream(file, container)
    size = (stream.codec_context.width, stream.codec_context.height)
    stream.thread_type = "AUTO"
    aspect = stream.sample_aspect_ratio
    count, end = 0, 0.0
    for frame in _decoded(file, container, stream):
        if (frame.width, frame.height) != size:
            found = f"changes its size at frame {count}: {frame.width}x{frame.height}"
            raise _wrong(file, found, "one size", "write it again with one size")
        if frame.is_corrupt:
            raise _wrong(file, f"is damaged: frame {count} cannot be decoded completely", "", _AGAIN)
        if count >= most:
            raise _wrong(file, f"has more than {most:,} frames", "one shot", "cut it into shots")
        width, height = square_size(frame, aspect)
        if count == 0:
            _check_shown(file, width, height, least_side)
            for each in showing_notes(frame, aspect):
                note(each)
        time = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
        yield DecodedFrame(frame, time, (width, height))
        count += 1
        end = max(end, _end(frame, stream))
    _check_end(file, container, stream, count, end)


_AGAIN = "write or copy the file again"
_SMALLER = "write it again, smaller"


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


def _check_shown(file: Path, width: int, height: int, least_side: int) -> None:
    if min(width, height) < least_side:
        found = f"has frames of {width}x{height}, which show too little"
        raise _wrong(file, found, f"at least {least_side} pixels wide and high", "name a larger video")
    if width * height > MOST_PIXELS:
        raise _wrong(file, f"is shown at {width}x{height}", f"at most {MOST_PIXELS:,} pixels", _SMALLER)


def _end(frame: VideoFrame, stream: VideoStream) -> float:
    """When the frame ends, in seconds; 0 if the file does not say."""
    rate = stream.average_rate
    return float(frame.time) + (1 / float(rate) if rate else 0.0) if frame.time is not None else 0.0


def _check_end(file: Path, container: InputContainer, stream: VideoStream, count: int, end: float) -> None:
    """Raise UsageError without any frame, or if the headers promise more frames than there are."""
    if count == 0:
        raise _wrong(file, "has no frames", remedy=_AGAIN)
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
