"""Mistakes of writing and of meaning come together: nobody mends a file twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.plan.conftest import HEAD
from wan_render.errors import StoryboardError
from wan_render.facts import FactCache
from wan_render.model_card import Models
from wan_render.plan import make_plan
from wan_render.storyboard import read_as_far_as_possible, read_storyboard

BAD = sorted((Path(__file__).parents[1] / "storyboards" / "bad").glob("*.yaml"))


def told(file: Path, cache: FactCache, models: Models) -> list[str]:
    """Everything that is wrong with a file, without the folder's name."""
    with pytest.raises(StoryboardError) as caught:
        make_plan(
            read_as_far_as_possible(file, models=models, cache=cache),
            models=models,
            backend_id="animatic/1",
            cache=cache,
        )
    return [str(problem).removeprefix(f"{file.parent}/").partition(";")[0] for problem in caught.value.problems]


def written(studio: Path, text: str) -> Path:
    file = studio / "film.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_mistakes_of_writing_and_of_meaning_are_told_together_in_order(
    studio: Path, cache: FactCache, models: Models
) -> None:
    text = """\
version: 1
keyframes: {a: {image: keyframes/a.png}, b: {image: keyframes/b.png}, gone: {image: keyframes/gone.png}}
shots:
  - {from: a, to: b, render: {frames: 80}}
  - {from: b, to: gone, duration: 30s}
  - {from: a, to: b, duratoin: 5s, render: {frames: 79}}
  - {from: previous, render: {i2v: {model: wan2.1-flf2v-14b}}}
  - {from: b, to: a, render: {flf2v: {model: wan2.2-ti2v-5b}}}
"""
    assert told(written(studio, text), cache, models) == [
        "film.yaml:2:78: keyframes.gone.image: 'keyframes/gone.png' does not exist",
        "film.yaml:4:31: shots[0].render.frames: 80 frames",
        "film.yaml:5:25: shots[1].duration: 481 frames in one take",
        "film.yaml:6:22: shots[2].duratoin: unknown key",
        "film.yaml:8:39: shots[4].render.flf2v.model: wan2.2-ti2v-5b cannot render flf2v",
    ]


def test_what_only_follows_from_a_mistake_is_not_told(studio: Path, cache: FactCache, models: Models) -> None:
    text = (
        HEAD
        + """\
shots:
  - {from: a, to: b, duration: 1s}
  - {from: b, to: c, duration: 60x}
  - {from: d, to: e, duration: 1s, transition: dissolve 3s}
  - {from: previous, duratoin: 1s}
  - {from: previous, duration: 2s}
"""
    )
    assert told(written(studio, text), cache, models) == [
        "film.yaml:6:22: shots[1].duration: '60x' is not a length of time",
        "film.yaml:8:22: shots[3].duratoin: unknown key",
    ]


def test_a_scene_without_shots_is_in_nobodys_way(studio: Path, cache: FactCache, models: Models) -> None:
    text = HEAD + 'scenes: [{scene: "1"}, {scene: "2", shots: [{from: a, to: b}, {from: b, to: c, duratoin: 1s}]}]\n'
    (found,) = told(written(studio, text), cache, models)
    assert found.endswith("scenes[1].shots[1].duratoin: unknown key")


def test_a_mistake_that_every_shot_may_follow_from_is_told_alone(
    studio: Path, cache: FactCache, models: Models
) -> None:
    text = (
        HEAD.replace("title: Harbour", "title: Harbour, rastr: 720p")
        + "shots: [{from: a, to: b, render: {frames: 80}}]"
    )
    with pytest.raises(StoryboardError) as caught:
        read_as_far_as_possible(written(studio, text), models=models, cache=cache)
    assert [problem.found for problem in caught.value.problems] == ["unknown key"]


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_every_bad_file_is_told_at_least_what_reading_told(
    file: Path, tmp_path: Path, studio: Path, cache: FactCache, models: Models
) -> None:
    shutil.copytree(studio / "keyframes", tmp_path / "keyframes")
    copy = Path(shutil.copy(file, tmp_path))
    with pytest.raises(StoryboardError) as caught:
        read_storyboard(copy, models=models, cache=cache)
    lines = {str(problem).removeprefix(f"{tmp_path}/").partition(";")[0] for problem in caught.value.problems}
    assert lines <= set(told(copy, cache, models))
