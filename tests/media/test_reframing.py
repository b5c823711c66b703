"""Crops around a focus that stands or moves."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest

from tests.media.films import CONTINUOUS, cut_of
from wan_render.cut import Event
from wan_render.media.frame_layers import Layer
from wan_render.media.reframing import focus_view
from wan_render.plan import CardText
from wan_render.plan.deliverable import FocusPoint
from wan_render.render_values import Pixels
from wan_render.take import Size
from wan_render.upscaling import Upscaling

WIDE, UPRIGHT = Size(160, 90), Size(9, 16)
HALF = Fraction(1, 2)


def columns() -> Pixels:
    """A picture whose level is its column."""
    return np.broadcast_to(np.arange(160, dtype=np.uint8)[None, :, None], (90, 160, 4))


def shown(focus: dict[str, tuple[FocusPoint, ...]], offset: int, event: int = 0) -> Pixels:
    events = [Event(name, CardText(""), 0, 9, joint=CONTINUOUS) for name in ("1/010", "1/020")]
    view = focus_view(cut_of(*events, size=WIDE, delivery=WIDE), UPRIGHT, focus)
    return view(columns(), Layer(event, offset, Fraction(1)))


@pytest.mark.parametrize(("left", "first"), [(0, 0), (0.25, 15), (0.5, 55), (1, 109)])
def test_a_crop_is_as_near_to_its_focus_as_the_picture_allows(left: float, first: int) -> None:
    part = shown({"1/010": (FocusPoint(Fraction(0), Fraction(left), HALF),)}, 4)
    assert part.shape == (90, 51, 4)
    assert abs(int(part[0, 0, 0]) - first) <= 1


def test_a_crop_moves_evenly_from_one_keyframe_to_the_next() -> None:
    points = (FocusPoint(Fraction(0), Fraction(1, 4), HALF), FocusPoint(Fraction(8), Fraction(3, 4), HALF))
    middle = [float(shown({"1/010": points}, offset)[45, 25, 0]) for offset in range(9)]
    assert np.diff(middle) == pytest.approx([10] * 8, abs=1)


@pytest.mark.parametrize(("fits", "area"), [("cover", (0, 320)), ("contain", (20, 280))])
def test_a_film_that_is_upscaled_is_cropped_at_its_own_size(
    fits: Literal["cover", "contain"], area: tuple[int, int]
) -> None:
    """Its pictures are as large as the film. Black bars beside them are left out."""
    raster = Size(160, 90) if fits == "cover" else Size(140, 90)
    cut = replace(
        cut_of(Event("1/010", CardText(""), 0, 9), size=raster, delivery=Size(320, 180)),
        fit=fits, upscale=Upscaling("realesrgan", "", 1.0),
    )  # fmt: skip
    left, width = area
    for at, corner in ((0, left), (1, left + width - 101), (Fraction(1, 2), left + width / 2 - 50.5)):
        view = focus_view(cut, UPRIGHT, {"1/010": (FocusPoint(Fraction(0), Fraction(at), HALF),)})
        picture = np.broadcast_to(np.arange(320)[None, :, None] // 2, (180, 320, 4)).astype(np.uint8)
        part = view(picture, Layer(0, 0, Fraction(1)))
        assert part.shape == (180, 101, 4)
        assert abs(float(part[0, 0, 0]) * 2 - corner) <= 2


def test_a_shot_without_a_focus_is_cropped_around_the_middle() -> None:
    assert abs(int(shown({}, 0, event=1)[0, 0, 0]) - 54) <= 1
