"""Pictures → FFV1 packets. On many cores several pictures are coded at the same time, each by a few threads.

With `-g 1` no frame depends on another, so it does not matter which encoder codes it: the packets are the same, byte
for byte. Threads that share a frame wait for its slowest slice, and for what is not cut into slices. While they wait,
the cores code other frames.
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
    from av import Packet, VideoCodecContext, VideoFrame, VideoStream

MOST_THREADS = 16
"""That code, and that decode. More would need more memory."""

FRAME_THREADS = 4
"""That code one frame. An encoder of 1280x720 needs 60 MB, so there are few encoders with several threads each."""


def coding_threads() -> int:
    """How many threads code or decode on this machine."""
    return min(MOST_THREADS, os.cpu_count() or 1)


def frames_at_once() -> int:
    """How many frames are coded at the same time: one more than the cores are enough for, so that none idles. With
    fewer cores than FRAME_THREADS it is one."""
    return coding_threads() // FRAME_THREADS + 1


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
        encoder.options = dict(self._options)
        encoder.thread_type, encoder.thread_count = "SLICE", min(FRAME_THREADS, coding_threads())
        return encoder

    def packets(self, pictures: Iterable[Pixels]) -> Iterator[Packet[VideoStream]]:
        """A packet for each picture, (height, width, 3) uint8 RGB, in their order.

        At most two pictures for each encoder are in memory. Raises what `pictures` raises, and av.FFmpegError. No
        thread is left, also when the caller stops early.
        """
        at_once = frames_at_once()
        begun: deque[Future[Packet[VideoStream]]] = deque()
        with ThreadPoolExecutor(at_once, "encode") as pool:
            try:
                for number, picture in enumerate(pictures):
                    begun.append(pool.submit(self._coded, picture, number))
                    if len(begun) >= 2 * at_once:
                        yield begun.popleft().result()
                while begun:
                    yield begun.popleft().result()
            finally:
                for packet in begun:
                    packet.cancel()

    def _coded(self, picture: Pixels, number: int) -> Packet[VideoStream]:
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
