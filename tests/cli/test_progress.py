"""What a run prints about its takes. The events are those of a farm, but there is none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.farm.orders import order
from wan_render.cli.progress_bars import Reporter, reporter
from wan_render.cli.takes_elsewhere import TakesElsewhere
from wan_render.errors import DeviceError, HeldElsewhereError, Problem
from wan_render.farm.attempt_events import AttemptFailed, Began, Ended, Event, Held
from wan_render.farm.attempts import Verdict
from wan_render.production.film_stages import FilmStage
from wan_render.render_values import Phase, Progress
from wan_render.session.countdown import Countdown, Expected, RunCountdown
from wan_render.store import Clip
from wan_render.take import Size

ORDER = replace(order("dawn"), why="first take")
EXPECTED = Expected(3600.0, {ORDER.take.key: 3600.0}, 60.0)
CLIP = Clip(ORDER.take.key, Path("takes"), 9, Size(64, 48), Fraction(16))


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


HELD = Held(
    HeldElsewhereError(Problem("take 1", "is rendered by studio-b (process 7, since 22:14)"), machine="studio-b")
)


@contextmanager
def reporting(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Reporter, io.StringIO]]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with redirect_stderr(kind()) as stderr, reporter() as report:
        yield report, stderr


everywhere = pytest.mark.parametrize("kind", [io.StringIO, Terminal], ids=["log", "terminal"])


def tell(report: Reporter, *events: Event) -> None:
    report.begin([ORDER], "one take", EXPECTED)
    for event in events:
        report.event(ORDER, event)


@everywhere
def test_a_take_that_another_machine_renders_is_named_once_and_then_found(
    kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    with reporting(kind, monkeypatch) as (report, stderr):
        tell(report, HELD, HELD, Ended(CLIP))
        shown = stderr.getvalue()
    assert shown.count("1/010 take 1: is rendered by studio-b (process 7, since 22:14)") == 1
    assert "1/010 take 1: found: studio-b rendered it\n" in shown
    assert "started" not in shown


def test_takes_elsewhere_are_counted_by_machine() -> None:
    elsewhere = TakesElsewhere()
    orders = [replace(ORDER, take=replace(ORDER.take, seed=seed)) for seed in range(4)]
    for each in orders[:3]:
        elsewhere.hear(each, HELD)
    elsewhere.hear(orders[3], Held(HeldElsewhereError(Problem("take", "is rendered by studio-c"), "studio-c")))
    assert elsewhere.words == "3 takes are rendered by studio-b, 1 take by studio-c"
    for each in orders[1:]:
        elsewhere.hear(each, Progress(Phase.STEP, 1, 9))
    assert elsewhere.words == "1 take is rendered by studio-b"
    elsewhere.hear(orders[0], Ended(CLIP))
    assert elsewhere.words == ""


@everywhere
def test_a_written_take_was_rendered(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    with reporting(kind, monkeypatch) as (report, stderr):
        tell(report, Began(1), Progress(Phase.STEP, 1, 9), Progress(Phase.WRITING), Ended(CLIP))
        assert "1/010 take 1: started (first take)" in stderr.getvalue()
        assert "1/010 take 1: rendered in 0 s\n" in stderr.getvalue()


@everywhere
def test_a_take_that_another_run_rendered_is_found(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting(kind, monkeypatch) as (report, stderr):
        tell(report, Began(1), Progress(Phase.WAITING), Ended(CLIP))
        assert "1/010 take 1: found: another run rendered it" in stderr.getvalue()


@everywhere
def test_a_take_that_is_found_after_it_failed_here_is_found(
    kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = AttemptFailed(1, DeviceError(Problem("cpu", "died")), Verdict.AGAIN)
    with reporting(kind, monkeypatch) as (report, stderr):
        tell(report, Began(1), Progress(Phase.WRITING), failed, Began(2), Progress(Phase.WAITING), Ended(CLIP))
        assert "found: another run rendered it" in stderr.getvalue()
        assert "rendered in" not in stderr.getvalue()


@everywhere
def test_a_long_sentence_is_one_line(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "warning: " + " ".join(["storyboards/river.yaml:12:3"] * 8)
    with reporting(kind, monkeypatch) as (report, stderr):
        report.say(sentence)
        assert sentence in stderr.getvalue()


def test_a_phase_without_a_measure_does_not_keep_the_previous_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting(Terminal, monkeypatch) as (report, stderr):
        tell(report, Began(1), Progress(Phase.STEP, 8, 9), Progress(Phase.WRITING))
        report.say("now")
        shown = stderr.getvalue().rpartition("now")[2]
    assert "1/010 take 1 writing" in shown
    assert "/9" not in shown


def test_the_bar_of_the_film_knows_its_length_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting(Terminal, monkeypatch) as (report, stderr):
        report.finishing(FilmStage("encode", 1, 321, 0.5))
    assert "1/321" in stderr.getvalue()
    assert "/100" not in stderr.getvalue()


@everywhere
def test_waiting_and_work_are_reported_separately(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with reporting(kind, monkeypatch) as (report, stderr):
        report.begin([ORDER], "one take", EXPECTED)
        for event, seconds in (
            (Began(1), 40.0),  # for a device
            (Progress(Phase.WAITING), 27.0),  # for another run
            (Progress(Phase.STEP, 1, 2), 2.0),
            (Progress(Phase.WRITING), 1.0),
        ):
            report.event(ORDER, event)
            now[0] += seconds
        report.event(ORDER, Ended(CLIP))
        assert "1/010 take 1: rendered in 3 s after 67 s of waiting\n" in stderr.getvalue()


def test_the_remaining_time_is_the_plans_from_the_first_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting(Terminal, monkeypatch) as (report, stderr):
        tell(report)
        report.say("now")
    assert "61 min left" in stderr.getvalue()


def test_a_log_says_how_long_all_of_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with reporting(io.StringIO, monkeypatch) as (report, stderr):
        tell(report, Began(1))
        now[0] += 31
        report.event(ORDER, Progress(Phase.STEP, 1, 100))
    assert "step 1 of 100; about 60 min left in all" in stderr.getvalue()


def test_the_estimate_is_replaced_by_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    left = Countdown(100.0)
    now[0] = 50.0
    assert left.seconds == 100.0, "loading says nothing of how fast the rest goes"
    left.reached(1e-9)
    for share, seconds in ((0.25, 75.0), (0.5, 50.0), (0.75, 25.0), (1.0, 0.0)):
        now[0] = 50.0 + 100 * share
        left.reached(share)
        assert left.seconds == pytest.approx(seconds), "as expected"
    slow = Countdown(100.0)
    slow.reached(1e-9)
    now[0] += 900.0
    slow.reached(0.9)
    assert 90.0 < slow.seconds < 100.0, "ten times slower: 100 s are left, not 10"


def test_steps_without_guidance_count_half() -> None:
    whole = order("dawn")
    sampling = replace(whole.take.sampling, steps=4, guidance=(5.0,), guided_share=0.5)
    left = {}
    for share in (1.0, 0.5):
        one = replace(whole, take=replace(whole.take, sampling=replace(sampling, guided_share=share)))
        countdown = RunCountdown([one], Expected(100.0, {one.take.key: 100.0}))
        countdown.hear(one, Progress(Phase.STEP, 2, 4))
        left[share] = countdown.seconds
    assert left[1.0] == pytest.approx(100 * (1 - 0.95 / 2) ** 2, abs=1)
    assert left[0.5] == pytest.approx(100 * (1 - 0.95 * 2 / 3) ** 2, abs=1)


def test_takes_count_by_the_time_that_each_is_expected_to_take() -> None:
    short, long = replace(order("dawn"), number=1), replace(order("noon"), number=2)
    expected = Expected(100.0, {short.take.key: 10.0, long.take.key: 90.0}, 7.0)
    countdown = RunCountdown([short, long], expected)
    assert countdown.seconds == 107.0
    countdown.ended(short)
    assert countdown.seconds == pytest.approx(0.9 * 90.0 + 7.0, abs=0.1)
