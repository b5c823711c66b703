"""`film.deliverables`: the files that are made of a finished film, and whether this machine can make them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from fractions import Fraction
from math import ceil

from wan_render.authored import DeliverableForm, Film
from wan_render.plan.deliverable import (
    CROP_SHAPES,
    ENCODERS,
    LIKE_THE_FILM,
    MOVING_PICTURES,
    FilmDeliverables,
    PlannedDeliverable,
)
from wan_render.plan.film_ends import in_film_frames
from wan_render.plan.film_sizes import inside, shown_size
from wan_render.plan.findings import Findings
from wan_render.plan.joints import Rates
from wan_render.take import Size

FfmpegFeatures = Callable[[str], Collection[str]]
"""What the machine's ffmpeg has: `encoders` or `filters` → their names. Empty if no ffmpeg runs."""

FIRST_TIMECODE_SECONDS = 3600
"""A programme begins at 01:00:00:00, as broadcasters and labs expect: bars and a countdown have room before it."""

MOST_LOOP_RATE = 16
"""Frames per second of a GIF or WebP: every second or third frame of a faster film is left out."""

LONGEST_LOOP_SECONDS = 60

MASTERS: tuple[DeliverableForm, ...] = ("prores422hq", "prores4444")
LOWEST_MASTER_RATE = 23
"""Frames per second. Editing software takes 24, 25, 30 and more."""

_SHORT_SIDES: Mapping[DeliverableForm, int] = {"preview": 360, "webp": 360, "gif": 270}
"""Of the small ones; a smaller film keeps its size."""

_CALLED: Mapping[str, str] = {
    "hevc10": "HEVC",
    "av1": "AV1",
    "prores422hq": "ProRes",
    "prores4444": "ProRes",
    "png": "PNG",
    "poster": "PNG",
    "gif": "GIF",
    "webp": "WebP",
}

LEAST_SIDE: Mapping[DeliverableForm, int] = {"av1": 64, "hevc10": 32}
"""In pixels: what the encoders take."""


def film_deliverables(
    film: Film,
    raster: Size,
    delivered: Size,
    rates: Rates,
    frames: int,
    features: FfmpegFeatures | None,
    findings: Findings,
) -> FilmDeliverables:
    """The deliverables of a film of `frames` frames. Adds a mistake for each that cannot be made. features: None if
    they are not checked."""
    asked = film.deliverables
    shown = shown_size(raster, delivered) if film.fit == "contain" else delivered
    wanted = tuple(_planned(form, shown, delivered, rates.film, frames) for form in asked if form != "h264")
    for each in wanted:
        _check(each, film, delivered, findings)
        if features is not None:
            _check_ffmpeg(each.form, film, features, findings)
    return FilmDeliverables(wanted, _first_timecode(film, rates), _poster(film, rates, frames, asked, findings))


def _first_timecode(film: Film, rates: Rates) -> int:
    """In film frames. A timecode counts the rounded rate, as in editing software."""
    counted = round(rates.film)
    if film.timecode is None:
        return FIRST_TIMECODE_SECONDS * counted
    return round(film.timecode.seconds * counted) + film.timecode.frames


def _place(film: Film, form: DeliverableForm) -> tuple[str | int, ...]:
    """The place of a form in the file."""
    return ("film", "deliverables", film.deliverables.index(form))


def _planned(form: DeliverableForm, shown: Size, delivered: Size, rate: Fraction, frames: int) -> PlannedDeliverable:
    """shown: the part of the film without black bars."""
    if (shape := CROP_SHAPES.get(form)) is not None:
        return PlannedDeliverable(form, inside(shape, shown, step=2), rate, frames)
    if form == "poster":
        return PlannedDeliverable(form, delivered, rate, 1)
    every = ceil(rate / MOST_LOOP_RATE) if form in MOVING_PICTURES else 1
    short = _SHORT_SIDES.get(form)
    size = delivered if short is None else _small(delivered, short)
    return PlannedDeliverable(form, size, rate / every, ceil(Fraction(frames, every)))


def _small(size: Size, short: int) -> Size:
    scale = min(Fraction(1), Fraction(short, min(size.width, size.height)))
    return Size(*(max(2, round(side * scale / 2) * 2) for side in (size.width, size.height)))


def _check(each: PlannedDeliverable, film: Film, delivered: Size, findings: Findings) -> None:
    form, size, place = each.form, each.size, _place(film, each.form)
    if form in CROP_SHAPES and size == delivered:
        shape = "square" if form == "square" else "9:16"
        found = f"the film is {delivered}, which is {shape} already: {form} would be film.mp4 again"
        findings.error(place, found, f"{form} is cropped from a film of another shape", f"delete {form}")
    if (least := LEAST_SIDE.get(form, 2)) > min(size.width, size.height):
        findings.error(place, f"{form} would be {size}", f"sides of {least} pixels or more", "write a larger deliver")
    if form in MASTERS and each.rate < LOWEST_MASTER_RATE:
        found = f"{form} at {float(each.rate):g} frames per second"
        findings.warn(place, found, "editing software takes 24, 25, 30 or more", "write rate: 24")
    seconds = each.frames / each.rate
    if form in MOVING_PICTURES and seconds > LONGEST_LOOP_SECONDS:
        found = f"a {form} of {float(seconds):.0f} s: about {each.bytes / 1e6:.0f} MB"
        remedy = "preview is smaller, and has sound"
        findings.warn(place, found, f"loops are usually shorter than {LONGEST_LOOP_SECONDS} s", remedy)


def _check_ffmpeg(form: DeliverableForm, film: Film, features: FfmpegFeatures, findings: Findings) -> None:
    allowed = "the ffmpeg that comes with imageio-ffmpeg has them all"
    remedy = f"unset WAN_RENDER_FFMPEG or name another ffmpeg, or delete {form}"
    for lack in _lacks(form, features):
        findings.error(_place(film, form), f"this ffmpeg has no {lack}, which {form} needs", allowed, remedy)


def _lacks(form: DeliverableForm, features: FfmpegFeatures) -> Iterator[str]:
    encoders, needed = features("encoders"), ENCODERS.get(form, ())
    if encoders and needed and not any(name in encoders for name in needed):
        yield f"{_CALLED[form]} encoder ({' or '.join(needed)})"
    filters = features("filters")
    if filters and form not in LIKE_THE_FILM and "zscale" not in filters:
        yield "filter zscale"


def _poster(
    film: Film, rates: Rates, frames: int, asked: tuple[DeliverableForm, ...], findings: Findings
) -> int | None:
    if film.poster is None:
        return None
    at = in_film_frames(film.poster, rates)
    if at >= frames:
        found = f"frame {at}, but the film has {frames}"
        findings.error(("film", "poster"), found, "a moment of the film", "write an earlier time")
    elif "poster" not in asked:
        found, remedy = "no poster is asked for", "write deliverables: [poster]"
        findings.warn(("film", "poster"), found, "poster says which frame the deliverable poster shows", remedy)
    return at
