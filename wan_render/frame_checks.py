"""Checks of the frames that a renderer of any backend returns."""

from __future__ import annotations

from wan_render.errors import Problem, RenderError
from wan_render.render_values import Frames, Pixels, TakeInputs
from wan_render.take import Take

BLANK_CONTRAST = 8
"""A picture whose samples (0 to 255) have at least this standard deviation clearly shows something."""

BLANK_DIFFERENCE = 32
"""Two plain colours that are this far apart (0 to 255) are clearly different."""


def is_blank_instead(frame: Pixels, picture: Pixels) -> bool:
    """Whether a frame has one single colour although the picture that it should show clearly has more, or another one.

    In uint8, NaN becomes such a frame. No dark or pale picture is as even as that. A picture without contrast is only
    compared by its colour.

    frame, picture: (height, width, 3) uint8 RGB.
    """
    colour = frame[0, 0].astype("int16")
    if (frame != frame[0, 0]).any():
        return False
    mean = picture.mean(axis=(0, 1))
    return bool(picture.std(axis=(0, 1)).max() >= BLANK_CONTRAST or abs(mean - colour).max() >= BLANK_DIFFERENCE)


def checked(take: Take, frames: Frames, plates: TakeInputs) -> Frames:
    """The frames, if they have the take's shape and rate and show something.

    The seam checks this for every renderer. A backend that computes in floats should check in addition that they are
    finite before it rounds them: only it can say why they are not.

    Raises RenderError: a retry would fail in the same way.
    """
    expected = (take.frames, take.size.height, take.size.width, 3)
    pixels = frames.pixels
    if pixels.dtype != "uint8" or pixels.shape != expected or frames.rate != take.rate:
        raise RenderError(
            Problem(
                f"backend {take.backend}",
                f"returned {pixels.dtype} {pixels.shape} at {frames.rate} fps",
                f"expected uint8 {expected} at {take.rate} fps",
                "this is a bug in the backend; please report it",
            )
        )
    if reason := _shows_nothing(pixels, plates):
        remedy = "render it without LoRAs, with other settings, or on another device"
        raise RenderError(Problem(f"backend {take.backend}", reason, "", remedy))
    return frames


def _shows_nothing(pixels: Pixels, plates: TakeInputs) -> str:
    """What is wrong with a clip that shows one colour instead of a keyframe, or has no keyframes and is all black.

    "" for every other clip. No night scene is black in every sample.
    """
    for name, frame, plate in (("first", pixels[0], plates.first), ("last", pixels[-1], plates.last)):
        if plate is not None and is_blank_instead(frame, plate):
            colour = "black" if not frame.any() else f"of one colour, RGB {', '.join(map(str, frame[0, 0]))},"
            return f"the {name} frame is {colour} although the {name} keyframe is not"
    return "every frame is black" if plates.first is None and not pixels.any() else ""
