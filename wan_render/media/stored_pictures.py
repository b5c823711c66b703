"""Pictures ↔ frames as they are coded: the same levels in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wan_render.render_values import Pixels

if TYPE_CHECKING:
    from av import VideoFrame

_GREEN, _BLUE, _RED = 0, 1, 2
"""The planes of `gbrp`."""


def stored_frame(picture: Pixels, pixel_format: str) -> VideoFrame:
    """RGB, (height, width, 3) uint8, as a frame in `bgr0` or `gbrp`."""
    import av
    import cv2

    height, width, _ = picture.shape
    frame = av.VideoFrame(width, height, pixel_format)
    picture = np.ascontiguousarray(picture)
    if pixel_format == "bgr0":
        cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA, dst=_plane(frame, 0, 4))
    else:
        planes = [_plane(frame, each, 1) for each in (_RED, _GREEN, _BLUE)]
        cv2.mixChannels([picture], planes, [0, 0, 1, 1, 2, 2])
    return frame


def rgb_picture(frame: VideoFrame) -> Pixels:
    """A frame in `bgr0` or `gbrp` as (height, width, 3) uint8 RGB."""
    import cv2

    if frame.format.name == "bgr0":
        return cv2.cvtColor(_plane(frame, 0, 4), cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)
    return cv2.merge([_plane(frame, each, 1) for each in (_RED, _GREEN, _BLUE)]).astype(np.uint8, copy=False)


def bgr0_picture(frame: VideoFrame) -> Pixels:
    """A frame in `bgr0` or `gbrp` as (height, width, 4) uint8: blue, green, red, unused. It may be the frame's own
    memory."""
    import cv2

    if frame.format.name == "bgr0":
        return _plane(frame, 0, 4)
    planes = [_plane(frame, each, 1) for each in (_BLUE, _GREEN, _RED)]
    unused = np.full((frame.height, frame.width), 255, np.uint8)
    return cv2.merge([*planes, unused]).astype(np.uint8, copy=False)


def _plane(frame: VideoFrame, number: int, channels: int) -> Pixels:
    """A plane's own memory, (height, width, channels) uint8; no copy."""
    plane = frame.planes[number]
    shape = (frame.height, frame.width, channels)
    return np.ndarray(shape, np.uint8, memoryview(plane), strides=(plane.line_size, channels, 1))
