"""The film with everything: what it must show, equal bytes when made again, and kills at every stage of finishing."""

from __future__ import annotations

import os
import random
import signal
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.production.whole_film import FRAMES, Shown, WholeFilm
from tests.upscale.networks import published
from wan_render.production.film_stages import FilmStage
from wan_render.take import Size

pytestmark = [pytest.mark.slow, pytest.mark.wan]

RASTER, DELIVERY = Size(64, 48), Size(128, 96)
KILLED = {"sound": 7, "upscale 1/010": 17, "upscale 1/040": 51, "conform": 33, "retime": 96, "encode": FRAMES}
"""The stages of finishing, in their order, and up to what they count. A run is killed once in each."""


def killed_in_every_stage(folder: Path) -> None:
    """Finish the film once for every stage, each time in a process that dies in it. Runs in a process of its own: it
    has done the imports, and no other work, so it can be forked."""
    patch, dice = pytest.MonkeyPatch(), random.Random(1)
    patch.setenv("WAN_RENDER_WEIGHTS", str(folder / "weights of the killed"))
    published(folder / "weights of the killed", patch)
    for stage, most in KILLED.items():
        done = dice.randint(1, most - 1)
        child = os.fork()
        if child == 0:
            try:
                WholeFilm(folder).made("again", partial(die, stage, done))
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, stage
        assert WholeFilm(folder).session("again").store.films.versions("whole") == ()


def die(stage: str, done: int, found: FilmStage) -> None:
    """When a stage has done so much."""
    if found.name == stage and found.done >= done:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_film_with_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("WAN_RENDER_CACHE", str(tmp_path / "cache"))
    published(tmp_path / "weights", monkeypatch)
    film = WholeFilm.written(tmp_path, RASTER, DELIVERY)
    stages: list[FilmStage] = []
    version = film.made(progress=stages.append)
    shown = Shown.by(version.video)
    assert version.frames == shown.frames == FRAMES
    assert shown.warnings == ""
    assert shown.misplaced <= 1
    assert shown.loudness == pytest.approx(-16, abs=0.5)
    assert shown.colour_error < 4
    assert shown.lettered
    assert list(dict.fromkeys(stage.name for stage in stages if stage.name in KILLED)) == list(KILLED)

    (tmp_path / "again").mkdir()
    (tmp_path / "outputs" / "takes").rename(tmp_path / "again" / "takes")
    killing = get_context("spawn").Process(target=killed_in_every_stage, args=(tmp_path,))
    killing.start()
    killing.join(300)
    assert killing.exitcode == 0, "it was not killed in a stage, or left a film: see what it printed"
    again = film.made("again")
    assert again.video.read_bytes() == version.video.read_bytes()
    assert not list((tmp_path / "again").glob("*/.part-*"))
