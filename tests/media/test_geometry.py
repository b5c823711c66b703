from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_render.media.geometry import Window, fit
from wan_render.take import Size

sides = st.integers(4, 120).map(lambda n: n * 16)
even_sides = st.integers(32, 2160).map(lambda n: n * 2)


@pytest.mark.parametrize(
    ("raster", "delivery", "source"),
    [
        (Size(832, 480), Size(1280, 720), Window(Size(832, 468), 0, 6)),
        (Size(480, 832), Size(720, 1280), Window(Size(468, 832), 6, 0)),
        (Size(624, 624), Size(720, 720), Window(Size(624, 624), 0, 0)),
        (Size(704, 544), Size(960, 720), Window(Size(704, 528), 0, 8)),
        (Size(1280, 720), Size(3840, 2160), Window(Size(1280, 720), 0, 0)),
        (Size(832, 480), Size(832, 480), Window(Size(832, 480), 0, 0)),
    ],
    ids=str,
)
def test_cover_crops_both_sides_equally(raster: Size, delivery: Size, source: Window) -> None:
    assert fit(raster, delivery, "cover").source == source
    assert fit(raster, delivery, "cover").scaled == Window(delivery, 0, 0)


def test_contain_shows_the_whole_raster_between_bars() -> None:
    placing = fit(Size(832, 480), Size(1280, 720), "contain")
    assert placing.source == Window(Size(832, 480), 0, 0)
    assert placing.scaled == Window(Size(1248, 720), 16, 0)
    assert fit(Size(480, 832), Size(1280, 720), "contain").scaled == Window(Size(416, 720), 432, 0)


@given(sides, sides, even_sides, even_sides)
def test_cover_is_never_stretched_by_more_than_rounding(rw: int, rh: int, dw: int, dh: int) -> None:
    raster, delivery = Size(rw, rh), Size(dw, dh)
    window = fit(raster, delivery, "cover").source
    assert window.left + window.size.width <= rw
    assert window.top + window.size.height <= rh
    assert window.size.width == rw or window.size.height == rh
    exact = min(Fraction(rw, dw), Fraction(rh, dh))
    assert abs(window.size.width - exact * dw) <= Fraction(1, 2)
    assert abs(window.size.height - exact * dh) <= Fraction(1, 2)


@given(sides, sides, even_sides, even_sides)
def test_contain_is_placed_on_even_pixels(rw: int, rh: int, dw: int, dh: int) -> None:
    window = fit(Size(rw, rh), Size(dw, dh), "contain").scaled
    assert not any(value % 2 for value in (window.left, window.top, window.size.width, window.size.height))
    assert window.left + window.size.width <= dw
    assert window.top + window.size.height <= dh
    assert window.size.width >= dw - 2 or window.size.height >= dh - 2
