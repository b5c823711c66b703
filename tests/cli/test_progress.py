"""What a run says of its takes, without a farm: events are told as a farm would."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.farm.orders import order
from wan_render.cli.progress import Reporter, reporter
from wan_render.errors import DeviceError, Problem
from wan_render.farm import AttemptFailed, Began, Ended, Event, Verdict
from wan_render.render import Phase, Progress
from wan_render.store import Clip
from wan_render.take import Size

ORDER = replace(order("dawn"), why="first take")
CLIP = Clip(ORDER.take.key, Path("takes"), 9, Size(64, 48), Fraction(16))


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


@contextmanager
def reporting(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Reporter, io.StringIO]]:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with redirect_stderr(kind()) as stderr, reporter() as report:
        yield report, stderr


everywhere = pytest.mark.parametrize("kind", [io.StringIO, Terminal], ids=["log", "terminal"])


def tell(report: Reporter, *events: Event) -> None:
    report.begin([ORDER], "one take")
    for event in events:
        report.event(ORDER, event)


@everywhere
def test_a_written_take_was_rendered(kind: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting(kind, monkeypatch) as (report, stderr):
        tell(report, Began(1), Progress(Phase.STEP, 1, 9), Progress(Phase.WRITING), Ended(CLIP))
        assert "1/010 take 1: begins (first take)" in stderr.getvalue()
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


def test_a_phase_without_a_measure_has_none_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting(Terminal, monkeypatch) as (report, stderr):
        tell(report, Began(1), Progress(Phase.STEP, 8, 9), Progress(Phase.WRITING))
        report.say("now")
        shown = stderr.getvalue().rpartition("now")[2]
    assert "1/010 take 1 writing" in shown
    assert "/9" not in shown


def test_the_bar_of_the_film_knows_its_length_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    with reporting(Terminal, monkeypatch) as (report, stderr):
        report.finishing(1, 321)
    assert "1/321" in stderr.getvalue()
    assert "/100" not in stderr.getvalue()
