"""A video from the service → the frames of its take. Nothing in it is trusted."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from wan_render.errors import UsageError
from wan_render.footage.any_video import decoded_frames, opened_video
from wan_render.plates.conform import fitted_picture
from wan_render.render_values import Frames, Pixels
from wan_render.take import Take

MOST_FRAMES = 60 * 61
"""A minute at 60 frames per second: twice what any model of the service makes."""

ASPECT_ERROR = 0.03
"""Sizes are multiples of 16 at the service, so its shape differs a little from the take's."""

LENGTH_ERROR = Fraction(3, 5)
"""Seconds by which a video may be longer or shorter than its take."""

_CENTRE = (Fraction(1, 2), Fraction(1, 2))


class WrongVideoError(Exception):
    """The video cannot be used. is_whole: whether it can be read to its end, so that fetching it again is no use."""

    def __init__(self, found: str, *, is_whole: bool) -> None:
        super().__init__(found)
        self.found, self.is_whole = found, is_whole


def frames_of(file: Path, take: Take) -> Frames:
    """The frames, spread evenly over the take's: its first is the video's first, its last the video's last.

    Raises WrongVideoError for a video that is damaged, or of another shape or length than the take.
    """
    count = check_video(file, take)
    try:
        shown = [round(at * (count - 1) / max(take.frames - 1, 1)) for at in range(take.frames)]
        pixels = np.empty((take.frames, take.size.height, take.size.width, 3), np.uint8)
        places: dict[int, list[int]] = {}
        for at, number in enumerate(shown):
            places.setdefault(number, []).append(at)
        with opened_video(file) as container:
            for number, decoded in enumerate(decoded_frames(file, container, MOST_FRAMES, lambda _: None)):
                if number in places:
                    pixels[places[number]] = _conformed(decoded.picture(), take)
    except UsageError as error:
        raise WrongVideoError(error.problems[0].found, is_whole=False) from None
    return Frames(pixels, take.rate)


def _conformed(picture: Pixels, take: Take) -> Pixels:
    return fitted_picture(picture, take.size, _CENTRE, "cover")


def check_video(file: Path, take: Take) -> int:
    """How many frames it has. Raises WrongVideoError."""
    count, first, last = 0, Fraction(0), Fraction(0)
    size = (0, 0)
    try:
        with opened_video(file) as container:
            for decoded in decoded_frames(file, container, MOST_FRAMES, lambda _: None):
                first = decoded.time or Fraction(0) if count == 0 else first
                last, size = decoded.time or Fraction(0), decoded.upright_size
                count += 1
    except UsageError as error:
        raise WrongVideoError(error.problems[0].found, is_whole=False) from None
    aspect = size[0] / size[1] / (take.size.width / take.size.height)
    if abs(aspect - 1) > ASPECT_ERROR:
        raise WrongVideoError(f"is {size[0]}x{size[1]}, and the take is {take.size}", is_whole=True)
    wanted = Fraction(take.frames - 1) / take.rate
    if abs((last - first) - wanted) > LENGTH_ERROR:
        found = f"lasts {float(last - first):.2f} s, and the take {float(wanted):.2f} s"
        raise WrongVideoError(found, is_whole=True)
    return count
