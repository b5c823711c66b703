"""A picture in the shape of the raster, but larger → the part of it that the film shows, on the delivery."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from wan_render.media.geometry import Placement
from wan_render.render_values import Pixels
from wan_render.take import Size


def enlarged_raster(placement: Placement, raster: Size) -> Size:
    """The raster's size at the delivery's scale: 832x480 in 1280x720 is 1280x738, of which 720 lines are shown."""
    across, down = _scales(placement)
    return Size(round(raster.width * across), round(raster.height * down))


def part_shown(picture: Pixels, placement: Placement, raster: Size) -> Pixels:
    """The part of a picture of `enlarged_raster`'s size that a film shows: (height, width, 3), as large as scaled."""
    across, down = _scales(placement)
    size, whole = placement.scaled.size, enlarged_raster(placement, raster)
    left = min(round(placement.source.left * across), whole.width - size.width)
    top = min(round(placement.source.top * down), whole.height - size.height)
    return picture[top : top + size.height, left : left + size.width]


def placed(picture: Pixels, placement: Placement) -> Pixels:
    """A picture of the scaled size on the delivery, between black bars if it has any."""
    scaled, delivery = placement.scaled, placement.delivery
    if scaled.size == delivery:
        return picture
    whole = np.zeros((delivery.height, delivery.width, 3), np.uint8)
    bottom, right = scaled.top + scaled.size.height, scaled.left + scaled.size.width
    whole[scaled.top : bottom, scaled.left : right] = picture
    return whole


def _scales(placement: Placement) -> tuple[Fraction, Fraction]:
    source, scaled = placement.source.size, placement.scaled.size
    return Fraction(scaled.width, source.width), Fraction(scaled.height, source.height)
