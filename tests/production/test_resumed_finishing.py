"""Finishing that is killed goes on in the next run, and gives the same film."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from fractions import Fraction
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.production.solid import CPU, Solid, a_take, film
from tests.reference import produce
from wan_render.plan import FilmPlan, PlannedJoint
from wan_render.production.film_stages import FilmStage
from wan_render.production.finish import finish
from wan_render.production.run import begin
from wan_render.store import Store

SPAWN = get_context("spawn")


def at_24(folder: Path) -> FilmPlan:
    """Three takes at 16 frames per second, in a film of 24."""
    takes = {"1/010": a_take("dawn"), "1/020": a_take("noon", seed=200), "1/030": a_take("dusk", seed=90)}
    plan = film(folder, takes)
    retimed = [replace(shot, frames=7, rate=Fraction(16), joint=PlannedJoint("cut")) for shot in plan.shots]
    return replace(plan, rate=Fraction(24), shots=(*retimed[:-1], replace(retimed[-1], joint=None)))


def finish_until(folder: Path, stage: str, done: int) -> None:
    """Finish the film, and die when a stage has done so much."""

    def die(found: FilmStage) -> None:
        if (found.name, found.done) == (stage, done):
            os.kill(os.getpid(), signal.SIGKILL)

    with begin(at_24(folder), Solid(folder / "diary"), Store(folder / "outputs")) as run:
        finish(run, {}, progress=die)


# The clip before the one that is being made may not be visible yet: it is published behind it.
@pytest.mark.parametrize(("stage", "done"), [("retime", 16), ("encode", 21)])
def test_a_killed_finish_continues_and_gives_the_same_film(tmp_path: Path, stage: str, done: int) -> None:
    whole = produce(at_24(tmp_path), Solid(tmp_path / "diary"), Store(tmp_path / "whole"), CPU)
    assert whole.frames == 21
    store = Store(tmp_path / "outputs")
    store.root.mkdir()
    (tmp_path / "whole" / "takes").rename(store.root / "takes")
    child = SPAWN.Process(target=finish_until, args=(tmp_path, stage, done))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert store.films.versions("river") == ()

    said: list[FilmStage] = []
    with begin(at_24(tmp_path), Solid(tmp_path / "diary"), store) as run:
        again = finish(run, {}, progress=said.append)

    assert said[0] == replace(said[0], name="retime", done=7, total=21), "the first clip was finished"
    assert again.video.read_bytes() == whole.video.read_bytes()
    assert not list(store.root.glob("*/.part-*"))
    assert 0 < said[0].share <= said[-1].share == 1
