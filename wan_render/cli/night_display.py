"""A night in a terminal: a line for each film as it ends, and a bar for the whole night."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from wan_render.cli.progress_bars import log_shown
from wan_render.errors import WanRenderError
from wan_render.farm.attempt_events import AttemptFailed, Began, Ended, Event, Held
from wan_render.night.film_tonight import FilmTonight
from wan_render.night.night_hours import NightHours
from wan_render.night.night_record import FilmEntry
from wan_render.night.night_request import Candidate
from wan_render.night.night_summary import film_line
from wan_render.printable import drawn_on, one_line, printable
from wan_render.production.failures import OutOfTime
from wan_render.production.film_stages import FilmStage
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Progress
from wan_render.session.columns import aligned
from wan_render.session.countdown import Expected, RunCountdown
from wan_render.session.wording import counted, lasting, ranged

if TYPE_CHECKING:  # rich is imported only for a terminal
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_SECONDS = 300.0
"""Without a terminal, the progress of the night is printed at this interval."""


class NightScreen(Protocol):
    """Where a night is shown. Called by one thread at a time."""

    def say(self, text: str) -> None:
        """One sentence, or several lines that belong together."""

    def bar(self, name: str, text: str, done: int, total: int) -> None:
        """A bar with this name: `done` of `total`. total 0: it cannot be measured."""

    def remove(self, name: str) -> None:
        """The bar is no longer needed."""


NIGHT_BAR = "night"


class NightDisplay:
    """Shows a night on a screen. Thread-safe."""

    def __init__(self, screen: NightScreen, window: NightHours) -> None:
        self._screen, self._window = screen, window
        self._lock = threading.RLock()
        self._left = RunCountdown((), Expected())
        self._total, self._ended = 0, set[tuple[Path | None, str]]()
        self._shown: set[str] = set()

    def say(self, text: str) -> None:
        """One sentence."""
        with self._lock:
            self._screen.say(text)

    def evening(self, films: Sequence[Candidate]) -> None:
        """What is planned, and the mistakes of broken storyboards. The second time, only what has changed since."""
        with self._lock:
            self._screen.remove(NIGHT_BAR)
            is_first, now = not self._shown, datetime.now(self._window.zone)
            self._new(dict.fromkeys(film.opening for film in films if film.opening))
            first = f"night: {counted(len(films), 'film')} {_window_text(self._window)}\n"
            self._screen.say(first if is_first else f"{now:%H:%M} the night begins")
            rows = [(film.name, _priority(film), _to_do(film)) for film in films]
            for film, line in zip(films, aligned(rows), strict=True):
                mistakes = [] if film.mistake is None else str(film.mistake).splitlines()
                self._new(("\n".join((line, *(f"    {text}" for text in (*_warnings(film), *mistakes)))),))
            self._screen.say("")

    def _new(self, texts: Iterable[str]) -> None:
        for text in texts:
            if text not in self._shown:
                self._shown.add(text)
                self._screen.say(text)

    def countdown(self, left: timedelta) -> None:
        """The night begins later."""
        with self._lock:
            self._screen.bar(NIGHT_BAR, f"begins in {lasting(left.total_seconds())} (Ctrl-C cancels it)", 0, 0)

    def rendering(self, orders: Sequence[RenderOrder], devices: Sequence[Device], expected: Expected) -> None:
        """How much is to be rendered."""
        with self._lock:
            self._screen.remove(NIGHT_BAR)
            self._left, self._total = RunCountdown(orders, expected), len(orders)
            if orders:
                self._screen.say(
                    f"rendering {counted(len(orders), 'take')} on {counted(len(devices), 'device')}: "
                    f"about {ranged(expected.takes, *expected.spread.around(expected.takes))}, "
                    f"then {lasting(expected.film)} for the last film{f'; {expected.cost}' if expected.cost else ''}"
                )
                self._night()

    def event(self, order: RenderOrder, event: Event) -> None:
        """An event of a take."""
        name = f"{order.film} {order.shot} take {order.number}"
        with self._lock:
            match event:
                case Began(attempt) if attempt == 1:
                    self._total += order.take.key not in self._left.each  # a retake
                    self._left.add(order)
                    self._screen.bar(name, name, 0, 0)
                case Held(by):
                    self._screen.bar(name, f"{name} {by.problems[0].found}", 0, 0)
                case Progress(phase, done, total):
                    self._left.hear(order, event)
                    self._screen.bar(name, f"{name} {phase}", done, total)
                case AttemptFailed(attempt, error, verdict):
                    self._screen.say(f"{name}: attempt {attempt} failed: {error}; {verdict.value}")
                case Ended(outcome):
                    self._left.ended(order)
                    self._ended.add((order.store, order.take.key))
                    self._screen.remove(name)
                    if isinstance(outcome, WanRenderError):
                        self._screen.say(f"{name}: not rendered: {outcome}")
                    elif isinstance(outcome, OutOfTime) and outcome.was_aborted:
                        self._screen.say(f"{name}: {outcome.words}")
            self._night()

    def finishing(self, film: FilmTonight, stage: FilmStage) -> None:
        """A film is being made of its clips."""
        with self._lock:
            self._screen.bar(f"film {film.slug}", f"{film.slug} {stage.in_words}", stage.done, stage.total)

    def film_ended(self, film: FilmEntry) -> None:
        """A film is made, or failed."""
        with self._lock:
            self._screen.remove(f"film {film.slug}")
            now = film.ended or datetime.now().astimezone()
            self._screen.say(f"{now:%H:%M} {film_line(film)}")

    def _night(self) -> None:
        text = f"night, {self._left.in_words} left" if self._total else "night"
        self._screen.bar(NIGHT_BAR, text, len(self._ended), self._total)


def _window_text(window: NightHours) -> str:
    start = f"from {window.start:%H:%M} " if window.seconds_to_start(datetime.now(UTC)) > 0 else ""
    if window.until is None or window.seconds is None:
        return f"{start}without an end".strip()
    return f"{start}until {window.until:%H:%M %Z} ({lasting(window.seconds)})"


def _to_do(film: Candidate) -> str:
    if film.mistake is not None:
        return "cannot be rendered:"
    return "nothing to render" if film.forecast == "nothing" else film.forecast


def _warnings(film: Candidate) -> Iterator[str]:
    return (f"warning: {text}" for text in film.warnings)


def _priority(film: Candidate) -> str:
    return f"priority {film.priority}" if film.priority else ""


@contextmanager
def night_display(window: NightHours) -> Iterator[NightDisplay]:
    """Bars if stderr is a terminal, lines otherwise. Warnings of the log are also shown."""
    with _bars() if sys.stderr.isatty() else _lines() as screen:
        display = NightDisplay(screen, window)
        with log_shown(display.say):
            yield display


@contextmanager
def _lines() -> Iterator[NightScreen]:
    yield _Lines()


class _Lines:
    """Prints lines, for logs. Of the bars, only the night's is printed, from time to time."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def bar(self, name: str, text: str, done: int, total: int) -> None:
        if name == NIGHT_BAR and time.monotonic() - self._last >= LINE_SECONDS:
            self._last = time.monotonic()
            self.say(f"{text}: {done} of {total} takes" if total else text)

    def remove(self, name: str) -> None:
        """There is nothing to remove."""


@contextmanager
def _bars() -> Iterator[NightScreen]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(file=drawn_on(sys.stderr)), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """Draws bars under the lines."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def say(self, text: str) -> None:
        # The terminal wraps. rich would insert line ends into text that users may copy.
        self._bars.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def bar(self, name: str, text: str, done: int, total: int) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(one_line(text), total=None, count="")
        task = next(task for task in self._bars.tasks if task.id == self._tasks[name])
        if bool(total) != (task.total is not None):  # `update` reads a total of None as "unchanged"
            task.total = None
        count = f"{done}/{total}" if total else ""
        self._bars.update(task.id, description=one_line(text), completed=done, total=total or None, count=count)

    def remove(self, name: str) -> None:
        if (task := self._tasks.pop(name, None)) is not None:
            self._bars.remove_task(task)
