"""A decoded frame as players show it: upright, with square pixels, in sRGB."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from wan_render.plates.colour_space import as_srgb
from wan_render.plates.stated_colours import hdr_space
from wan_render.render_values import Pixels

if TYPE_CHECKING:
    from av import VideoFrame

_BT709, _BT601, _BT2020 = 1, 5, 9
_MATRICES = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: _BT2020, 10: _BT2020}
"""Matrix coefficients of a frame (ITU-T H.273) → PyAV's colour space."""

_SIXTEEN_BITS = 65535

Turn = tuple[bool, bool, bool]
"""What makes a picture upright, in this order: swap rows and columns, mirror the columns, mirror the rows."""

AS_IT_IS: Turn = (False, False, False)


def square_size(frame: VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """Width and height with square pixels, before the frame is turned. aspect: of a pixel; None for square ones."""
    return (max(1, round(frame.width * aspect)) if aspect else frame.width), frame.height


def shown_frame(frame: VideoFrame, size: tuple[int, int]) -> Pixels:
    """(height, width, 3) uint8 RGB, upright. size: of square_size.

    HDR becomes sRGB as it does in keyframes. Untagged colours are read as BT.601.
    """
    space = hdr_space(int(frame.color_primaries), int(frame.color_trc))
    matrix = _MATRICES.get(int(frame.colorspace), _BT601 if space is None else _BT2020)
    form = "rgb24" if space is None else "rgb48le"
    samples = frame.to_ndarray(format=form, width=size[0], height=size[1], src_colorspace=matrix)
    picture = samples if space is None else as_srgb(samples, _SIXTEEN_BITS, space) // 257
    return _turned(picture.astype(np.uint8, copy=False), turn_of(frame) or AS_IT_IS)


def showing_notes(frame: VideoFrame, aspect: Fraction | None) -> tuple[str, ...]:
    """What is done with the frames of a clip that the user may not expect, in words."""
    space, turn = hdr_space(int(frame.color_primaries), int(frame.color_trc)), turn_of(frame)
    found = []
    if space is not None:
        found.append(f"is HDR ({space.hdr}, {space.name}): highlights are compressed to sRGB, as in keyframes")
    if turn is None:
        found.append("states a turn that is no quarter turn: shown as it is stored")
    elif turn != AS_IT_IS:
        found.append("is turned upright, as its metadata says")
    if aspect and aspect != 1:
        width, height = square_size(frame, aspect)
        found.append(f"has pixels that are not square ({aspect}): shown at {width}x{height}")
    return tuple(found)


def turn_of(frame: VideoFrame) -> Turn | None:
    """What a frame's display matrix says; None if it is no quarter turn.

    The matrix maps a stored point (x, y) to (a x + c y, b x + d y): ISO/IEC 14496-12, 6.2.2.
    """
    from av.sidedata.sidedata import Type

    side_data: Any = frame.side_data  # PyAV's types describe it as a dictionary
    stated = side_data.get(Type.DISPLAYMATRIX)
    if stated is None:
        return AS_IT_IS
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(stated)[:20], "=i4"))
    if b == c == 0 and a and d:
        return False, a < 0, d < 0
    if a == d == 0 and b and c:
        return True, c < 0, b < 0
    return None


def _turned(picture: Pixels, turn: Turn) -> Pixels:
    swap, mirror_columns, mirror_rows = turn
    picture = picture.swapaxes(0, 1) if swap else picture
    picture = picture[:, ::-1] if mirror_columns else picture
    return np.ascontiguousarray(picture[::-1] if mirror_rows else picture)
