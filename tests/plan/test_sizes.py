"""What models render and what is handed over."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_render.authored import Document, Film, Storyboard
from wan_render.plan.film_sizes import delivery, raster
from wan_render.plan.findings import Findings
from wan_render.take import Size

WAN = {
    "16:9": ("832x480", "1280x720"),
    "9:16": ("480x832", "720x1280"),
    "1:1": ("624x624", "960x960"),
    "4:3": ("704x544", "1088x832"),
    "3:4": ("544x704", "832x1088"),
}


def film(**keys: Any) -> Film:
    return Film(**keys)


def delivered(shown: Film) -> tuple[Size, int]:
    findings = Findings(Document(storyboard=Storyboard(), file=Path("x.yaml"), marks={}))
    return delivery(shown, raster(shown), findings), len(findings.warnings)


@pytest.mark.parametrize("aspect", WAN)
def test_rasters_are_wans_own_sizes(aspect: str) -> None:
    shape = Fraction(aspect.replace(":", "/"))
    assert str(raster(film(aspect=shape, raster="480p"))) == WAN[aspect][0]
    assert str(raster(film(aspect=shape, raster="720p"))) == WAN[aspect][1]


def test_other_aspects_have_the_same_area_on_the_grid() -> None:
    assert str(raster(film(aspect=Fraction("2.39")))) == "976x416"
    assert str(raster(film(aspect=Fraction("2.39"), raster="720p"))) == "1488x624"
    assert str(raster(film(aspect=1 / Fraction("2.39")))) == "416x976"


@given(st.fractions(Fraction(1, 4), Fraction(4)))
def test_every_raster_is_on_the_grid_and_about_as_large(aspect: Fraction) -> None:
    size = raster(film(aspect=aspect))
    assert size.width % 16 == size.height % 16 == 0
    assert 0.9 < size.width * size.height / (832 * 480) < 1.1


def test_a_raster_in_pixels_is_taken_as_it_is() -> None:
    assert raster(film(raster=Size(64, 48))) == Size(64, 48)


@pytest.mark.parametrize(
    ("aspect", "deliver", "size"),
    [
        ("16/9", "480p", "854x480"),
        ("16/9", "720p", "1280x720"),
        ("16/9", "1080p", "1920x1080"),
        ("16/9", "4k", "3840x2160"),
        ("9/16", "720p", "720x1280"),
        ("9/16", "1080p", "1080x1920"),
        ("1", "720p", "720x720"),
        ("4/3", "720p", "960x720"),
        ("3/4", "720p", "720x960"),
        ("2.39", "720p", "1280x536"),
        ("2.39", "1080p", "1920x804"),
        ("1/2.39", "720p", "536x1280"),
        ("21/9", "720p", "1280x548"),
    ],
)
def test_deliveries_by_their_short_side(aspect: str, deliver: str, size: str) -> None:
    over, _, under = aspect.partition("/")
    shape = Fraction(over) / Fraction(under or "1")
    assert str(delivered(film(aspect=shape, deliver=deliver))[0]) == size


@given(st.fractions(Fraction(1, 20), Fraction(20)), st.sampled_from(["480p", "720p", "1080p", "4k"]))
def test_deliveries_have_even_sides(aspect: Fraction, deliver: str) -> None:
    size, _ = delivered(film(aspect=aspect, deliver=deliver))
    assert size.width % 2 == size.height % 2 == 0


def told(shown: Film) -> list[str]:
    findings = Findings(Document(storyboard=Storyboard(), file=Path("x.yaml"), marks={}))
    delivery(shown, raster(shown), findings)
    return [problem.found for problem in findings.warnings]


def test_bars_are_told_in_pixels_however_thin() -> None:
    assert told(film(fit="contain")) == [
        "832x480 is delivered as 1280x720, with 32 pixels of black left and right in all"
    ]
    assert told(film(fit="contain", raster=Size(640, 360))) == []
    (both,) = told(film(fit="contain", raster=Size(640, 640)))
    assert "560 pixels of black left and right" in both


def test_a_delivery_of_another_shape_than_the_raster_is_a_warning() -> None:
    assert delivered(film()) == (Size(1280, 720), 0)
    assert delivered(film(raster=Size(640, 640))) == (Size(1280, 720), 1)
    assert delivered(film(deliver=Size(720, 720))) == (Size(720, 720), 1)
    assert delivered(film(raster=Size(640, 640), deliver=Size(720, 720))) == (Size(720, 720), 0)
