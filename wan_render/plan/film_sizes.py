"""Sizes of a film: the raster that models render, and the delivery."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

from wan_render.authored import Film
from wan_render.plan.findings import Findings
from wan_render.plates import cropped_share
from wan_render.take import Size

RASTER_STEP = 16
"""Width and height of a raster are multiples of this (the VAE's 8 times the DiT's patch of 2)."""

# The sizes that the format's names stand for in each aspect, from the tables of Wan's repositories. Part of keys.
_SIZES_480P = (Size(832, 480), Size(480, 832), Size(624, 624), Size(704, 544), Size(544, 704))
_SIZES_720P = (Size(1280, 720), Size(720, 1280), Size(960, 960), Size(1088, 832), Size(832, 1088))
_ASPECTS = (Fraction(16, 9), Fraction(9, 16), Fraction(1), Fraction(4, 3), Fraction(3, 4))
_NAMED_SIZES = {
    "480p": dict(zip(_ASPECTS, _SIZES_480P, strict=True)),
    "720p": dict(zip(_ASPECTS, _SIZES_720P, strict=True)),
}
_SHORT_SIDES = {"480p": 480, "720p": 720, "1080p": 1080, "4k": 2160}
_WIDEST = Fraction(16, 9)
MOST_CROPPED = Fraction(1, 20)
"""The share of a picture that is cropped without a warning."""


def raster(film: Film) -> Size:
    """The size that models render: the named size for the aspect, or the nearest size of the same area on the grid."""
    if isinstance(film.raster, Size):
        return film.raster
    known = _NAMED_SIZES[film.raster]
    return known.get(film.aspect) or _same_area(known[_WIDEST], film.aspect)


def named_aspects() -> dict[str, Size]:
    """The aspects that named sizes exist for: the storyboard's name of the aspect → its shape."""
    return {f"{shape.numerator}:{shape.denominator}": Size(shape.numerator, shape.denominator) for shape in _ASPECTS}


def delivery(film: Film, rendered: Size, findings: Findings) -> Size:
    """The size of the film. Both sides are even, as H.264 requires."""
    written = film.deliver
    size = written if isinstance(written, Size) else _by_short_side(_SHORT_SIDES[written], film.aspect)
    _warn_of_other_shape(film, rendered, size, findings)
    return size


def inside(shape: Size, frame: Size, step: int) -> Size:
    """The largest size of a shape's aspect inside a frame, each side the nearest multiple of `step`."""
    scale = min(Fraction(frame.width, shape.width), Fraction(frame.height, shape.height))
    return Size(
        _nearest(scale * shape.width, step, frame.width),
        _nearest(scale * shape.height, step, frame.height),
    )


def shown_size(rendered: Size, delivered: Size) -> Size:
    """The size of the whole raster inside the delivery. Both sides are even, as 4:2:0 colour requires."""
    return inside(rendered, delivered, step=2)


def _nearest(length: Fraction, step: int, most: int) -> int:
    return min(most, max(step, step * round(length / step)))


def _same_area(size: Size, aspect: Fraction) -> Size:
    height = sqrt(size.width * size.height / aspect)
    return Size(_to_grid(height * aspect), _to_grid(height))


def _to_grid(length: float) -> int:
    return max(RASTER_STEP, int(length / RASTER_STEP + 0.5) * RASTER_STEP)


def _by_short_side(short: int, aspect: Fraction) -> Size:
    """The short side as named; shapes longer than 16:9 have 16:9's long side instead (2.39 → 1280x536)."""
    longer = max(aspect, 1 / aspect)
    long_side = short * min(longer, _WIDEST)
    sides = _even(long_side), _even(long_side / longer)
    return Size(*(sides if aspect >= 1 else sides[::-1]))


def _even(length: Fraction) -> int:
    return max(2, (length / 2 + Fraction(1, 2)).__floor__() * 2)


def _warn_of_other_shape(film: Film, rendered: Size, delivered: Size, findings: Findings) -> None:
    if film.fit == "contain":
        _warn_of_bars(rendered, delivered, findings)
        return
    lost = cropped_share((rendered.width, rendered.height), delivered)
    if lost > MOST_CROPPED:
        findings.warn(
            ("film", "deliver"),
            f"{rendered} is delivered as {delivered}: about {float(lost):.0%} of the picture is cropped",
            remedy="write the aspect, raster or delivery that fits the others",
        )


def _warn_of_bars(rendered: Size, delivered: Size, findings: Findings) -> None:
    """Warn about black bars, however thin: even a hairline at an edge is visible, and nobody asked for it."""
    shown = shown_size(rendered, delivered)
    beside, above = delivered.width - shown.width, delivered.height - shown.height
    bars = [
        f"{pixels} pixels of black {sides}"
        for pixels, sides in ((beside, "left and right"), (above, "above and below"))
        if pixels
    ]
    if bars:
        found = f"{rendered} is delivered as {delivered}, with {' and '.join(bars)} in all"
        findings.warn(("film", "fit"), found, "`contain` keeps the whole picture", "write fit: cover for none")
