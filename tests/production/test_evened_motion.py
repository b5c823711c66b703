"""Late jumps are repaired and stop-and-go is eased: pans whose true pictures are known at every moment."""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media.films import CONTINUOUS, CUT, cut_of
from tests.production.panning import SIXTEEN, SIZE, psnr, publish, published, stop_and_go, view, views
from tests.production.solid import CPU, Solid, a_take, film
from tests.reference import produce
from wan_render.cut import EASING_FORM, REPAIR_FORM, RETIME_FORMS, Cut, Event, SlateSource
from wan_render.media.raster import raster_frames
from wan_render.production.evened_motion import evened_motion
from wan_render.production.motion_report import NO_MOTION, MotionReport, log_motion, measured_again
from wan_render.production.store_sources import Sources
from wan_render.render_values import Pixels
from wan_render.retime.retimed_cut import retimed
from wan_render.store import Store

FRAMES, SPEED, SLOW = 41, 2.0, 8
ONE = stop_and_go(0, FRAMES, SPEED, SLOW)
OTHER = stop_and_go(ONE[-1], FRAMES, SPEED, SLOW)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def film_of(*events: Event, rate: Fraction = SIXTEEN, eased: bool = False, repaired: bool = False) -> Cut:
    cut = cut_of(*events, rate=rate, size=SIZE, delivery=SIZE)
    easing, repair = EASING_FORM if eased else None, REPAIR_FORM if repaired else None
    return replace(cut, easing=easing, repair=repair, retime=RETIME_FORMS["flow"])


def made(cut: Cut, store: Store) -> tuple[list[Pixels], MotionReport, Cut]:
    """The film's frames, what is said of them, and the cut with its paces."""
    paced, report = evened_motion(cut, store, lambda _done, _total: None)
    shown, sources = retimed(paced, Sources(store, {}), store.intermediates, lambda _done, _total: None)
    report = measured_again(report, shown, sources)
    return [frame[:, :, 2::-1].copy() for frame in raster_frames(shown, sources)], report, paced


def places(cut: Cut, shots: Sequence[Sequence[float]]) -> list[float]:
    """Where each film frame should look."""
    shown = zip(cut.events, shots, strict=True)
    every = ((event.source_position(at, cut.rate), shot) for event, shot in shown for at in range(event.frames))
    return [float(np.interp(float(position), np.arange(len(shot)), shot)) for position, shot in every]


@pytest.mark.parametrize("rate", [16, 24])
def test_motion_passes_a_keyframe_without_a_stop_and_the_keyframe_stays_where_it_is(store: Store, rate: int) -> None:
    length = (FRAMES - 1) * rate // 16
    native = None if rate == 16 else SIXTEEN
    joined = Event("1/010", published(store, views(ONE)), 0, length, joint=CONTINUOUS, rate=native)
    last = Event("1/020", published(store, views(OTHER)), 0, length + 1, rate=native)
    frames, report, cut = made(film_of(joined, last, rate=Fraction(rate), eased=True), store)
    (joint,) = report.joints
    assert joint.left == ""
    assert joint.before is not None
    assert joint.after is not None
    assert joint.before.speed < 0.5
    assert 0.85 < joint.after.speed < 1.15
    assert joint.after.change < 0.35
    assert len(frames) == 2 * length + 1
    assert np.array_equal(frames[0], view(ONE[0]))
    assert np.array_equal(frames[length], view(OTHER[0]))
    assert np.array_equal(frames[-1], view(OTHER[-1]))
    true = places(cut, (ONE, OTHER))
    assert min(psnr(picture, view(place)) for picture, place in zip(frames, true, strict=True)) > 30
    steps = np.diff(true)[length - rate : length + rate] * rate / 16
    assert steps.min() > 0.7 * SPEED, "nowhere near the joint does the motion stop"
    assert len(store.intermediates.kept()) == 2, "each shot is interpolated once, also where its rate changes"
    again, _ = evened_motion(film_of(joined, last, rate=Fraction(rate), eased=True), store, lambda _done, _total: None)
    assert again == cut


def test_a_late_jump_becomes_even_steps_and_all_other_frames_stay(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """It moves by 1 pixel a frame, and leaps by 9 into its fourth last frame."""
    where = [*np.arange(38.0), 46.0, 47.0, 48.0]
    take = published(store, views(where))
    frames, report, cut = made(film_of(Event("1/010", take, 0, 41), repaired=True), store)
    (jump,) = report.jumps
    assert jump.left == ""
    assert jump.before == pytest.approx(9, rel=0.25)
    assert jump.after is not None
    assert jump.after < 2
    true = places(cut, [where])
    assert np.diff(true)[jump.first - 1 : jump.last + 1].max() < 2
    assert np.array_equal(frames[-1], view(where[-1]))
    assert all(np.array_equal(frames[at], view(where[at])) for at in range(jump.first - 1))
    inside = [psnr(frames[at], view(true[at])) for at in range(jump.first, jump.last + 1)]
    assert min(inside) > 27
    assert jump.first > 20
    with caplog.at_level(logging.INFO):
        log_motion(report)
    assert f"late jump of 1/010: frames {jump.first} to {jump.last} made: largest step" in caplog.text
    assert "1/010 frames" in report.tags["repair"]


def test_a_jump_to_another_picture_stays_with_a_warning(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    pixels = np.concatenate([views(np.arange(38.0)), views([400.0, 401.0, 402.0])])
    event = Event("1/010", published(store, pixels), 0, 41)
    _, report, cut = made(film_of(event, repaired=True), store)
    (jump,) = report.jumps
    assert "the same" in jump.left
    assert cut.events == (event,)
    log_motion(report)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "late jump of 1/010: not repaired: what is seen before and after frame 38" in caplog.text


def test_without_a_late_jump_or_its_checks_a_take_stays(store: Store) -> None:
    early = views([0.0, *np.arange(10.0, 50.0)])
    late = views([*np.arange(38.0), 46.0, 47.0, 48.0])
    takes = (published(store, early), published(store, late, is_measured=False), published(store, views(ONE)))
    whole = [Event(f"1/0{at}0", take, 0, 41, joint=CUT) for at, take in enumerate(takes)]
    trimmed = Event("1/030", published(store, late), 0, 37, joint=CUT)
    cut = film_of(*whole, trimmed, repaired=True)
    assert evened_motion(cut, store, lambda _done, _total: None) == (cut, NO_MOTION)
    plain = replace(cut, repair=None)
    assert evened_motion(plain, store, lambda _done, _total: None) == (plain, NO_MOTION)


def test_a_repair_and_an_easing_of_one_shot_are_one_interpolation(store: Store) -> None:
    leaps = [*np.arange(33.0), *np.linspace(39, 39.9, 8)]
    goes_on = stop_and_go(leaps[-1], FRAMES, 1.0, SLOW)
    joined = Event("1/010", published(store, views(leaps)), 0, 40, joint=CONTINUOUS)
    last = Event("1/020", published(store, views(goes_on)), 0, 41)
    frames, report, cut = made(film_of(joined, last, eased=True, repaired=True), store)
    assert (report.joints[0].left, report.jumps[0].left) == ("", "")
    true = places(cut, (leaps, goes_on))
    assert np.diff(true).max() < 2.2
    assert min(psnr(picture, view(place)) for picture, place in zip(frames, true, strict=True)) > 25
    assert np.array_equal(frames[40], view(goes_on[0]))


def test_joints_that_are_not_eased_say_why(store: Store) -> None:
    def event(shot: int, pixels: Pixels, hold: int = 0) -> Event:
        return Event(f"1/0{shot}0", published(store, pixels), 0, len(pixels) - 1, hold, joint=CONTINUOUS)

    one, even, still = views(ONE), views(np.arange(41.0)), views([5.0] * 41)
    back = views([ONE[-1] - place for place in ONE])
    slate = Event("1/060", SlateSource("1/060", "no"), 0, 20, joint=CONTINUOUS)
    moving = [event(1, one), event(2, back), event(3, still), event(4, even, hold=3), event(5, even)]
    last = replace(event(9, one[:2]), joint=None, frames=2)
    cut = film_of(*moving, slate, event(7, even), event(8, even), last, eased=True)
    paced, report = evened_motion(cut, store, lambda _done, _total: None)
    assert [joint.left for joint in report.joints] == [
        "the motion turns back there",
        "1/030 hardly moves",
        "1/030 hardly moves",
        "the last frame of 1/040 is held",
        "1/060 is a slate",
        "1/060 is a slate",
        "the motion does not slow down (speed 1.00 of the usual)",
        "a shot is too short",
    ]
    assert all(each.pace is None for each in paced.events)
    assert report.easing_of("1/020") == "not eased: 1/030 hardly moves"
    assert report.tags == {}


def test_the_film_its_list_of_shots_and_its_page_say_what_was_done(tmp_path: Path) -> None:
    store = Store(tmp_path / "outputs")
    takes = [replace(a_take(name, seed=seed), frames=FRAMES, size=SIZE) for seed, name in enumerate(("dawn", "noon"))]
    for take, shot in zip(takes, (ONE, OTHER), strict=True):
        publish(store, take, views(shot))
    plan = film(tmp_path, {"1/010": takes[0], "1/020": takes[1]})
    one, other = plan.shots
    joined = replace(one, frames=FRAMES - 1, joint=CONTINUOUS)
    plan = replace(plan, shots=(joined, replace(other, frames=FRAMES)), size=SIZE, delivery=SIZE, ease_joints=True)
    version = produce(plan, Solid(tmp_path / "diary"), store, CPU)
    assert version.frames == 2 * FRAMES - 1
    with (version.folder / "shots.csv").open(encoding="utf-8-sig") as file:
        said, nothing = (row["easing"] for row in csv.DictReader(file))
    assert re.fullmatch(
        r"speed 0\.\d+ → [01]\.\d+ of the usual, largest change .*, the rest 1\.\d+ times as long", said
    )
    assert nothing == ""
    assert said in version.page.read_text(encoding="utf-8")
    tags = json.loads((version.folder / "film.json").read_text(encoding="utf-8"))["tags"]
    assert tags["easing"].startswith("1 of 1 continuous joints: speed 0.")
    assert produce(plan, Solid(tmp_path / "diary"), store, CPU).reused
    assert not produce(replace(plan, ease_joints=False), Solid(tmp_path / "diary"), store, CPU).reused
