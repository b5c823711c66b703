"""What `submit` and `queue` say, from values: times, places, differences, tables. No server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from flows.farm_queue.film_queue import QueuedFilm, Standing
from flows.farm_queue.local_time import local_clock, next_occurrence
from flows.farm_queue.queue_forecast import ExpectedTimes, forecast_queue
from flows.farm_queue.queue_report import QueueReport, films_called, next_of_schedules
from flows.farm_queue.run_progress import RunProgress
from flows.farm_queue.submission import FilmRequest, differences, due_after, runs_now, waiting_film
from wan_render.errors import UsageError
from wan_render.price import Price

pytestmark = pytest.mark.prefect

NOW = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
REQUEST = FilmRequest(
    "river", Path("/films/river.yaml"), None, Path("/films/outputs"), None, draft=False, approval=False
)


def film(slug: str = "river", standing: Standing = Standing.WAITING, minutes: float = 0, **more: Any) -> QueuedFilm:
    """A film that was due so many minutes after NOW."""
    values: dict[str, Any] = {
        "run": uuid4(),
        "slug": slug,
        "is_batch": False,
        "standing": standing,
        "requested": NOW,
        "due": NOW + timedelta(minutes=minutes),
        "started": None,
        "requested_by": "anna",
        "is_scheduled": False,
        "expected_seconds": 600.0,
        "parameters": REQUEST.parameters,
    }
    return QueuedFilm(**values | more)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("now", "typed", "expected"),
    [
        ("2026-11-20T20:00:00+01:00", "22:00", "2026-11-20T22:00:00+01:00"),
        ("2026-11-20T22:00:00+01:00", "22:00", "2026-11-21T22:00:00+01:00"),
        ("2026-11-20T23:30:00+00:00", "0:45", "2026-11-21T00:45:00+01:00"),  # past midnight here, not yet in UTC
        ("2026-10-24T22:00:00+02:00", "22:00", "2026-10-25T22:00:00+01:00"),  # 25 hours later
        ("2026-10-25T02:10:00+02:00", "02:30", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:40:00+02:00", "02:30", "2026-10-25T02:30:00+01:00"),  # the same time of day once more
        ("2026-03-28T22:00:00+01:00", "02:30", "2026-03-29T03:30:00+02:00"),  # a time that clocks skip
    ],
)
def test_a_time_is_the_next_one_of_the_clock_here(now: str, typed: str, expected: str) -> None:
    assert next_occurrence(typed, datetime.fromisoformat(now)).isoformat() == expected


@pytest.mark.parametrize("typed", ["24:00", "22", "22:60", "-1:00", "22:00:00", "", "10pm", "２２:00", "22:00\n"])
def test_what_is_no_time_of_day_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match=r"--at: invalid time .*; hours and minutes of the day, as 22:00"):
        next_occurrence(typed, NOW)


@pytest.mark.usefixtures("berlin")
def test_times_are_shown_as_clocks_show_them_here() -> None:
    assert local_clock(NOW, NOW) == "21:00"
    assert local_clock(NOW + timedelta(hours=4), NOW) == "Sat 01:00"
    assert local_clock(NOW + timedelta(days=30), NOW) == "2026-12-20 21:00"
    assert local_clock(NOW - timedelta(days=1), NOW) == "2026-11-19 21:00"


def test_films_for_the_same_time_start_in_the_order_in_which_they_were_asked_for() -> None:
    at = NOW + timedelta(hours=2)
    assert due_after(at, [film(minutes=119), film(minutes=121)]) == at
    first = film(minutes=120)
    second = film(due=due_after(at, [first]))
    assert at < second.due < due_after(at, [first, second]) < at + timedelta(seconds=1)


def test_the_same_request_is_found_in_the_queue() -> None:
    waiting = film()
    assert (
        waiting_film(REQUEST, [film("lake"), film(is_batch=True), film(standing=Standing.RUNNING), waiting]) == waiting
    )
    assert differences(REQUEST, waiting, NOW) == ()
    assert not runs_now(REQUEST, [waiting])
    assert runs_now(REQUEST, [film(standing=Standing.RUNNING)])


def test_a_request_of_prefect_with_a_relative_path_is_the_same() -> None:
    parameters = {"storyboard": "films/river.yaml", "backend": None, "draft": False, "approval": False}
    request = replace(REQUEST, storyboard=Path("/home/anna/films/river.yaml"), backend="animatic")
    assert differences(request, film(parameters=parameters), NOW) == ()
    assert differences(REQUEST, film(parameters={**parameters, "storyboard": "other/river.yaml"}), NOW) == (
        "storyboard other/river.yaml",
    )


def test_it_is_said_how_another_request_differs() -> None:
    asked = {**REQUEST.parameters, "only": "1/020", "approval": True, "outputs": "/big", "backend": "animatic"}
    later = film(parameters=asked, standing=Standing.LATER, minutes=60)
    assert differences(REQUEST, later, NOW) == (
        "outputs /big",
        "backend animatic",
        "only 1/020",
        "with approval",
        f"at {local_clock(later.due, NOW)}",
    )
    assert differences(REQUEST, film(parameters=replace(REQUEST, max_cost=Price.read("3 CNY")).parameters), NOW) == (
        "for at most 3 CNY",
    )
    assert differences(replace(REQUEST, max_cost=Price.read("3 CNY")), film(), NOW) == ("without --max-cost",)
    tonight = replace(REQUEST, only="2", approval=True, at=NOW + timedelta(hours=1))
    assert differences(tonight, film(), NOW) == ("all shots", "without approval", "as soon as possible")


def test_one_film_is_expected_after_the_other() -> None:
    running = film("a", Standing.RUNNING, started=NOW - timedelta(minutes=4))
    waiting = film("b", requested_by="bo")
    later = film("c", Standing.LATER, 120)
    held_up = film("d", Standing.LATER, 121)
    unapproved = film("e", Standing.UNAPPROVED)
    times = forecast_queue([running, waiting, later, held_up, unapproved], NOW, {})

    def minutes(each: QueuedFilm) -> tuple[float, ...]:
        found = times[each.run]
        assert found.start is not None
        assert found.end is not None
        return ((found.start - NOW) / timedelta(minutes=1), (found.end - NOW) / timedelta(minutes=1))

    assert [minutes(each) for each in (running, waiting, later, held_up)] == [(-4, 6), (6, 16), (120, 130), (130, 140)]
    assert times[unapproved.run] == ExpectedTimes(None, None)
    told = {running.run: RunProgress(0.75, "", NOW - timedelta(minutes=3), NOW)}
    assert forecast_queue([running], NOW, told)[running.run].end == NOW + timedelta(minutes=1)


def test_without_an_estimate_nothing_after_it_is_known() -> None:
    unknown, after = film("a", expected_seconds=None), film("b")
    assert forecast_queue([after], NOW, {}, is_paused=True)[after.run].start is None
    times = forecast_queue([unknown, after], NOW, {})
    assert times[unknown.run] == ExpectedTimes(NOW, None)
    assert times[after.run] == ExpectedTimes(None, None)
    endless = film("c", expected_seconds=1e300)
    assert forecast_queue([endless], NOW, {})[endless.run].end is None


def test_what_is_left_is_told_by_the_share_of_the_time_that_has_passed() -> None:
    began, told = NOW - timedelta(seconds=400), NOW - timedelta(seconds=100)
    assert RunProgress(0.5, "", began, told).seconds_left(NOW) == 300 - 100
    assert RunProgress(0.9, "", began, told).seconds_left(NOW) == 0
    assert RunProgress(0.001, "", began, told).seconds_left(NOW) is None
    assert RunProgress(0.5, "").seconds_left(NOW) is None


def test_of_a_schedule_only_the_next_night_is_shown() -> None:
    nights = [film("night", Standing.LATER, 60 * 24 * day, is_batch=True, is_scheduled=True) for day in (1, 2, 3)]
    asked = film("night", Standing.LATER, 60 * 24 * 4, is_batch=True)
    assert next_of_schedules([film(), *nights, asked])[1:] == (nights[0], asked)


def test_the_table_obeys_nothing_that_others_wrote() -> None:
    strange = film("江\x1b[31m\u202e河", requested_by="root\r\x1b]0;title\x07\nanna")
    progress = {strange.run: RunProgress(0.5, "2 of 4\x1b[2J takes")}
    report = QueueReport((strange,), progress, forecast_queue([strange], NOW, {}), NOW)
    head, row = report.lines()
    assert head.split("  ")[1] == "film"
    assert row.isprintable()
    assert "江\\u001b[31m\\u202e河" in row
    assert "root\\r\\u001b]0;title\\u0007\\nanna" in row


def test_an_unknown_film_is_answered_with_those_that_are_there() -> None:
    with pytest.raises(
        UsageError, match="'rivre': no film of the queue; the queue has river, lake; did you mean 'river'"
    ):
        films_called("rivre", [film("river"), film("lake"), film("river")])
    with pytest.raises(UsageError, match="the queue is empty"):
        films_called("river", [])
    with pytest.raises(UsageError, match="and 30 more"):
        films_called("none", [film(f"film-{number}") for number in range(40)])
