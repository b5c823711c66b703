"""Crops a film to another shape, each shot around its own focus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from wan_render.cut import Cut
from wan_render.media.frame_layers import Layer
from wan_render.media.geometry import Window, fit
from wan_render.plan.deliverable import FocusPoint, focus_at
from wan_render.plan.film_sizes import inside
from wan_render.render_values import Pixels
from wan_render.take import Size

RasterPlace = Callable[[Fraction, Fraction], tuple[float, float]]

_MIDDLE = (FocusPoint(Fraction(0), Fraction(1, 2), Fraction(1, 2)),)

_MOVES = 1e-6
"""A crop that moves less than this many pixels in its shot stands still, on whole pixels."""


@dataclass(frozen=True)
class FocusView:
    """What a crop shows of every picture of a cut: a part of `size`, inside `area`.

    placed: where the focus of the raster is in the pictures, in pixels. focus: of each event, in the raster.
    """

    size: Size
    area: Window
    placed: RasterPlace
    focus: Sequence[Sequence[FocusPoint]]

    def __call__(self, picture: Pixels, layer: Layer) -> Pixels:
        """That part. A crop that moves is resampled between pixels, so that it moves evenly."""
        points = self.focus[layer.event]
        left, top = self._corner(points, Fraction(layer.offset))
        if self._stands_still(points):
            x, y = round(left), round(top)
            return np.ascontiguousarray(picture[y : y + self.size.height, x : x + self.size.width])
        return self._resampled(picture, left, top)

    def _stands_still(self, points: Sequence[FocusPoint]) -> bool:
        corners = [self._corner(points, point.at) for point in points]
        spans = (max(line) - min(line) for line in zip(*corners, strict=True))
        return all(span < _MOVES for span in spans)

    def _corner(self, points: Sequence[FocusPoint], at: Fraction) -> tuple[float, float]:
        """The upper left corner of the part, as near to the focus as its area allows."""
        x, y = self.placed(*focus_at(points, at))
        most_left = self.area.left + self.area.size.width - self.size.width
        most_top = self.area.top + self.area.size.height - self.size.height
        left = min(max(x - self.size.width / 2, self.area.left), most_left)
        return left, min(max(y - self.size.height / 2, self.area.top), most_top)

    def _resampled(self, picture: Pixels, left: float, top: float) -> Pixels:
        import cv2

        move = np.array([[1, 0, left], [0, 1, top]], np.float64)
        how = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
        size = (self.size.width, self.size.height)
        part = cv2.warpAffine(picture, move, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
        return part.astype(np.uint8, copy=False)


def focus_view(planned: Cut, shape: Size, focus: Mapping[str, Sequence[FocusPoint]]) -> FocusView:
    """The view for a crop of `shape`.

    planned: the cut of the film. If it is upscaled, its pictures are composed as large as the film, else at the raster.
    focus: shot id → its focus in the raster; others are cropped around the middle.
    """
    placing = fit(planned.size, planned.delivery, planned.fit)
    whole = Window(planned.size, 0, 0)
    is_enlarged = planned.upscale is not None
    area = placing.scaled if is_enlarged else placing.source
    seen = placing.source if is_enlarged else whole
    shown = placing.scaled if is_enlarged else whole

    def placed(left: Fraction, top: Fraction) -> tuple[float, float]:
        x = (float(left) * planned.size.width - seen.left) / seen.size.width
        y = (float(top) * planned.size.height - seen.top) / seen.size.height
        return shown.left + x * shown.size.width, shown.top + y * shown.size.height

    points = [focus.get(event.name) or _MIDDLE for event in planned.events]
    return FocusView(inside(shape, area.size, step=1), area, placed, points)
