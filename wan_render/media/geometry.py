"""How the raster becomes the delivery: square pixels, nothing stretched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wan_render.plan.film_sizes import inside, shown_size
from wan_render.take import Size


@dataclass(frozen=True)
class Window:
    """A part of a picture: its size and its upper left corner."""

    size: Size
    left: int
    top: int


@dataclass(frozen=True)
class Placement:
    """`source` is cropped from the raster, scaled to `scaled.size` and placed on the delivery at `scaled`."""

    source: Window
    scaled: Window
    delivery: Size


def fit(raster: Size, delivery: Size, how: Literal["cover", "contain"]) -> Placement:
    """cover: the raster fills the delivery; the excess is cropped equally on both sides, to half a raster pixel.
    contain: the whole raster is visible between black bars of even width, as 4:2:0 requires."""
    whole = Window(raster, 0, 0)
    if how == "cover":
        return Placement(_middle(raster, inside(delivery, raster, step=1), step=1), Window(delivery, 0, 0), delivery)
    return Placement(whole, _middle(delivery, shown_size(raster, delivery), step=2), delivery)


def _middle(frame: Size, size: Size, step: int) -> Window:
    left, top = (frame.width - size.width) // (2 * step) * step, (frame.height - size.height) // (2 * step) * step
    return Window(size, left, top)
