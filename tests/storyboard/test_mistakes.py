"""All mistakes at once, in the order of the file, each once, each with what to do."""

from __future__ import annotations

import pickle
import re

import pytest

from tests.storyboard.conftest import Read
from wan_render.errors import Problem, StoryboardError
from wan_render.storyboard.mistakes import MOST_LISTED

BROKEN = """\
version: 1
film: {title: x, rate: 23, zoom: 2}
keyframes:
  dawn: keyframes/dawn.png
  gone: keyframes/gone.png
scenes:
  - scene: 1
    shots:
      - {from: previous, duratoin: 5s}
      - {shot: a, from: dwan, takes: many, circle: 1, ng: 1}
      - {shot: a, to: dawn}
      - {still: dawn, from: dawn, from: dawn}
  - scene: 1
    sound: {gain: 3}
    shots:
      - {clip: ../x.mp4}
"""


def told(read: Read, text: str) -> tuple[Problem, ...]:
    with pytest.raises(StoryboardError) as caught:
        read(text)
    return caught.value.problems


def test_all_mistakes_of_every_kind_are_told_at_once_and_in_order(read: Read) -> None:
    lines = [re.sub(r"^.*film\.yaml:", "", str(problem)) for problem in told(read, BROKEN)]
    assert [line.partition(";")[0] for line in lines] == [
        "2:18: film.rate.fps: '23' is not a rate",
        "2:28: film.zoom: unknown key",
        "5:3: keyframes.gone.image: 'keyframes/gone.png' does not exist",
        "9:10: scenes[0].shots[0].from: 'previous' in the first shot",
        "9:26: scenes[0].shots[0].duratoin: unknown key",
        "10:19: scenes[0].shots[1].from: no keyframe is named 'dwan'",
        "10:31: scenes[0].shots[1].takes: 'many' is not a whole number",
        "10:44: scenes[0].shots[1].circle: take 1 is both circled and ng",
        "11:10: scenes[0].shots[2].shot: the shot 'a' is here twice, first on line 10",
        "11:19: scenes[0].shots[2].to: 'to' without 'from'",
        "12:23: scenes[0].shots[3].from: 'from' with 'still'",
        "12:35: the key 'from' is here twice, first on line 12",
        "13:5: scenes[1].scene: the scene '1' is here twice, first on line 7",
        "14:5: scenes[1].sound[0]: neither file, prompt nor say",
        "16:10: scenes[1].shots[0].clip: '../x.mp4' is outside the storyboard's folder",
    ]


def test_every_mistake_says_what_is_allowed_or_what_to_do(read: Read) -> None:
    assert all(problem.allowed or problem.remedy for problem in told(read, BROKEN))


def test_the_message_has_the_shape_of_the_contract(read: Read) -> None:
    (problem,) = told(read, "shots:\n  - {action: a}\n  - action: b\n    duratoin: 5s\n")
    assert str(problem).endswith("film.yaml:4:5: shots[1].duratoin: unknown key; did you mean 'duration'?")


def test_an_item_that_is_listed_twice_is_a_mistake_at_its_second_place(read: Read) -> None:
    """By value, so that another spelling of it is found as well."""
    text = (
        "film: {subtitles: [track, files, track], deliverables: [h264, webp, WEBP]}\n"
        "defaults: {render: {t2v: {model: {comfyui: w.json, steps: ['3.steps', 8.steps, 3.steps]}}}}\n"
        "shots: [{action: a, ng: [1, 3, 1]}]\n"
    )
    found = [problem for problem in told(read, text) if "twice" in problem.found]
    assert [str(problem).partition("film.yaml:")[2] for problem in found] == [
        "1:34: film.subtitles[2]: 'track' is here twice; each is listed once; delete one",
        "1:69: film.deliverables[2]: 'webp' is here twice; each is listed once; delete one",
        "2:80: defaults.render.t2v.model.steps[2]: '3.steps' is here twice; each is listed once; delete one",
        "3:32: shots[0].ng[2]: '1' is here twice; each is listed once; delete one",
    ]


def test_the_error_pickles(read: Read) -> None:
    with pytest.raises(StoryboardError) as caught:
        read(BROKEN)
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems  # noqa: S301 - our own


def test_a_mistake_at_an_anchor_is_told_once_and_there(read: Read) -> None:
    text = (
        "x-r: &r {seed: no}\nshots: [{action: a, render: *r}, {action: b, render: *r}, {action: c, render: {<<: *r}}]\n"
    )
    (problem,) = told(read, text)
    assert problem.where.endswith("film.yaml:1:10: shots[0].render.seed")


def test_what_follows_from_a_mistake_is_not_told(read: Read) -> None:
    (problem,) = told(read, "keyframes: [a]\nshots: [{from: a, to: b}, {from: b}]\n")
    assert "keyframes: expected a map of names, found a list" in str(problem)
    (problem,) = told(read, "keyframes: keyframes/\nshots: [{form: dawn, to: noon}]\n")
    assert "did you mean 'from'?" in str(problem)


def test_a_file_of_nothing_but_mistakes_is_told_in_part(read: Read) -> None:
    text = "shots:\n" + "".join(f"- {{action: a, zoom{number}: 1}}\n" for number in range(2 * MOST_LISTED))
    problems = told(read, text)
    assert len(problems) == MOST_LISTED + 1
    assert problems[-1].found == f"there may be more than these {MOST_LISTED:,} mistakes"
