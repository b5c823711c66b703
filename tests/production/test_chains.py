"""Shots that need other takes: `from: previous`, `through`, painted keyframes; as films, end to end."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.production.solid import CPU
from tests.production.storyboards import ANIMATIC, Stage, animatic_film, clip_of, pixels_of, take_of
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import render_all
from wan_render.media.clip import read_frames
from wan_render.plan import FilmPlan, NotYet, PinnedClip, Rendered, StillPicture
from wan_render.production.failures import failures
from wan_render.production.finish import finish
from wan_render.production.run import begin
from wan_render.status import State, plan_json, status
from wan_render.store import Store
from wan_render.store.prune import prunable
from wan_render.take import FramePlate

CHAIN = """\
shots:
  - {from: a, action: one}
  - {from: previous, action: two}
  - {from: previous, to: b, action: three}
"""
PASSING = "shots: [{from: a, through: [{keyframe: b, at: 0.5s, action: up}], to: c, action: down, duration: 2s}]"
PAINTED = "keyframes: {a: keyframes/a.png, deer: {prompt: a deer, render: {seed: 7}}}"


def whys(plan: FilmPlan, store: Store) -> list[tuple[str, str]]:
    return [(shot.state.value, shot.why) for shot in status(plan, store, ANIMATIC).shots]


def wanted(plan: FilmPlan, store: Store, only: set[str] | None = None) -> list[tuple[str, int]]:
    with begin(plan, ANIMATIC, store, only=only) as run:
        return [(order.shot, order.number) for order in run.orders]


# --- from: previous


def test_a_shot_begins_on_the_last_frame_of_the_one_before(stage: Stage, store: Store) -> None:
    plan = stage.plan(CHAIN)

    version = animatic_film(plan, store)

    takes = [take_of(plan, f"1/0{n}0") for n in (1, 2, 3)]
    assert (version.slates, version.frames) == ({}, 16 + 16 + 17), "the shared pictures appear once"
    for before, after in pairwise(takes):
        assert after.first == FramePlate(before.key, 16, before.size)
        assert (pixels_of(store, after)[0] == pixels_of(store, before)[-1]).all()
        assert clip_of(store, after).first is not None
    made_for = store.record(takes[1].key).provenance
    assert made_for.keyframes == {"first": f"frame 16 of take {takes[0].key[:8]}"}


def test_a_change_of_the_continued_shot_makes_a_shot_stale_and_says_so(stage: Stage, store: Store) -> None:
    animatic_film(stage.plan(CHAIN), store)
    edited = stage.plan(CHAIN.replace("one", "another"))
    begins = "the take that it begins on changed"
    assert whys(edited, store) == [("stale", "prompt changed"), ("stale", begins), ("stale", begins)]
    assert whys(stage.plan(CHAIN.replace("three", "3")), store)[:2] == [("found", ""), ("found", "")]


def test_the_circled_take_is_continued_else_the_first_that_is_not_refused(stage: Stage) -> None:
    shots = "shots: [{from: a, takes: 3, SAID}, {from: previous, takes: 2}]"
    for said, number in (("ng: [1]", 2), ("circle: 3", 3), ("notes: x", 1)):
        plan = stage.plan(shots.replace("SAID", said))
        for after in (1, 2):
            first = take_of(plan, "1/020", after).first
            assert first == FramePlate(take_of(plan, "1/010", number).key, 16, plan.size)


def test_a_pinned_clip_is_continued_itself(stage: Stage, store: Store) -> None:
    first = stage.plan(CHAIN)
    animatic_film(first, store)
    old = take_of(first, "1/010")

    def kept(digits: str) -> PinnedClip | None:
        return PinnedClip(old.key, old.frames, old.size) if old.key.startswith(digits) else None

    pinned = f"action: new, circle: 1@{old.key[:8]}"
    plan = stage.plan(CHAIN.replace("action: one", pinned), kept)
    assert [state for state, _ in whys(plan, store)] == ["kept", "found", "found"]

    lost = stage.plan(CHAIN.replace("action: one", "action: new, circle: 1@00000000"), kept)
    assert lost.shots[1].content == NotYet(
        "continues 1/010, which is pinned to @00000000: no single clip has such a key"
    )
    assert isinstance(lost.shots[2].content, NotYet)
    smaller = stage.plan(
        CHAIN.replace("action: one", pinned), lambda _: PinnedClip(old.key, 17, replace(old.size, width=32))
    )
    assert "is 32x48: the film's raster is 64x48" in str(smaller.shots[1].content)


def test_only_also_renders_what_its_shots_need(stage: Stage, store: Store) -> None:
    plan = stage.plan(CHAIN + "  - {from: c}\n")
    assert wanted(plan, store, {"1/030"}) == [("1/010", 1), ("1/020", 1), ("1/030", 1)]
    assert wanted(plan, store, {"1/040"}) == [("1/040", 1)]


def test_a_shot_whose_first_take_fails_is_a_slate_that_says_why(stage: Stage, store: Store) -> None:
    plan = stage.plan(CHAIN)
    (stage.folder / "keyframes" / "a.png").write_bytes(b"gone")

    version = animatic_film(plan, store)

    needs = "needs 1/0{}0 take 1, which could not be rendered: "
    assert list(version.slates) == ["1/010", "1/020", "1/030"]
    assert version.slates["1/020"] == needs.format(1) + version.slates["1/010"]
    assert version.slates["1/030"] == needs.format(2) + version.slates["1/020"]


def test_a_lost_first_take_is_rendered_again_only_if_it_is_needed(stage: Stage, store: Store) -> None:
    shots = "shots: [{from: a, to: deer, action: one}, {from: deer}]"
    plan = stage.plan(shots, keyframes=PAINTED)
    animatic_film(plan, store)
    painting = plan.paintings["deer"]
    store.takes.delete(painting.key, clip_of(store, painting).folder)
    assert wanted(plan, store) == []
    edited = stage.plan(shots.replace("one", "1"), keyframes=PAINTED)
    assert wanted(edited, store) == [("keyframe deer", 1), ("1/010", 1)]


# --- the farm


def test_a_farm_makes_the_same_film_as_one_process(stage: Stage, store: Store, tmp_path: Path) -> None:
    shots = CHAIN + "  - {from: c, takes: 2}\n  - {from: previous}\n"
    plan = stage.plan(shots)
    expected = animatic_film(plan, store)
    farmed = Store(tmp_path / "farmed")
    devices = [replace(CPU, name=f"cpu:{n}") for n in range(3)]
    with begin(plan, ANIMATIC, farmed) as run, LocalFarm(devices, farmed.root) as farm:
        version = finish(run, failures(render_all(run.orders, farm)))
    assert (version.slates, version.frames) == (expected.slates, expected.frames)
    for take in plan.takes:
        assert clip_of(farmed, take).video.read_bytes() == clip_of(store, take).video.read_bytes()


# --- through


def test_a_shot_passes_through_its_keyframes_bit_for_bit(stage: Stage, store: Store) -> None:
    plan = stage.plan(PASSING)

    version = animatic_film(plan, store)

    take = take_of(plan, "1/010")
    frames = pixels_of(store, take)
    first, second = (pixels_of(store, segment) for segment in take.segments)
    assert (version.slates, version.frames, len(frames)) == ({}, 33, 33)
    assert (frames == np.concatenate([first, second[1:]])).all()
    assert (frames[8] == first[-1]).all()
    assert [segment.prompt for segment in take.segments] == ["up", "down"]
    assert [segment.frames for segment in take.segments] == [9, 25]
    assert clip_of(store, take).preview.stat().st_size > 0


def test_its_page_shows_every_keyframe_and_every_prompt(stage: Stage, store: Store) -> None:
    page = animatic_film(stage.plan(PASSING), store).page.read_text(encoding="utf-8")
    assert re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", page) == ["a", "b", "c"]
    assert "up → down" in page


def test_its_seconds_are_those_of_its_segments_and_of_joining_them(stage: Stage, store: Store) -> None:
    plan = stage.plan(PASSING)
    page = animatic_film(plan, store).page
    take = take_of(plan, "1/010")
    parts = [store.record(key).provenance for key in (take.key, *(segment.key for segment in take.segments))]
    spent = sum(seconds for part in parts for phase, seconds in part.seconds.items() if phase != "waiting")
    (row,) = csv.DictReader((page.parent / "shots.csv").open(encoding="utf-8-sig"))
    assert float(row["seconds"]) == pytest.approx(spent, abs=0.01)
    assert float(row["seconds.step"]) > 0
    assert "opencv" in page.read_text(encoding="utf-8")


def test_another_keyframe_renders_only_its_two_segments(stage: Stage, store: Store) -> None:
    through = "shots: [{from: a, through: [b, c, b], to: a, duration: 2s}]"
    animatic_film(stage.plan(through), store)
    edited = stage.plan(through.replace("[b, c, b]", "[b, c, c]"))
    assert whys(edited, store) == [("stale", "keyframes in between changed")]
    assert wanted(edited, store) == [("1/010 part 3", 1), ("1/010 part 4", 1), ("1/010", 1)]


def test_a_segment_is_the_take_of_an_equal_shot(stage: Stage, store: Store) -> None:
    plan = stage.plan(PASSING)
    animatic_film(stage.plan("shots: [{from: a, to: b, action: up, duration: 0.5s}]"), store)
    assert wanted(plan, store) == [("1/010 part 2", 1), ("1/010", 1)]


def test_every_take_of_such_a_shot_is_whole(stage: Stage, store: Store) -> None:
    plan = stage.plan(PASSING.replace("action: down", "action: down, takes: 2"))
    animatic_film(plan, store)
    one, two = take_of(plan, "1/010"), take_of(plan, "1/010", 2)
    assert {segment.seed for segment in two.segments} == {two.seed} != {one.seed}
    assert (pixels_of(store, one) != pixels_of(store, two)).any()


def test_a_shot_that_passes_through_can_continue_and_be_continued(stage: Stage, store: Store) -> None:
    plan = stage.plan("shots: [{from: a}, {from: previous, through: b, to: c}, {from: previous}]")
    assert animatic_film(plan, store).slates == {}
    passing = take_of(plan, "1/020")
    assert passing.segments[0].needs == (take_of(plan, "1/010").key,)
    assert (pixels_of(store, passing)[0] == pixels_of(store, take_of(plan, "1/010"))[-1]).all()
    assert (pixels_of(store, take_of(plan, "1/030"))[0] == pixels_of(store, passing)[-1]).all()


# --- painted keyframes

PAINTED_SHOTS = "shots: [{from: a, to: deer, action: one}, {still: deer, duration: 1s}, {from: deer}]"


def test_a_painted_keyframe_is_one_frame_that_shots_and_stills_show(stage: Stage, store: Store) -> None:
    plan = stage.plan(PAINTED_SHOTS, keyframes=PAINTED)

    version = animatic_film(plan, store)

    painting = plan.paintings["deer"]
    assert (painting.prompt, painting.frames, painting.seed, painting.first) == ("a deer", 1, 7, None)
    picture = FramePlate(painting.key, 0, plan.size)
    assert plan.shots[1].content == StillPicture(picture)
    assert (take_of(plan, "1/010").last, take_of(plan, "1/030").first) == (picture, picture)
    assert version.slates == {}
    (pixels,) = pixels_of(store, painting)
    assert (pixels_of(store, take_of(plan, "1/010"))[-1] == pixels).all()
    assert (pixels_of(store, take_of(plan, "1/030"))[0] == pixels).all()
    assert store.films.versions("harbour")[-1].takes.count(painting.key) == 1


def test_the_plan_has_the_state_of_a_painted_keyframe(stage: Stage, store: Store) -> None:
    plan = stage.plan(PAINTED_SHOTS, keyframes=PAINTED)
    before = status(plan, store, ANIMATIC)
    assert before.shot("1/020").why == "its keyframe is not painted yet"
    (painted,) = plan_json(plan, before)["painted"]
    assert (painted["keyframe"], painted["state"], painted["seed"]) == ("deer", "missing", 7)
    assert before.to_render[0] == plan.paintings["deer"]
    animatic_film(plan, store)
    assert status(plan, store, ANIMATIC).paintings["deer"].state is State.FOUND
    edited = stage.plan(PAINTED_SHOTS, keyframes=PAINTED.replace("a deer", "a stag"))
    assert status(edited, store, ANIMATIC).paintings["deer"].why == "prompt changed"
    assert [why for _, why in whys(edited, store)] == [
        "the take that it ends on changed",
        "its keyframe is not painted yet",
        "the take that it begins on changed",
    ]


def test_a_painted_keyframe_inherits_the_films_settings(stage: Stage) -> None:
    keyframes = (
        "look: {style: oil, avoid: text}\n"
        "keyframes: {deer: {prompt: a deer, render: {t2v: {steps: 9}, negative: blur}}}"
    )
    painting = stage.plan("shots: [{from: deer}]", keyframes=keyframes).paintings["deer"]
    assert (painting.prompt, painting.negative, painting.sampling.steps) == ("a deer", "blur, text", 9)
    assert painting.model == "Wan-AI/Wan2.1-T2V-14B-Diffusers@main"


def test_a_still_whose_keyframe_cannot_be_painted_is_a_slate(stage: Stage, store: Store) -> None:
    plan = stage.plan("shots: [{from: a}, {still: deer}]", keyframes=PAINTED)
    with begin(plan, ANIMATIC, store) as run:
        version = finish(run, {plan.paintings["deer"].key: "spilt"})
    assert version.slates["1/020"] == "spilt"


# --- drafts


def test_a_draft_is_the_same_film_at_another_profile_beside_it(stage: Stage, store: Store) -> None:
    shots = "shots: [{from: a, takes: 2, circle: 2}, {from: previous, to: b, ng: [1]}]"
    final, draft = stage.plan(shots), stage.plan(shots, draft=True)
    assert (final.slug, draft.slug) == ("harbour", "harbour-draft")
    for shot in ("1/010", "1/020"):
        for number in (1, 2) if shot == "1/010" else (2,):
            one, other = take_of(final, shot, number), take_of(draft, shot, number)
            assert (other.seed, other.prompt, other.frames) == (one.seed, one.prompt, one.frames)
            assert (other.sampling.steps, other.sampling.guidance, other.sampling.profile) == (4, (1.0,), "draft")
            assert other.loras
    assert take_of(draft, "1/020", 2).first == FramePlate(take_of(draft, "1/010", 1).key, 16, draft.size)
    assert take_of(final, "1/020", 2).first == FramePlate(take_of(final, "1/010", 2).key, 16, final.size)

    versions = animatic_film(final, store), animatic_film(draft, store)

    assert [version.folder.parent.name for version in versions] == ["harbour", "harbour-draft"]
    assert [version.slates for version in versions] == [{}, {}]
    assert whys(final, store) == whys(draft, store) == [("found", ""), ("found", "")]


def test_a_pin_is_the_final_films(stage: Stage) -> None:
    draft = stage.plan("shots: [{from: a, circle: 3@7f3a91}]", draft=True)
    content = draft.shots[0].content
    assert isinstance(content, Rendered)
    assert (content.chosen, content.pin, [take.number for take in content.takes]) == (3, None, [3])


# --- prune


def test_a_take_that_another_one_begins_on_is_in_use(stage: Stage, store: Store) -> None:
    plan = stage.plan(PAINTED_SHOTS, keyframes=PAINTED)
    animatic_film(plan, store)
    animatic_film(stage.plan(PASSING), store)
    animatic_film(stage.plan("shots: [{from: a}]"), store)
    now = stage.plan("shots: [{from: a}]")

    gone = {take.key for take in prunable(now, store, keep=3)}
    assert gone == set(), "v001 and v002 are kept, and all that they need"
    assert len(prunable(now, store, keep=1)) == len(plan.takes) + len(stage.plan(PASSING).takes)
    pin = take_of(plan, "1/030").key[:8]
    left = {take.key for take in prunable(now, store, keep=1, pins=[pin])}
    assert {take.key for take in plan.takes} - left == {take_of(plan, "1/030").key, plan.paintings["deer"].key}


def test_the_review_page_shows_what_a_shot_began_on(stage: Stage, store: Store) -> None:
    version = animatic_film(stage.plan(CHAIN), store)
    assert re.search("previous", version.page.read_text(encoding="utf-8"))
    assert list(read_frames(clip_of(store, take_of(stage.plan(CHAIN), "1/020")).video, 0, 1))
