"""`film.deliverables`: which files a film becomes, of which size, and what is told before anything is rendered."""

from __future__ import annotations

import os
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

import pytest

from tests.plan.conftest import Mistakes, Plan
from wan_render.authored import Document
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.cut import assemble
from wan_render.errors import StoryboardError
from wan_render.facts import FactCache
from wan_render.keys import content_key
from wan_render.media.ffmpeg import program
from wan_render.media.ffmpeg_features import features
from wan_render.plan import FilmPlan, make_plan
from wan_render.session.film_session import Session
from wan_render.storyboard import read_storyboard

SHOTS = """
keyframes:
  a: {image: keyframes/a.png, focus: [0.25, 0.5]}
  b: {image: keyframes/b.png, focus: [1, 0]}
shots: [{from: a, to: b, duration: 2s}, {from: previous, duration: 1s}, {still: b, duration: 1s}, {card: Fin}]
"""


def film(keys: str) -> str:
    return f"version: 1\nfilm: {{title: Harbour, {keys}}}{SHOTS}"


def sizes(plan: FilmPlan) -> dict[str, str]:
    return {each.form: str(each.size) for each in plan.deliverables.wanted}


def test_deliverables_have_the_sizes_and_rates_of_the_film_or_smaller_ones(plan: Plan) -> None:
    found = plan(film("deliverables: [h264, HEVC10, square, vertical, preview, webp, gif, poster], rate: 24"))
    assert sizes(found) == {
        "hevc10": "1280x720", "square": "720x720", "vertical": "404x720", "preview": "640x360", "webp": "640x360",
        "gif": "480x270", "poster": "1280x720",
    }  # fmt: skip
    assert {each.form: each.rate for each in found.deliverables.wanted}["gif"] == 12
    frames = {each.form: each.frames for each in found.deliverables.wanted}
    assert (frames["gif"], frames["poster"]) == (-(-frames["hevc10"] // 2), 1)


def test_a_crop_leaves_bars_out_and_never_enlarges_more_than_the_film(plan: Plan) -> None:
    assert sizes(plan(film("deliverables: square, deliver: 1080x1920, fit: contain"))) == {"square": "624x624"}


def test_deliverables_are_no_part_of_the_film(plan: Plan) -> None:
    def key(found: FilmPlan) -> str:
        return content_key("film/2", assemble(found, {}, {shot.id: "" for shot in found.shots}))

    assert key(plan(film("deliverables: [av1, gif], timecode: 00:00:00:00"))) == key(plan(film("rate: native")))


@pytest.mark.parametrize(
    ("keys", "frame"),
    [("rate: 24", 86400), ("rate: 25, timecode: 10:00:00:12", 900012), ("timecode: 0s", 0), ("rate: 30", 108000)],
)
def test_the_first_timecode(plan: Plan, keys: str, frame: int) -> None:
    assert plan(film(f"deliverables: prores422hq, {keys}")).deliverables.first_timecode == frame


def test_the_focus_goes_from_keyframe_to_keyframe(plan: Plan) -> None:
    found = plan(film("deliverables: vertical")).deliverables.focus
    quarter, one, zero = Fraction(1, 4), Fraction(1), Fraction(0)
    first, second, still = (found[f"1/0{number}0"] for number in (1, 2, 3))
    assert [(point.left, point.top) for point in first] == [(quarter, Fraction(1, 2)), (one, zero)]
    assert [point.at for point in first] == [0, 32]
    assert [(point.left, point.top) for point in second] == [(one, zero)], "it continues where the first one ends"
    assert [(point.left, point.top) for point in still] == [(one, zero)]
    assert "1/040" not in found
    assert plan(film("deliverables: av1")).deliverables.focus == {}


def test_the_focus_goes_across_a_bridge(plan: Plan) -> None:
    """It begins where the first shot is cut off, and ends where the second one goes on."""
    shots = "shots: [{from: a, to: b, duration: 5s, transition: bridge 16f}, {from: a, to: b, duration: 5s}]"
    text = film("deliverables: vertical")
    found = plan(text[: text.index("shots: ")] + shots).deliverables.focus
    begin, end = found["1/010+bridge"]
    assert (begin.at, begin.left) == (Fraction(0), Fraction(1, 4) + Fraction(3, 4) * Fraction(64, 80))
    assert (end.at, end.left) == (Fraction(32), Fraction(1, 4) + Fraction(3, 4) * Fraction(16, 80))


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            "deliverables: [square], aspect: '1:1'",
            "film.deliverables[0]: the film is 720x720, which is square already: square would be film.mp4 again; "
            "square is cropped from a film of another shape; delete square",
        ),
        ("deliverables: [av1], deliver: 96x54", "av1 would be 96x54; sides of 64 pixels or more"),
        ("deliverables: poster, poster: 20s", "film.poster: frame 320, but the film has"),
    ],
)
def test_what_the_film_cannot_be_is_told(mistakes: Mistakes, keys: str, expected: str) -> None:
    (told,) = mistakes(film(keys))
    assert expected in told


def test_what_is_possible_but_hardly_wanted_is_a_warning(plan: Plan) -> None:
    warnings = [warning.found for warning in plan(film("poster: 1s")).warnings]
    assert "no poster is asked for" in warnings
    told = {
        at: [each.found for each in plan(film(f"deliverables: prores4444, rate: {at}")).warnings] for at in (16, 24)
    }
    assert "prores4444 at 16 frames per second" in told[16]
    assert not any("prores4444" in each for each in told[24])
    text = film("deliverables: gif").replace(
        "duration: 1s}, {still", "duration: 1s}, {card: long, duration: 90s}, {still"
    )
    assert any(warning.found.startswith("a gif of ") for warning in plan(text).warnings)


def test_an_encoder_that_this_ffmpeg_lacks_is_told(studio: Path, tmp_path: Path) -> None:
    cache = FactCache(tmp_path)
    document = _read(studio, film("deliverables: [hevc10, av1, webp, preview]"), cache)

    def lacking(kind: str) -> Collection[str]:
        return features(kind) - {"libsvtav1", "libaom-av1", "zscale"}

    with pytest.raises(StoryboardError) as caught:
        make_plan(document, models=catalogue(cache), backend_id="animatic/1", cache=cache, ffmpeg=lacking)
    told = str(caught.value).splitlines()
    assert len(told) == 4
    assert "this ffmpeg has no AV1 encoder (libsvtav1 or libaom-av1), which av1 needs" in told[1]
    assert "unset WAN_RENDER_FFMPEG or name another ffmpeg, or delete av1" in told[1]
    assert ["filter zscale" in line for line in told] == [True, False, True, True]
    assert make_plan(document, models=catalogue(cache), backend_id="animatic/1", cache=cache, ffmpeg=features)


def test_a_session_asks_the_ffmpeg_of_this_machine(
    studio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "ffmpeg"
    other.write_text(f"#!/bin/sh\n'{program()}' \"$@\" | grep -v av1\n")
    other.chmod(0o755)
    monkeypatch.setenv("WAN_RENDER_FFMPEG", str(other))
    file = studio / f"asks-{os.getpid()}.yaml"
    file.write_text(film("deliverables: [hevc10, av1]"))
    with pytest.raises(StoryboardError, match="this ffmpeg has no AV1 encoder"):
        _ = Session.of(file, outputs=tmp_path / "outputs").plan


def _read(studio: Path, text: str, cache: FactCache) -> Document:
    file = studio / f"deliverables-{os.getpid()}.yaml"
    file.write_text(text)
    return read_storyboard(file, models=catalogue(cache), cache=cache)
