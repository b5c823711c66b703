"""`qc STORYBOARD`: takes of earlier versions are measured, and listed with their verdicts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.session.faulty_films import FaultyFilm
from wan_render.backends.animatic import BACKEND as ANIMATIC
from wan_render.cli import main
from wan_render.quality.measurements import MEASURING
from wan_render.store import Clip

SHOTS = "shots: [{from: a, action: black1}, {from: b, qc: {check: off}}, {from: c}]"


@pytest.fixture
def film(tmp_path: Path) -> FaultyFilm:
    return FaultyFilm.made(tmp_path)


def aged(film: FaultyFilm) -> list[Clip]:
    """The clips of a film whose takes are older than their checks; the last one was measured with other measures."""
    made = film.render(SHOTS, ANIMATIC)
    clips = [clip for key in made.film.takes if (clip := made.session.store.find(key)) is not None]
    for clip in clips:
        record = json.loads(clip.sidecar.read_text())
        if clip is clips[-1]:
            record["measurements"]["version"] = MEASURING - 1
        else:
            record.pop("measurements")
        clip.sidecar.write_text(json.dumps(record))
        os.utime(clip.folder, (1_600_000_000, 1_600_000_000))
    return clips


def test_old_takes_are_measured_once_and_their_clips_are_not_touched(
    film: FaultyFilm, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = aged(film)
    before = [(clip.video.stat().st_mtime_ns, clip.folder.stat().st_mtime_ns) for clip in clips]
    command = ["qc", str(film.folder / "harbour.yaml"), "--outputs", str(film.folder / "outputs"), "--json"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert "[2/2] 1/030 take 1: measured" in told.err
    rows = json.loads(told.out)["takes"]
    assert [row["checks"] and row["checks"]["verdict"] for row in rows] == ["pass", None, "pass"]
    assert [(clip.video.stat().st_mtime_ns, clip.folder.stat().st_mtime_ns) for clip in clips] == before
    store = film.session(SHOTS, ANIMATIC).store
    assert all(store.verify(clip.key) is not None for clip in clips)

    assert main(command) == 0
    assert ": measured" not in capsys.readouterr().err


def test_a_damaged_take_is_named_and_the_rest_is_measured(film: FaultyFilm, capsys: pytest.CaptureFixture[str]) -> None:
    clips = aged(film)
    clips[0].video.write_bytes(clips[0].video.read_bytes()[:-200] + bytes(200))
    assert main(["qc", str(film.folder / "harbour.yaml"), "--outputs", str(film.folder / "outputs")]) == 3
    told = capsys.readouterr()
    assert "1/010 take 1: could not be measured: " in told.err
    assert "1/030 take 1: measured" in told.err


def test_a_storyboard_has_keyframes_of_its_own(film: FaultyFilm, capsys: pytest.CaptureFixture[str]) -> None:
    film.session(SHOTS)
    assert main(["qc", str(film.folder / "harbour.yaml"), "--first", "a.png"]) == 2
    assert "a storyboard has keyframes of its own" in capsys.readouterr().err
