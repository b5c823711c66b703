"""Checks of the frames that come back from a renderer, whatever backend it belongs to."""

from __future__ import annotations

from wan_render.errors import Problem, RenderError
from wan_render.render_values import Frames, Pixels, TakeInputs
from wan_render.take import Take

BLANK_CONTRAST = 8
"""Standard deviation of a picture's samples, 0 to 255, from which it plainly shows something."""

BLANK_DIFFERENCE = 32
"""Of 255: so far apart two even colours are plainly not the same."""


def is_blank_instead(frame: Pixels, picture: Pixels) -> bool:
    """Whether a frame is of one single colour although the picture that it should show plainly is not, or is of
    another: in uint8 this is what is left of NaN. No dark or pale picture comes out so even, and a picture without
    contrast is only compared by its colour.

    frame, picture: (height, width, 3) uint8 RGB.
    """
    colour = frame[0, 0].astype("int16")
    if (frame != frame[0, 0]).any():
        return False
    mean = picture.mean(axis=(0, 1))
    return bool(picture.std(axis=(0, 1)).max() >= BLANK_CONTRAST or abs(mean - colour).max() >= BLANK_DIFFERENCE)


def checked(take: Take, frames: Frames, plates: TakeInputs) -> Frames:
    """The frames, if they are what the take asks for and show something; the seam promises this whatever a renderer
    does. A backend that computes in floats also looks whether they are finite before it rounds them: it can say why.

    Raises RenderError: another attempt would end alike.
    """
    expected = (take.frames, take.size.height, take.size.width, 3)
    pixels = frames.pixels
    if pixels.dtype != "uint8" or pixels.shape != expected or frames.rate != take.rate:
        raise RenderError(
            Problem(
                f"backend {take.backend}",
                f"returned {pixels.dtype} {pixels.shape} at {frames.rate} fps",
                f"expected uint8 {expected} at {take.rate} fps",
                "this is a defect of the backend, please report it",
            )
        )
    if reason := _shows_nothing(pixels, plates):
        remedy = "render it without LoRAs, at other settings, or on another device"
        raise RenderError(Problem(f"backend {take.backend}", reason, "", remedy))
    return frames


def _shows_nothing(pixels: Pixels, plates: TakeInputs) -> str:
    """What is wrong with a clip that ends on one colour instead of its keyframes, or without any is black to the last
    sample; "" for every other one. Nothing that was photographed or painted at night comes out so black."""
    for name, frame, plate in (("first", pixels[0], plates.first), ("last", pixels[-1], plates.last)):
        if plate is not None and is_blank_instead(frame, plate):
            colour = "black" if not frame.any() else f"of one colour, RGB {', '.join(map(str, frame[0, 0]))},"
            return f"the {name} frame is {colour} although the {name} keyframe is not"
    return "every frame is black" if plates.first is None and not pixels.any() else ""
