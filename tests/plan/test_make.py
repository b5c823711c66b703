"""make_plan: a whole storyboard, read from text, with real pictures and the real models' cards."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plan.conftest import Mistakes, Plan
from wan_render.authored import Document, Scene, Shot, Storyboard, Time
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.errors import StoryboardError
from wan_render.facts import FactCache
from wan_render.model_card import Models
from wan_render.plan import CardText, FilmPlan, PlannedJoint, PlannedShot, Rendered, StillPicture, make_plan
from wan_render.plan.findings import Findings
from wan_render.plan.seeds import DEFAULT_SEED, take_seed
from wan_render.plan.timecodes import check_timecodes
from wan_render.take import Plate, Size, Take

FOUR = """
shots:
  - {from: a, to: b, action: one}
  - {from: b, to: c, action: two}
  - {from: c, to: d, action: three}
  - {from: d, to: e, action: four}
"""


def only(plan: FilmPlan) -> PlannedShot:
    (shot,) = plan.shots
    return shot


def rendered(shot: PlannedShot) -> Rendered:
    assert isinstance(shot.content, Rendered)
    return shot.content


def take_of(shot: PlannedShot) -> Take:
    return rendered(shot).takes[0].take


def keys(plan: FilmPlan) -> list[str]:
    return [take.key for take in plan.takes]


def warned(plan: FilmPlan, words: str) -> list[str]:
    return [str(problem) for problem in plan.warnings if words in str(problem)]


# --- the whole -------------------------------------------------------------------------------------


def test_four_continuous_shots_of_5_s_make_321_frames(plan: Plan) -> None:
    film = plan(FOUR)
    assert [shot.frames for shot in film.shots] == [80, 80, 80, 81]
    assert [shot.joint for shot in film.shots] == [PlannedJoint("continuous")] * 3 + [None]
    assert [take.frames for take in film.takes] == [81] * 4
    assert (film.rate, film.size, film.delivery) == (Fraction(16), Size(832, 480), Size(1280, 720))
    assert [shot.id for shot in film.shots] == ["1/010", "1/020", "1/030", "1/040"]
    assert [problem.found for problem in film.warnings] == ["no shot uses these pictures of the folder: f"]


def test_a_take_is_fully_resolved(plan: Plan, studio: Path) -> None:
    film = plan("look: {avoid: [text]}\nshots: [{from: a, to: b, action: one, render: {seed: 77}}]")
    take = take_of(only(film))
    assert take.backend == "animatic/1"
    assert take.model.startswith("Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers@")
    assert take.prompt == "one"
    assert take.negative.startswith("镜头切换，镜头晃动，色调艳丽")
    assert take.negative.endswith("倒着走，text")
    assert (take.seed, take.rate, take.sampling.steps, take.sampling.shift) == (77, Fraction(16), 50, 16.0)
    assert isinstance(take.first, Plate)
    assert isinstance(take.last, Plate)
    assert film.pictures[take.first.picture] == (studio / "keyframes" / "a.png").absolute()
    assert film.pictures[take.last.picture] == (studio / "keyframes" / "b.png").absolute()
    assert set(film.models) == {take.model}


def test_a_plan_is_the_same_every_time_and_pickles(plan: Plan) -> None:
    first, second = plan(FOUR), plan(FOUR)
    assert first == second
    assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301 - our own bytes


# --- keys: what renders nothing again, and what does ---------------------------------------------------


def test_renaming_reordering_and_removing_neighbours_changes_no_key(plan: Plan) -> None:
    before = keys(plan(FOUR))
    renamed = FOUR.replace("{from: a", "{shot: intro, notes: x, from: a")
    assert keys(plan(renamed)) == before
    lines = FOUR.strip().splitlines()
    assert keys(plan("\n".join([lines[0], *lines[:0:-1]]))) == before[::-1]
    assert keys(plan("\n".join([lines[0], lines[1], lines[3]]))) == [before[0], before[2]]
    assert keys(plan(FOUR.replace("action: two}", "action: two, status: omit}"))) == [before[0], *before[2:]]
    assert keys(plan(FOUR.replace("action: two}", "action: two, transition: dissolve 8f, hold: 1s}"))) == before
    assert keys(plan(FOUR.replace("action: two}", "action: two, in: 1s, out: 2s}"))) == before


def test_one_edited_prompt_changes_one_key(plan: Plan) -> None:
    before, after = keys(plan(FOUR)), keys(plan(FOUR.replace("two", "zwei")))
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, True]


def test_a_replaced_picture_changes_the_two_shots_that_share_it(plan: Plan) -> None:
    before = keys(plan(FOUR))
    files = {"a": "a", "b": "b", "c": "f", "d": "d", "e": "e"}
    named = ", ".join(f"{name}: keyframes/{file}.png" for name, file in files.items())
    after = keys(plan(f"version: 1\nkeyframes: {{{named}}}\n{FOUR}"))
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, False, True]


def test_equal_shots_share_their_takes(plan: Plan) -> None:
    film = plan("shots: [{from: a, to: b, action: x}, {card: ''}, {from: a, to: b, action: x}]")
    assert len(film.takes) == 1
    assert take_of(film.shots[0]).key == take_of(film.shots[2]).key


def test_another_backend_has_other_takes(plan: Plan) -> None:
    take = plan(FOUR).takes[0]
    assert replace(take, backend="wan/1").key != take.key


# --- what a shot is ------------------------------------------------------------------------------------


def test_the_kind_follows_from_the_keyframes(plan: Plan) -> None:
    film = plan("shots: [{from: a, to: b}, {from: c}, {action: a dove}, {still: d}, {card: 完}, {card: ''}]")
    assert [shot.model for shot in film.shots] == [
        "wan2.1-flf2v-14b",
        "wan2.1-i2v-14b-480p",
        "wan2.1-t2v-14b",
        None,
        None,
        None,
    ]
    still, text, black = (shot.content for shot in film.shots[3:])
    assert isinstance(still, StillPicture)
    assert isinstance(still.plate, Plate)
    assert (text, black) == (CardText("完"), CardText(""))
    assert [shot.frames for shot in film.shots] == [80] * 6
    assert (film.shots[3].from_name, film.shots[0].from_name, film.shots[0].to_name) == ("d", "a", "b")


def test_at_720p_i2v_has_the_model_of_its_raster(plan: Plan) -> None:
    film = plan("version: 1\nfilm: {raster: 720p}\nkeyframes: keyframes/\nshots: [{from: a}]")
    assert only(film).model == "wan2.1-i2v-14b-720p"
    assert film.size == Size(1280, 720)


def test_a_focus_is_in_the_plate(plan: Plan) -> None:
    text = "version: 1\nkeyframes: {a: {image: keyframes/a.png, focus: [0.25, 1]}}\nshots: [{from: a}]"
    first = take_of(only(plan(text))).first
    assert isinstance(first, Plate)
    assert first.focus == (Fraction(1, 4), Fraction(1))


# --- models --------------------------------------------------------------------------------------------


def test_naming_a_model_brings_its_own_official_numbers(plan: Plan) -> None:
    text = """
defaults: {render: {flf2v: {steps: 12, shift: 3}}}
shots:
  - {from: a, to: b}
  - {from: b, to: c, render: {flf2v: {model: wan2.2-i2v-a14b}}}
  - {from: c, to: d, render: {flf2v: {model: wan2.2-i2v-a14b, guidance: 2}}}
"""
    ours, theirs, guided = (take_of(shot).sampling for shot in plan(text).shots)
    assert (ours.steps, ours.shift, ours.guidance) == (12, 3.0, (5.0,))
    assert (theirs.steps, theirs.shift, theirs.guidance) == (40, 5.0, (3.5, 3.5))
    assert guided.guidance == (2.0, 2.0)


def test_guidance_for_another_number_of_experts_is_an_error(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("shots: [{from: a, to: b, render: {flf2v: {guidance: [5, 4]}}}]")
    assert "film.yaml:4:43: shots[0].render.flf2v.guidance: guidance for 2 experts; the model has 1" in mistake


def test_a_model_that_cannot_render_the_kind_is_an_error_that_names_those_that_can(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("shots: [{from: a, to: b, render: {flf2v: {model: wan2.2-ti2v-5b}}}]")
    assert "shots[0].render.flf2v.model: wan2.2-ti2v-5b cannot render flf2v; it can: i2v, t2v; " in mistake
    assert "wan2.1-flf2v-14b, wan2.2-i2v-a14b" in mistake


def test_an_inherited_mistake_is_told_once(mistakes: Mistakes) -> None:
    text = "defaults: {render: {flf2v: {model: wan2.2-ti2v-5b}}}" + FOUR
    assert len(mistakes(text)) == 1


def test_a_folder_without_a_model_is_an_error_at_its_name(mistakes: Mistakes, studio: Path) -> None:
    (studio / "weights").mkdir(exist_ok=True)
    (mistake,) = mistakes(
        "shots: [{from: a, render: {i2v: {model: weights/}}}, {from: b, render: {i2v: {model: weights/}}}]"
    )
    assert mistake.startswith("film.yaml:4:")
    assert "shots[0].render.i2v.model" in mistake


# --- time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "take", "shown"),
    [("5s", 81, 80), ("4s", 65, 64), ("4.9s", 81, 78), ("81f", 85, 81), ("00:00:05:00", 81, 80), ("0.1s", 5, 2)],
)
def test_a_take_is_on_the_grid_and_its_tail_is_trimmed(plan: Plan, duration: str, take: int, shown: int) -> None:
    film = plan(f"shots: [{{from: a, to: b, duration: '{duration}'}}, {{from: c, to: d}}]")
    assert (take_of(film.shots[0]).frames, film.shots[0].frames) == (take, shown)


def test_a_continuous_shot_is_as_long_as_its_take(plan: Plan) -> None:
    film = plan("shots: [{from: a, to: b, duration: 4.9s}, {from: b, to: c, duration: 4.9s}]")
    assert [shot.frames for shot in film.shots] == [80, 81]


def test_the_last_shot_keeps_its_closing_picture_before_closing_titles_too(plan: Plan) -> None:
    film = plan("titles: {open: {text: 江河}, close: [{text: 完, for: 1s}, {text: '', for: 8f}]}" + FOUR)
    assert [title.frames for title in film.opening + film.closing] == [32, 16, 8]
    assert film.shots[-1].frames == 81


@settings(max_examples=25)
@given(st.lists(st.fractions(Fraction(1, 4), Fraction(9), max_denominator=1000), min_size=1, max_size=30))
def test_the_film_is_as_long_as_its_durations_rounded_once(durations: list[Fraction]) -> None:
    """Shots of a model joined by cuts, then a card, so that no shot is lengthened to its take's end."""
    times = [Time(seconds=seconds) for seconds in durations]
    shots = [Shot(id=str(at), action="x", duration=time) for at, time in enumerate(times)]
    scenes = (Scene(id="1", shots=(*shots, Shot(id="end", card="", duration=Time(seconds=Fraction(1))))),)
    document = Document(storyboard=Storyboard(scenes=scenes), file=Path("x.yaml"), marks={})
    cache = FactCache(Path("/dev/null/nowhere"))
    film = make_plan(document, models=catalogue(cache), backend_id="animatic/1", cache=cache)
    assert sum(shot.frames for shot in film.shots) == ((sum(durations) + 1) * 16 + Fraction(1, 2)).__floor__()
    for shot in film.shots[:-1]:
        assert shot.frames <= take_of(shot).frames


@pytest.mark.parametrize(("last", "shown"), [("from: d", 72), ("action: rain", 72), ("from: d, to: e", 73)])
def test_a_last_shot_that_ends_on_no_keyframe_is_as_long_as_asked(plan: Plan, last: str, shown: int) -> None:
    film = plan(f"titles: {{close: The end}}\nshots: [{{from: a, to: b}}, {{{last}, duration: 4.5s}}]")
    assert (film.shots[-1].frames, take_of(film.shots[-1]).frames) == (shown, 73)


def test_shots_that_joints_lengthen_are_told_once_with_their_sums(plan: Plan) -> None:
    film = plan(
        "shots:\n  - {from: a, to: b, duration: 1.03s}\n  - {from: b, to: c, duration: 2s}\n"
        "  - {from: c, to: d, duration: 1.03s}\n  - {from: d, to: e, duration: 1.03s}\n"
    )
    assert [shot.frames for shot in film.shots] == [20, 32, 20, 21]
    (told,) = warned(film, "longer than asked")
    assert "film.yaml:5:22: shots[0].duration: 1/010 and 2 more are longer than asked" in told
    assert "3.75 s instead of 3.09 s; a continuous joint shows the whole take" in told
    assert "write durations in steps of 1/4 s, or end a shot with `out`" in told


@pytest.mark.parametrize(
    "shots",
    [
        "{from: a, to: b}, {from: b, to: c, duration: 2.5s}",
        "{from: a, to: b, duration: 1.03s, transition: cut}, {from: b, duration: 1.03s}",
        "{from: a, to: b, duration: 1.03s, out: 1s}, {from: c, duration: 1.03s}",
        "{from: a, to: b, hold: 1.03s}, {from: b, to: c}",
    ],
)
def test_shots_that_are_as_long_as_asked_are_not_told(plan: Plan, shots: str) -> None:
    assert not warned(plan(f"shots: [{shots}]"), "longer than asked")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("shots: [{from: a, duration: '00:00:02:20'}]", "shots[0].duration"),
        ("shots: [{from: a, hold: '00:00:00:20'}]", "shots[0].hold"),
        ("shots: [{from: a, in: '00:00:01:20'}]", "shots[0].in"),
        ("shots: [{from: a, out: '00:00:01:20'}]", "shots[0].out"),
        ("shots: [{from: a, to: b, transition: 'dissolve 00:00:00:20'}, {from: c}]", "shots[0].transition"),
        ("shots: [{from: a, through: {keyframe: b, at: '00:00:02:20'}, to: c}]", "shots[0].through[0].at"),
        ("shots: [{from: a, subtitle: {text: x, at: '00:00:00:20'}}]", "shots[0].subtitle[0].at"),
        ("shots: [{from: a, status: omit, duration: '00:00:00:20'}, {from: b}]", "shots[0].duration"),
        ("titles: {open: {text: x, for: '00:00:01:20'}}\nshots: [{from: a}]", "titles.open[0].for"),
        ("defaults: {duration: '00:00:01:20'}\nshots: [{from: a}, {from: b}]", "defaults.duration"),
        ("scenes: [{duration: '00:00:01:20', shots: [{from: a}]}]", "scenes[0].duration"),
    ],
)
def test_a_timecode_has_fewer_frames_than_a_second(mistakes: Mistakes, text: str, place: str) -> None:
    (mistake,) = mistakes(text)
    assert f"{place}: frame 20 in a second of 16 frames" in mistake
    assert "if timecodes count 24 frames per second, write film: {rate: 24}" in mistake


@pytest.mark.parametrize(
    ("head", "text", "told"),
    [
        ("", "00:00:01:15", ""),
        ("film: {rate: 24}\n", "00:00:01:23", ""),
        ("film: {rate: 24}\n", "00:00:01:24", "film: {rate: 25}"),
        ("film: {rate: 30}\n", "00:00:01:47", "film: {rate: 48}"),
        ("film: {rate: 48}\n", "00:00:01:49", "write seconds: 2.5s"),
        ("defaults: {render: {i2v: {model: wan2.2-ti2v-5b}}}\n", "00:00:01:23", ""),
    ],
)
def test_the_frames_of_a_second_are_the_films(
    document: Callable[[str], Document], cache: FactCache, models: Models, head: str, text: str, told: str
) -> None:
    read = document(f"version: 1\n{head}keyframes: keyframes/\nshots: [{{from: a, duration: '{text}'}}]\n")
    with pytest.raises(StoryboardError, match=re.escape(told)) if told else nullcontext():
        make_plan(read, models=models, backend_id="animatic/1", cache=cache)


def test_a_rate_that_is_not_whole_counts_up_to_the_next_frame(document: Callable[[str], Document]) -> None:
    board = document("shots: [{from: a, duration: '00:00:01:23'}, {from: b, duration: '00:00:01:24'}]").storyboard
    findings = Findings(Document(storyboard=board, file=Path("x.yaml"), marks={}))
    check_timecodes(board, Fraction(24000, 1001), findings)
    with pytest.raises(StoryboardError, match=r"frame 24 in a second of 24 frames; .* 23\.976 frames per second"):
        findings.raise_errors()


def test_in_and_out_show_a_part_of_the_same_take(plan: Plan) -> None:
    film = plan("shots: [{from: a, to: b, in: 1s, out: 2.5s}, {from: b, to: c, in: 8f}, {from: c, to: d}]")
    assert [(shot.first, shot.frames) for shot in film.shots] == [(16, 24), (8, 72), (0, 81)]
    assert [shot.joint for shot in film.shots[:2]] == [PlannedJoint("cut"), PlannedJoint("continuous")]


def test_in_and_out_of_the_last_shot(plan: Plan) -> None:
    assert only(plan("shots: [{from: a, to: b, in: 1s}]")).frames == 65
    assert only(plan("shots: [{from: a, in: 1s}]")).frames == 64
    assert only(plan("shots: [{from: a, out: 4s}]")).frames == 64


@pytest.mark.parametrize(
    ("keys", "place", "found"),
    [
        ("in: 6s", "in", "less than one frame"),
        ("in: 2s, out: 1s", "out", "less than one frame"),
        ("out: 6s", "out", "6s is after the end of the take; the take has 81 frames"),
    ],
)
def test_parts_that_are_not_there_are_errors(mistakes: Mistakes, keys: str, place: str, found: str) -> None:
    (mistake,) = mistakes(f"shots: [{{from: a, {keys}}}]")
    assert f"shots[0].{place}: {found}" in mistake


def test_hold_freezes_the_last_picture_and_adds_time(plan: Plan) -> None:
    film = plan("shots: [{from: a, to: b, hold: 1s, transition: cut}, {from: b, to: c, hold: 0.5s}]")
    assert [(shot.frames, shot.hold) for shot in film.shots] == [(80, 16), (81, 8)]


def test_hold_before_a_continuous_joint_freezes_the_shared_picture(plan: Plan) -> None:
    film = plan("shots: [{from: a, to: b, hold: 1s}, {from: b, to: c}]")
    assert (film.shots[0].frames, film.shots[0].hold) == (81, 15)
    assert sum(shot.frames + shot.hold for shot in film.shots) == 161 + 16


def test_a_model_with_another_rate_sets_the_films(plan: Plan) -> None:
    film = plan("shots: [{from: a, duration: 2s, render: {i2v: {model: wan2.2-ti2v-5b}}}]")
    assert (film.rate, only(film).frames, take_of(only(film)).frames) == (Fraction(24), 48, 49)


def test_fades_are_film_frames(plan: Plan) -> None:
    film = plan("version: 1\nfilm: {fade_in: 1s, fade_out: 24f}\nkeyframes: keyframes/" + FOUR)
    assert (film.fade_in, film.fade_out) == (16, 24)


def test_a_fade_longer_than_the_film_is_an_error(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("version: 1\nfilm: {fade_out: 9s}\nkeyframes: keyframes/\nshots: [{from: a}]")
    assert "film.fade_out: 144 frames, but the film has 80" in mistake


def test_fades_are_not_compared_with_a_film_that_a_mistake_has_made_meaningless(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("shots: [{from: a, to: b, transition: dissolve 99999f}, {from: b}]")
    assert "the dissolve takes 99999 frames" in mistake


# --- frames of the model -------------------------------------------------------------------------------


def test_frames_off_the_grid_are_an_error_that_names_the_nearest(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("shots: [{from: a, to: b, render: {frames: 80}}]")
    assert "shots[0].render.frames: 80 frames; wan2.1-flf2v-14b renders 4n + 1; the nearest: 77 or 81" in mistake


@pytest.mark.parametrize("frames", [1, 3])
def test_a_shot_between_two_keyframes_has_a_step_of_frames_at_least(mistakes: Mistakes, frames: int) -> None:
    (mistake,) = mistakes(f"shots: [{{from: a, to: b, render: {{frames: {frames}}}}}]")
    assert f"shots[0].render.frames: {frames} frame" in mistake
    assert "a shot between two keyframes has at least 5 frames; write 5" in mistake


def test_the_shortest_takes(plan: Plan) -> None:
    film = plan("shots: [{from: a, to: b, duration: 0.001s}, {from: b, render: {frames: 1}}, {from: c, to: d}]")
    assert [take.frames for take in film.takes] == [5, 1, 81]


def test_fixed_frames_are_the_takes_length_and_a_duration_that_is_no_nearer_gives_way(plan: Plan) -> None:
    film = plan("shots: [{from: a, to: b, render: {frames: 49}, transition: cut}, {from: b, to: c}]")
    assert (take_of(film.shots[0]).frames, film.shots[0].frames) == (49, 48)
    film = plan("defaults: {render: {frames: 81}}\nshots: [{from: a, duration: 2s}, {from: b, duration: 2s}]")
    assert [(take_of(shot).frames, shot.frames) for shot in film.shots] == [(81, 32), (81, 32)]


def test_a_duration_beyond_the_fixed_frames_is_a_warning(plan: Plan) -> None:
    film = plan("shots: [{from: a, duration: 6s, render: {frames: 49}}, {from: b}]")
    assert film.shots[0].frames == 49
    assert warned(film, "6s is longer than the 49 frames")


def test_beyond_the_trained_length_is_a_warning_and_beyond_twice_an_error(plan: Plan, mistakes: Mistakes) -> None:
    assert not warned(plan("shots: [{from: a, duration: 5s}]"), "trained")
    assert warned(plan("shots: [{from: a, duration: 6s}]"), "shots[0].duration: 97 frames")
    assert plan("shots: [{from: a, duration: 10s}]").takes[0].frames == 161
    (mistake,) = mistakes("shots: [{from: a, duration: 11s}]")
    assert "shots[0].duration: 177 frames" in mistake
    assert "through" in mistake


# --- joints --------------------------------------------------------------------------------------------


def test_default_joints(plan: Plan) -> None:
    text = "shots: [{from: a, to: b}, {from: b}, {from: b, to: c}, {still: c}, {from: c, to: d}, {card: ''}]"
    assert [shot.joint.kind for shot in plan(text).shots if shot.joint] == ["continuous", "cut", "cut", "cut", "cut"]


def test_joints_go_across_scenes(plan: Plan) -> None:
    film = plan("scenes: [{shots: [{from: a, to: b}]}, {shots: [{from: b, to: c}]}]")
    assert [shot.id for shot in film.shots] == ["1/010", "2/010"]
    assert film.shots[0].joint == PlannedJoint("continuous")


def test_an_omitted_shot_takes_its_joint_along(plan: Plan) -> None:
    text = FOUR.replace("action: two}", "action: two, transition: dissolve 8f, status: omit}")
    film = plan(text)
    assert film.omitted == {"1/020": (0, 1)}
    assert [shot.joint for shot in film.shots] == [PlannedJoint("cut"), PlannedJoint("continuous"), None]
    assert [shot.frames for shot in film.shots] == [80, 80, 81]


def test_dissolves_and_fades_have_film_frames(plan: Plan) -> None:
    film = plan(FOUR.replace("one}", "one, transition: dissolve 8f}").replace("two}", "two, transition: fade 1s}"))
    assert [shot.joint for shot in film.shots[:3]] == [
        PlannedJoint("dissolve", 8),
        PlannedJoint("fade", 16),
        PlannedJoint("continuous"),
    ]


def test_a_dissolve_longer_than_its_shots_is_an_error(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("shots: [{from: a, duration: 1s, transition: dissolve 20f}, {from: b}]")
    assert "shots[0].transition: the dissolve takes 20 frames; 1/010 has 16 frames" in mistake
    (mistake,) = mistakes("shots: [{from: a, transition: dissolve 2s}, {from: b, duration: 1s}, {card: ''}]")
    assert "the dissolve takes 32 frames; 1/020 has 16 frames" in mistake


def test_two_dissolves_may_not_meet_in_one_shot(mistakes: Mistakes, plan: Plan) -> None:
    three = "shots: [{from: a, transition: dissolve %s}, {from: b, duration: 1s, transition: dissolve 8f}, {from: c}]"
    assert len(plan(three % "8f").shots) == 3
    (mistake,) = mistakes(three % "9f")
    assert "shots[1].transition" in mistake


def test_a_fade_takes_half_of_each_shot(mistakes: Mistakes, plan: Plan) -> None:
    two = "shots: [{from: a, duration: 1s, transition: fade %s}, {from: b}]"
    assert len(plan(two % "32f").shots) == 2
    assert len(mistakes(two % "33f")) == 1


def test_a_dissolve_of_no_frame_is_an_error(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("shots: [{from: a, transition: dissolve 0.01s}, {from: b}]")
    assert "shorter than one frame" in mistake


def test_continuous_without_a_shared_picture_is_an_error(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("shots: [{from: a, to: b, transition: continuous}, {from: c}]")
    assert "shots[0].transition: 1/010 and 1/020 share no keyframe" in mistake
    (mistake,) = mistakes("shots: [{from: a, to: b, out: 2s, transition: continuous}, {from: b}]")
    assert "cuts off the keyframe" in mistake


def test_a_transition_of_the_last_shot_in_the_film_does_nothing_and_says_so(plan: Plan) -> None:
    text = "shots: [{from: a, transition: cut}, {from: b, status: omit}]"
    assert warned(plan(text), "1/010 is the film's last shot: its transition is ignored")


def test_a_film_whose_every_shot_is_omitted_is_an_error(mistakes: Mistakes) -> None:
    assert "every shot is omitted" in mistakes("shots: [{from: a, status: omit}]")[0]


# --- takes ---------------------------------------------------------------------------------------------


def numbers(shot: PlannedShot) -> tuple[list[int], int, str | None]:
    content = rendered(shot)
    return [planned.number for planned in content.takes], content.chosen, content.pin


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", ([1], 1, None)),
        ("takes: 3", ([1, 2, 3], 1, None)),
        ("takes: 2, ng: [1]", ([2, 3], 2, None)),
        ("takes: 3, circle: 2", ([1, 2, 3], 2, None)),
        ("circle: 4", ([1, 4], 4, None)),
        ("takes: 3, circle: 2@7f3a91", ([2], 2, "7f3a91")),
    ],
)
def test_takes_circles_and_refusals(plan: Plan, keys: str, expected: tuple[list[int], int, str | None]) -> None:
    assert numbers(only(plan(f"shots: [{{from: a, {keys}}}]"))) == expected


def test_seeds_follow_from_the_seed_and_the_number_alone(plan: Plan) -> None:
    film = plan(
        "shots: [{from: a, takes: 3, render: {seed: 9}}, {from: b, takes: 2, ng: [1], render: {seed: 9}}, {from: c}]"
    )
    assert [planned.take.seed for planned in rendered(film.shots[0]).takes] == [9, take_seed(9, 2), take_seed(9, 3)]
    assert [planned.take.seed for planned in rendered(film.shots[1]).takes] == [take_seed(9, 2), take_seed(9, 3)]
    assert take_of(film.shots[2]).seed == DEFAULT_SEED


# --- what comes later ----------------------------------------------------------------------------------


def test_what_comes_later_is_still_validated(mistakes: Mistakes) -> None:
    (mistake,) = mistakes("shots: [{from: a, to: b, through: [c], render: {frames: 80}}]")
    assert "the nearest: 77 or 81" in mistake


def test_a_shot_at_another_rate_than_the_films_is_retimed(plan: Plan) -> None:
    film = plan("shots: [{from: a}, {from: b, duration: 2s, render: {i2v: {model: wan2.2-ti2v-5b}}}, {card: ''}]")
    assert [shot.rate for shot in film.shots] == [None, Fraction(24), None]
    assert (film.rate, film.shots[1].frames, take_of(film.shots[1]).frames) == (Fraction(16), 32, 49)
    (note,) = [str(problem) for problem in film.notes if "24 frames per second" in str(problem)]
    assert "1/020: 24 frames per second in a film of 16; frames in between are made by flow" in note


def test_a_rate_that_duplicates_cannot_show_evenly_is_a_warning(plan: Plan) -> None:
    text = "version: 1\nfilm: {{rate: {{fps: {}, method: duplicate}}}}\nkeyframes: keyframes/\nshots: [{{from: a}}]"
    (warning,) = warned(plan(text.format(24)), "motion judders")
    assert "film.yaml:2:8: film.rate: 1/010: 16 frames per second in a film of 24" in warning
    assert not warned(plan(text.format(48)), "motion judders")


def test_frames_are_counted_at_the_rate_that_is_asked_for(plan: Plan) -> None:
    film = plan("version: 1\nfilm: {rate: 24}\nkeyframes: keyframes/\nshots: [{from: a, duration: 48f}, {card: ''}]")
    assert (take_of(film.shots[0]).frames, film.shots[0].frames) == (33, 48)
    assert (film.rate, film.shots[0].rate) == (Fraction(24), Fraction(16))


# --- warnings ------------------------------------------------------------------------------------------


def test_nearly_equal_ends_are_a_warning(plan: Plan) -> None:
    assert warned(plan("shots: [{from: a, to: a}]"), "shots[0].to: a and a are nearly identical")


def test_very_unlike_ends_are_a_warning(plan: Plan, studio: Path) -> None:
    from PIL import Image

    for name, grey in (("black", 0), ("white", 255)):
        Image.new("L", (832, 480), grey).save(studio / f"{name}.png")
    film = plan("version: 1\nkeyframes: {k: black.png, w: white.png}\nshots: [{from: k, to: w}]")
    assert warned(film, "k and w are very different: 1/010")


def test_a_pair_of_pictures_is_warned_of_once_with_the_first_three_shots(plan: Plan, studio: Path) -> None:
    from PIL import Image

    for name, grey in (("black", 0), ("white", 255)):
        Image.new("L", (832, 480), grey).save(studio / f"{name}.png")
    there_and_back = ", ".join(["{from: k, to: w}, {from: w, to: k}"] * 50)
    film = plan(f"version: 1\nkeyframes: {{k: black.png, w: white.png}}\nshots: [{there_and_back}]")
    (warning,) = warned(film, "very different")
    assert "shots[0].to: k and w are very different: 1/010, 1/020, 1/030 and 97 more; " in warning


def test_an_enlarged_picture_is_a_warning_once(plan: Plan, studio: Path) -> None:
    from PIL import Image

    Image.new("L", (416, 240), 9).save(studio / "small.png")
    film = plan("version: 1\nkeyframes: {s: small.png}\nshots: [{from: s}, {from: s}]")
    (warning,) = warned(film, "enlarged")
    assert "keyframes.s: enlarged to cover 832x480: s (416x240, 2.00 times); up to 1.5 times looks sharp" in warning


def test_enlarged_pictures_share_one_warning_that_names_all(plan: Plan, studio: Path) -> None:
    from PIL import Image

    sizes = {f"k{number}": (400 + number, 240) for number in range(5)}
    for name, size in sizes.items():
        Image.new("L", size, 9).save(studio / f"{name}.png")
    keyframes = ", ".join(f"{name}: {name}.png" for name in sizes)
    shots = ", ".join(f"{{from: {name}}}" for name in sizes)
    film = plan(f"version: 1\nkeyframes: {{{keyframes}}}\nshots: [{shots}]")
    (warning,) = warned(film, "enlarged")
    named = ", ".join(f"{name} ({wide}x{high}, {832 / wide:.2f} times)" for name, (wide, high) in sizes.items())
    assert f"keyframes.k0: enlarged to cover 832x480: {named}; up to 1.5 times looks sharp" in warning


@pytest.mark.parametrize(("width", "warnings"), [(554, []), (553, []), (552, ["1.51 times"])])
def test_a_picture_is_not_called_too_small_by_what_rounds_to_the_limit(
    plan: Plan, studio: Path, width: int, warnings: list[str]
) -> None:
    from PIL import Image

    Image.new("L", (width, 480), 9).save(studio / f"{width}.png")
    film = plan(f"version: 1\nkeyframes: {{s: {width}.png}}\nshots: [{{from: s}}]")
    told = warned(film, "enlarged")
    assert len(told) == len(warnings)
    assert all(words in line for words, line in zip(warnings, told, strict=True))


def test_a_problem_is_one_line_whatever_was_found(document: Callable[[str], Document]) -> None:
    findings = Findings(document("shots: [{from: a}]"))
    findings.warn(("film",), "one\ntwo\u2028three 漢　字")
    assert [problem.found for problem in findings.warnings] == ["one\\ntwo\\u2028three 漢　字"]


def test_what_may_surprise_of_a_picture_is_a_warning_and_what_was_done_right_a_note(plan: Plan, studio: Path) -> None:
    """Both are recorded beside every take of the picture, and of each part of a shot that passes through it."""
    from PIL import Image

    orientation = Image.Exif()
    orientation[0x0112] = 6
    Image.new("RGBA", (480, 832), (9, 9, 9, 9)).save(studio / "glass.png", exif=orientation)
    names = "g: glass.png, a: keyframes/a.png, b: keyframes/b.png"
    film = plan(f"version: 1\nkeyframes: {{{names}}}\nshots: [{{from: a, to: b, through: g, takes: 2}}, {{from: g}}]")
    assert warned(film, "keyframes.g: g has transparency: composited over black")
    assert "upright" not in "".join(map(str, film.warnings))
    assert [note.found for note in film.notes] == ["g was turned upright by its EXIF orientation"]
    told = ("g was turned upright by its EXIF orientation", "g has transparency: composited over black")
    (glass,) = (digest for digest, file in film.pictures.items() if file.name == "glass.png")
    with_it = [
        take.key for take in film.takes if glass in {getattr(end, "picture", "") for end in (take.first, take.last)}
    ]
    assert len(with_it) == 5, "two parts of two takes, and the second shot"
    assert film.remarks == dict.fromkeys(with_it, told)


SHAPES = {"tall": (480, 832), "phone": (900, 1200), "square": (900, 900), "wide": (1664, 300), "fits": (832, 500)}


def shapes(studio: Path) -> str:
    """Keyframes of several shapes, as a map of the storyboard."""
    from PIL import Image

    for name, size in SHAPES.items():
        Image.new("RGB", size, (9, 99, 199)).save(studio / f"{name}.png")
    return ", ".join(f"{name}: {name}.png" for name in SHAPES)


def test_what_is_cropped_from_5_percent_on_is_told_once(plan: Plan, studio: Path) -> None:
    """832x500 loses 4 % and is not told of; however many shots use a picture, it is told of once."""
    pairs = ("tall, to: phone", "phone, to: square", "square, to: wide", "wide, to: fits", "fits, to: tall")
    shots = "".join(f"\n  - {{from: {pair}}}" for pair in pairs)
    film = plan(f"version: 1\nkeyframes: {{{shapes(studio)}}}\nshots:{shots}")
    told = [f"{p.where} {p.found}" for p in film.warnings if "is cropped" in p.found]
    assert [line.partition("keyframes.")[2] for line in told] == [
        "tall about 67% of 480x832 is cropped to fill 832x480: tall",
        "phone about 57% of 900x1200 is cropped to fill 832x480: phone",
        "square about 42% of 900x900 is cropped to fill 832x480: square",
        "wide about 69% of 1664x300 is cropped to fill 832x480: wide",
    ]
    assert all("set focus, or fit: blur or contain" in line for line in warned(film, "is cropped"))
    assert {film.pictures[digest].stem for digest in film.cropped} == {"tall", "phone", "square", "wide"}
    last = film.remarks[take_of(film.shots[-1]).key]
    assert last == ("about 67% of tall is cropped",), "beside the take, too"


@pytest.mark.parametrize("order", ["from: whole, to: cut", "from: cut, to: whole"])
def test_a_picture_under_two_names_is_remarked_on_as_each_name_fits_it(plan: Plan, studio: Path, order: str) -> None:
    shapes(studio)
    names = "whole: {image: tall.png, fit: blur}, cut: {image: tall.png, focus: [0.5, 0]}, b: phone.png"
    film = plan(f"version: 1\nkeyframes: {{{names}}}\nshots: [{{{order}}}, {{from: whole}}, {{from: cut}}]")
    both, whole, cut = (film.remarks.get(take_of(shot).key, ()) for shot in film.shots)
    assert both == cut == ("about 67% of cut is cropped",)
    assert whole == ()
    assert all("move focus, or fit: blur or contain" in line for line in warned(film, "is cropped"))


def test_the_shape_that_most_keyframes_have_is_proposed(plan: Plan, studio: Path) -> None:
    names = shapes(studio)
    film = plan(f"version: 1\nkeyframes: {{{names}}}\nshots: [{{from: phone, to: tall}}, {{from: tall, to: square}}]")
    assert all("film.aspect: 3:4 would crop less" in line for line in warned(film, "is cropped"))
    mixed = plan(f"version: 1\nkeyframes: {{{names}}}\nshots: [{{from: phone, to: fits}}, {{from: fits, to: wide}}]")
    assert not [line for line in warned(mixed, "is cropped") if "would crop less" in line]
    told = plan(f"version: 1\nfilm: {{raster: 832x480}}\nkeyframes: {{{names}}}\nshots: [{{from: phone}}]")
    assert "a raster of 3:4 would crop less" in "".join(warned(told, "is cropped"))


def plates_of(film: FilmPlan) -> dict[str, Plate]:
    ends = [end for take in film.takes for end in (take.first, take.last)]
    return {film.pictures[end.picture].stem: end for end in ends if isinstance(end, Plate)}


def test_the_fit_of_a_keyframe_is_its_own_or_that_of_the_film(plan: Plan, studio: Path) -> None:
    """Nothing is cropped then, and nothing told of; what covers the raster anyway keeps its key."""
    shapes(studio)
    names = "tall: {image: tall.png, fit: cover}, phone: phone.png, wide: {image: wide.png, fit: Contain}"
    shots = "shots: [{from: tall, to: phone}, {from: wide, to: a}]"
    text = f"version: 1\n%s\nkeyframes: {{{names}, a: keyframes/a.png}}\n{shots}"
    plates = plates_of(film := plan(text % "defaults: {fit: blur}"))
    assert {name: plate.fit for name, plate in plates.items()} == {
        "tall": "cover",
        "phone": "blur",
        "wide": "contain",
        "a": "cover",
    }
    assert len(warned(film, "is cropped")) == 1
    assert {plate.fit for plate in plates_of(plan(text % "")).values()} == {"cover", "contain"}


def test_a_fit_that_does_nothing_is_told(plan: Plan, studio: Path) -> None:
    shapes(studio)
    names = "tall: {image: tall.png, fit: blur, focus: [0.5, 0.1]}, p: {prompt: a deer, fit: blur}"
    film = plan(f"version: 1\nkeyframes: {{{names}}}\nshots: [{{from: tall}}, {{from: p}}]")
    assert warned(film, "keyframes.tall.focus: nothing is cropped with fit: blur, so focus is ignored")
    assert warned(film, "keyframes.p.fit: p is painted at the film's raster: its fit is ignored")
    assert plates_of(film)["tall"].focus == (Fraction(1, 2), Fraction(1, 2)), "a focus that does nothing is in no key"


def test_an_unused_keyframe_is_a_warning_unless_an_omitted_shot_uses_it(plan: Plan) -> None:
    text = "version: 1\nkeyframes: {a: keyframes/a.png, b: keyframes/b.png, c: keyframes/c.png}\n"
    film = plan(text + "shots: [{from: a}, {from: b, status: omit}]")
    assert warned(film, "no shot uses") == [w for w in warned(film, "keyframes.c") if "no shot uses" in w]
    assert len(warned(film, "no shot uses")) == 1


def test_a_prompt_beyond_the_encoder_is_a_warning(plan: Plan) -> None:
    film = plan(f"shots: [{{from: a, action: {'words ' * 400}}}]")
    (told,) = warned(film, "the prompt has about 621 tokens, and about its last 71 words are lost")
    assert "; wan2.1-i2v-14b-480p reads the first 512; " in told


def test_a_size_that_the_model_is_not_documented_for_is_a_warning(plan: Plan) -> None:
    text = FOUR.replace("{from: b, to: c, action: two}", "{from: b}\n  - {action: two}")
    film = plan("version: 1\nfilm: {raster: 64x48, deliver: 64x48}\nkeyframes: keyframes/" + text)
    (warning,) = warned(film, "documented")
    assert warning.endswith(
        "film.raster: 64x48 is not a documented size of all models of the film: "
        "wan2.1-flf2v-14b, wan2.1-i2v-14b-480p, wan2.1-t2v-14b"
    )
    assert not warned(plan(FOUR), "documented")


# --- mistakes ------------------------------------------------------------------------------------------


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    told = mistakes("""shots:
  - {from: a, to: b, transition: continuous}
  - {from: c, render: {frames: 80}}
  - {from: d, to: e, render: {flf2v: {model: wan2.2-ti2v-5b}}}
  - {from: f, duration: 20s}
""")
    assert [line.split(":")[1] for line in told] == ["5", "6", "7", "8"]


def test_planning_needs_no_torch_and_no_numpy(studio: Path, plan: Plan) -> None:
    """With known pictures, in a fresh process."""
    plan(FOUR)
    program = (
        "import sys, json; from pathlib import Path; from wan_render.facts import FactCache; "
        "from wan_render.storyboard import read_storyboard; from wan_render.plan import make_plan; "
        "from wan_render.backends.wan.models.catalogue import catalogue; "
        "cache = FactCache(Path(sys.argv[2])); models = catalogue(cache); "
        "read = read_storyboard(Path(sys.argv[1]), models=models, cache=cache); "
        "film = make_plan(read, models=models, backend_id='animatic/1', cache=cache); "
        "heavy = sorted({'torch', 'diffusers', 'numpy', 'PIL', 'cv2', 'av', 'pandas'} & set(sys.modules)); "
        "print(json.dumps([len(film.takes), heavy]))"
    )
    command = [sys.executable, "-c", program, str(studio / "film.yaml"), str(studio / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [4, []]
