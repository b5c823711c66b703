"""Pictures → packets. On many cores several pictures are coded at the same time, each by one or a few threads.

No frame depends on another, so it does not matter which encoder codes it: the packets are the same, byte for byte.
Threads that share a frame wait for its slowest part, and for what is not cut into parts. While they wait, the cores
code other frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, cast

from wan_render.media.clip_coding import ClipCoding, coding_threads
from wan_render.media.stored_pictures import stored_frame
from wan_render.render_values import Pixels
from wan_render.take import Size

if TYPE_CHECKING:
    from av import Packet, VideoCodecContext, VideoStream


class FrameEncoders:
    """Codes pictures of one size in one way."""

    def __init__(self, size: Size, rate: Fraction, coding: ClipCoding) -> None:
        self._size, self._rate, self._coding = size, rate, coding
        self._idle: SimpleQueue[VideoCodecContext] = SimpleQueue()

    def set_up(self, encoder: VideoCodecContext) -> VideoCodecContext:
        """The same encoder, with everything that determines the bytes of its packets."""
        coding = self._coding
        encoder.width, encoder.height, encoder.pix_fmt = self._size.width, self._size.height, coding.pixel_format
        encoder.framerate, encoder.time_base, encoder.gop_size = self._rate, 1 / self._rate, 1
        encoder.options = dict(coding.options)
        encoder.thread_type, encoder.thread_count = "SLICE", min(coding.picture_threads, coding_threads())
        return encoder

    def packets(self, pictures: Iterable[Pixels]) -> Iterator[Packet[VideoStream]]:
        """A packet for each picture, (height, width, 3) uint8 RGB, in their order.

        At most two pictures for each encoder are in memory. Raises what `pictures` raises, and av.FFmpegError. No
        thread is left, also when the caller stops early.
        """
        at_once = self._coding.at_once
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
        frame = stored_frame(picture, self._coding.pixel_format)
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
            encoder = av.CodecContext.create(self._coding.codec, "w")
            return self.set_up(cast("VideoCodecContext", encoder))
