"""Exports of a film with a video file at 29.97: the cuts to the frame, and links that lead to the file itself."""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from PIL import Image

from tests.editors.harbour_film import HarbourFilm
from tests.editors.test_export_formats import (
    clips_of,
    cut_points,
    decibels,
    luma_of_file,
    luma_of_picture,
    melt,
    parsed,
    seconds,
)
from tests.footage.videos import NTSC, video
from tests.production.solid import CPU
from tests.reference import produce
from wan_render.editors.export_film import Exported
from wan_render.media.raster import raster_frames
from wan_render.production.conformed_cut import conformed
from wan_render.production.store_sources import Sources
from wan_render.retime.retimed_cut import retimed
from wan_render.session.film_session import Session
from wan_render.take import Size

otio = pytest.importorskip("opentimelineio", reason="the extra 'editors' is not installed")

STORYBOARD = """\
film: {raster: 96x64, deliver: 96x64, rate: 24, dissolves: video}
shots:
  - {clip: boat.mp4, in: 0.2s, out: 0.9s, hold: 0.25s}
  - {still: dawn, duration: 9f}
  - {clip: boat.mp4, transition: cut}
keyframes: {dawn: dawn.png}
"""
SOURCE = [round(Fraction(6) / NTSC * 24), 0, 0]
"""Where each clip begins in its linked file, in frames of the timeline: `in` means the file's frame 6."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> HarbourFilm:
    folder = tmp_path_factory.mktemp("clips")
    video(folder / "boat.mp4", size=Size(96, 64))
    Image.new("RGB", (96, 64), (60, 90, 150)).save(folder / "dawn.png")
    file = folder / "boats.yaml"
    file.write_text(STORYBOARD)
    session = Session.of(file, outputs=folder / "outputs", backend="animatic")
    return HarbourFilm(session, produce(session.plan_to_render, session.backend, session.store, CPU))


def original(made: Exported, link: str) -> bool:
    """Whether a link leads to the video file itself."""
    return (made.folder / unquote(link)).resolve().name == "boat.mp4"


def test_an_mlt_of_a_clip_shot_shows_the_film(film: HarbourFilm, tmp_path: Path) -> None:
    """melt renders what the film shows, from its ProRes files. With links it plays the file at its own speed."""
    made = film.export("mlt")
    rendered = luma_of_file(melt(made, tmp_path / "melt.mkv", "vcodec=ffv1", "pix_fmt=yuv422p", "an=1"))
    store = film.store
    sources = Sources(store, film.session.plan.pictures)
    cut, files = conformed(film.cut, sources, film.session.plan.footage, store.intermediates, lambda *_: None)
    cut, files = retimed(cut, files, store.intermediates, lambda *_: None)
    shown = [luma_of_picture(picture[..., 2::-1]) for picture in raster_frames(cut, files)]
    assert len(rendered) == len(shown) == film.cut.frames
    assert min(decibels(*pair) for pair in zip(rendered, shown, strict=True)) >= 40

    linked = film.export("mlt", media="links")
    played = luma_of_file(melt(linked, tmp_path / "links.mkv", "vcodec=ffv1", "pix_fmt=yuv422p", "an=1"))
    assert len(played) == film.cut.frames
    level = [float(np.mean(picture)) for picture in played]
    wanted = [float(np.mean(picture)) for picture in shown]
    step = 219 / 255 * 3  # from one frame of the file to the next
    assert max(abs(one - other) for one, other in zip(level, wanted, strict=True)) <= 1.5 * step


def test_final_cut_formats_have_the_cuts_of_clip_shots(film: HarbourFilm) -> None:
    seven = film.export("fcp7", 25)
    text = seven.document.read_text(encoding="utf-8")
    assert clips_of(otio.adapters.read_from_string(text, "fcp_xml")) == cut_points(seven.timeline)
    ten = film.export("fcpx", 30)
    root = parsed(ten)
    clips = [
        tuple(seconds(clip.get(key)) * 30 for key in ("offset", "duration", "start"))
        for clip in root.iter("spine").__next__()
    ]
    assert clips == [tuple(map(Fraction, cut)) for cut in cut_points(ten.timeline)]
    for made, links in ((seven, [path.text or "" for path in parsed(seven).iter("pathurl")]),
                        (ten, [media.get("src", "") for media in root.iter("media-rep")])):  # fmt: skip
        assert all(Path(unquote(urlparse(link).path)).is_file() for link in links)
        assert [clip.start for clip in made.timeline.clips] == film.starts(int(made.timeline.rate))


def test_a_csv_says_where_to_seek_a_clip(film: HarbourFilm) -> None:
    made = film.export("csv")
    rows = list(csv.DictReader(io.StringIO(made.document.read_text(encoding="utf-8-sig"))))
    assert [int(row["record_frame"]) for row in rows] == list(film.cut.starts)
    assert [int(row["source_frame"]) for row in rows] == SOURCE
    assert [row["media_rate"] for row in rows] == ["30000/1001", "24", "30000/1001"]
    assert float(rows[0]["source_seconds"]) == pytest.approx(float(6 / NTSC), abs=0.5 / 24)
    assert [int(row["hold"]) for row in rows] == [6, 0, 0]
    assert [original(made, row["media"]) for row in rows] == [True, False, True]
    assert any("video files are linked as they are" in note for note in made.notes)
