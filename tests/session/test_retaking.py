"""Takes that fail their checks while a film is rendered: what is rendered instead, and what the film shows."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.session.faulty_films import FaultyFilm
from wan_render.backends.animatic import BACKEND as ANIMATIC
from wan_render.quality.verdicts import QcVerdict
from wan_render.status import judgement_of, status


@pytest.fixture
def film(tmp_path: Path) -> FaultyFilm:
    return FaultyFilm.made(tmp_path)


def test_a_failed_take_is_rendered_again_after_all_others(film: FaultyFilm, caplog: pytest.LogCaptureFixture) -> None:
    shots = "shots: [{from: a, action: black1}, {from: b}, {from: c, takes: 2}]"
    made = film.render(shots, retakes=1)
    assert made.rendered == ["1/010 1", "1/020 1", "1/030 1", "1/030 2", "1/010 2"]
    assert made.shown == ["1/010 2", "1/020 1", "1/030 1"]
    (line,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith("1/010 take 1 failed its checks: ")
    assert "black" in line
    assert line.endswith("; take 2 is rendered")

    again = film.render(shots, retakes=0)
    assert (again.rendered, again.film.reused) == ([], True)
    assert again.shown == made.shown, "a later run without retakes shows the same film"


def test_without_retakes_a_failed_take_is_shown_and_said(film: FaultyFilm, caplog: pytest.LogCaptureFixture) -> None:
    made = film.render("shots: [{from: a, action: black1}, {from: b}]")
    assert (made.rendered, made.film.slates) == (["1/010 1", "1/020 1"], {})
    lines = [record.message for record in caplog.records]
    assert any(line.startswith("1/010: the film shows take 1, which failed its checks: ") for line in lines)


def test_another_wanted_take_replaces_a_failed_one_without_a_retake(film: FaultyFilm) -> None:
    made = film.render("shots: [{from: a, action: black1, takes: 2, qc: {retakes: 3}}]")
    assert (made.rendered, made.shown) == (["1/010 1", "1/010 2"], ["1/010 2"])


def test_the_best_of_the_failed_is_shown(film: FaultyFilm) -> None:
    made = film.render("shots: [{from: a, action: black1 cut2 black3, qc: {retakes: 2}}]")
    assert made.rendered == ["1/010 1", "1/010 2", "1/010 3"]
    assert made.shown == ["1/010 2"]


def test_a_retake_that_cannot_be_rendered_leaves_the_failed_take(film: FaultyFilm) -> None:
    made = film.render("shots: [{from: a, action: black1 lost2, qc: {retakes: 2}}]")
    assert (made.rendered, made.shown, made.film.slates) == (["1/010 1", "1/010 2"], ["1/010 1"], {})


def test_a_take_that_cannot_be_rendered_is_no_failed_check(film: FaultyFilm) -> None:
    made = film.render("shots: [{from: a, action: lost1, qc: {retakes: 2}}]")
    assert (made.rendered, list(made.film.slates)) == (["1/010 1"], ["1/010"])


def test_a_shot_that_others_continue_gets_its_retakes_before_them(film: FaultyFilm) -> None:
    shots = "shots: [{from: a, action: black1}, {from: previous}, {from: previous}]"
    made = film.render(shots, retakes=1)
    assert made.rendered == ["1/010 1", "1/010 2", "1/020 1", "1/030 1"]
    assert made.shown == ["1/010 2", "1/020 1", "1/030 1"]


def test_a_bridge_waits_for_the_retake_beside_it_and_gets_none_of_its_own(film: FaultyFilm) -> None:
    """The words of the failed shot are in the bridge's prompt, so it is black as well."""
    shots = "shots: [{from: a, action: black1, transition: bridge 4f}, {from: b}, {from: c}]"
    made = film.render(shots, retakes=1)
    assert made.rendered == ["1/010 1", "1/020 1", "1/030 1", "1/010 2", "1/010+bridge 1"]
    assert made.shown == ["1/010 2", "1/010+bridge 1", "1/020 1", "1/030 1"]
    assert film.render(shots, retakes=1).film.reused


def test_what_continues_two_failed_takes_continues_the_better_one(film: FaultyFilm) -> None:
    made = film.render("shots: [{from: a, action: cut1 black2}, {from: previous}]", retakes=1)
    assert made.rendered == ["1/010 1", "1/010 2", "1/020 1"]
    assert made.shown == ["1/010 1", "1/020 1"]
    assert film.render("shots: [{from: a, action: cut1 black2}, {from: previous}]").rendered == []


def test_a_retake_that_was_not_selected_leaves_the_failed_take_in_the_film(film: FaultyFilm) -> None:
    shots = "shots: [{from: a, action: black1}, {from: b}]"
    film.render(shots)
    made = film.render(shots, retakes=1, only={"1/020"})
    assert (made.rendered, made.film.slates, made.shown) == ([], {}, ["1/010 1", "1/020 1"])


def test_a_preview_is_measured_but_neither_retaken_nor_replaced(film: FaultyFilm) -> None:
    shots = "shots: [{from: a, to: b, takes: 2, qc: {retakes: 2}}]"
    session = film.session(shots, ANIMATIC)
    made = film.render(shots, ANIMATIC)
    (shot,) = status(session.plan, session.store, ANIMATIC).shots
    assert [take.judgement is not None for take in shot.takes] == [True, True]
    assert (made.rendered, made.shown) == (["1/010 1", "1/010 2"], ["1/010 1"])


def test_a_take_whose_check_is_off_is_neither_measured_nor_judged(film: FaultyFilm) -> None:
    shots = "shots: [{from: a, action: black1, qc: {check: off, retakes: 2}}]"
    made = film.render(shots)
    (shot,) = status(made.session.plan, made.session.store, made.session.backend).shots
    assert made.rendered == ["1/010 1"]
    assert (shot.takes[0].judgement, made.session.store.record(shot.chosen).measurements) == (None, None)


def test_a_joined_take_is_measured_while_it_is_joined(film: FaultyFilm) -> None:
    made = film.render("shots: [{from: a, through: [b], to: c, duration: 2s, action: black1}]", retakes=1)
    joined = [order for order in made.outcomes if order.take.through]
    verdicts = [judgement_of(made.session.store, order.take.key) for order in joined]
    assert [found.verdict for found in verdicts if found is not None][:1] == [QcVerdict.FAIL]
    assert made.shown == ["1/010 2"]
    assert made.rendered.index("1/010 1") < made.rendered.index("1/010 part 1 2")
