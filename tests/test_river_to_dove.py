"""The film that a visitor sees first: it plans without a warning, and its pictures are what its script paints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from wan_render.backends.animatic import BACKEND
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.cut import film_frames
from wan_render.facts import FactCache
from wan_render.plan import FilmPlan, make_plan
from wan_render.storyboard import read_storyboard
from wan_render.take import ShotKind, Size

FOLDER = Path(__file__).parents[1] / "storyboards" / "river-to-dove"
PICTURES = sorted((FOLDER / "keyframes").iterdir())
MOST_BYTES = 1_500_000


@pytest.fixture
def plan(tmp_path: Path) -> FilmPlan:
    cache = FactCache(tmp_path)
    models = catalogue(cache)
    document = read_storyboard(FOLDER / "storyboard.yaml", models=models, cache=cache)
    return make_plan(document, models=models, backend_id=BACKEND.id, cache=cache)


def test_it_plans_without_a_warning(plan: FilmPlan) -> None:
    assert plan.warnings == ()


def test_four_shots_make_a_film_of_twenty_seconds_and_its_closing_picture(plan: FilmPlan) -> None:
    assert len(plan.shots) == 4
    assert film_frames(plan) == 4 * 80 + 1
    assert plan.rate == 16
    assert plan.delivery == Size(1280, 720)


def test_every_shot_goes_from_one_keyframe_to_the_next(plan: FilmPlan) -> None:
    takes = [planned.take for shot in plan.shots for planned in shot.content.takes]  # type: ignore[union-attr]

    assert {take.kind for take in takes} == {ShotKind.FLF2V}
    assert [take.last for take in takes[:-1]] == [take.first for take in takes[1:]]


def test_its_keyframes_are_large_enough_and_the_checkout_stays_small() -> None:
    assert len(PICTURES) == 5
    assert all(Image.open(picture).size == (1280, 720) for picture in PICTURES)
    assert sum(picture.stat().st_size for picture in PICTURES) < MOST_BYTES


@pytest.mark.slow
@pytest.mark.thorough  # ten seconds of painting, by a script that nothing else uses and that changes with its pictures
def test_a_keyframe_is_what_the_script_paints() -> None:
    """One of the five: they share their brushes. `paint.py --check` compares them all."""
    painted = subprocess.run(
        [sys.executable, str(FOLDER / "paint.py"), "--check", "ruins"], capture_output=True, text=True
    )

    assert painted.returncode == 0, painted.stdout + painted.stderr
