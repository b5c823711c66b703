"""Pictures → FFV1 packets. Several pictures are coded at the same time, each by one thread.

With `-g 1` no frame depends on another, so it does not matter which encoder codes it: the packets are the same, byte
for byte. Threads that share a frame's slices wait for the slowest slice of every frame; these wait for nothing.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import numpy as np

from wan_render.render_values import Pixels
from wan_render.take import Size

if TYPE_CHECKING:
    from av import Packet, VideoCodecContext, VideoFrame

MOST_THREADS = 16
"""Pictures that are coded at the same time, and decoded. More would need more memory; no GPU makes them faster."""


def coding_threads() -> int:
    """How many pictures this machine codes at the same time."""
    return min(MOST_THREADS, os.cpu_count() or 1)


class FrameEncoders:
    """Codes pictures as FFV1 in `bgr0`. slices: into which each picture is cut; each has its own checksum."""

    def __init__(self, size: Size, rate: Fraction, slices: int) -> None:
        self._size, self._rate = size, rate
        self._options = {"level": "3", "slices": str(slices), "slicecrc": "1"}
        self._idle: SimpleQueue[VideoCodecContext] = SimpleQueue()

    def set_up(self, encoder: VideoCodecContext) -> VideoCodecContext:
        """The same encoder, with everything that determines the bytes of its packets."""
        encoder.width, encoder.height, encoder.pix_fmt = self._size.width, self._size.height, "bgr0"
        encoder.framerate, encoder.time_base, encoder.gop_size = self._rate, 1 / self._rate, 1
        encoder.options, encoder.thread_count = dict(self._options), 1
        return encoder

    def packets(self, pictures: Iterable[Pixels]) -> Iterator[Packet]:
        """A packet for each picture, (height, width, 3) uint8 RGB, in their order.

        At most two pictures for each thread are in memory. Raises what `pictures` raises, and av.FFmpegError. No thread
        is left, also when the caller stops early.
        """
        threads = coding_threads()
        begun: deque[Future[Packet]] = deque()
        with ThreadPoolExecutor(threads, "encode") as pool:
            try:
                for number, picture in enumerate(pictures):
                    begun.append(pool.submit(self._coded, picture, number))
                    if len(begun) >= 2 * threads:
                        yield begun.popleft().result()
                while begun:
                    yield begun.popleft().result()
            finally:
                for packet in begun:
                    packet.cancel()

    def _coded(self, picture: Pixels, number: int) -> Packet:
        frame = stored_frame(picture)
        frame.pts, frame.time_base = number, 1 / self._rate
        encoder = self._free()
        (packet,) = encoder.encode(frame)
        self._idle.put(encoder)
        return packet

    def _free(self) -> VideoCodecContext:
        import av

        try:
            return self._idle.get_nowait()
        except Empty:
            return self.set_up(av.VideoCodecContext.create("ffv1", "w"))


def stored_frame(picture: Pixels) -> VideoFrame:
    """RGB as a bgr0 frame: the same bytes in another order."""
    import av
    import cv2

    height, width, _ = picture.shape
    frame = av.VideoFrame(width, height, "bgr0")
    cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGRA, dst=frame_plane(frame))
    return frame


def frame_plane(frame: VideoFrame) -> Pixels:
    """A bgr0 frame's own memory, (height, width, 4) uint8: blue, green, red, unused; no copy."""
    plane = frame.planes[0]
    return np.ndarray((frame.height, frame.width, 4), np.uint8, memoryview(plane), strides=(plane.line_size, 4, 1))
