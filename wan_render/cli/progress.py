"""What a run shows while it works: bars in a terminal, a line for each event that matters elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from wan_render.cli.wording import lasting
from wan_render.errors import WanRenderError
from wan_render.farm import AttemptFailed, Began, Ended, Event, Verdict
from wan_render.production import RenderOrder
from wan_render.render import Progress

if TYPE_CHECKING:  # rich's bars are imported when there is a terminal to draw them in
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_SECONDS = 30.0
"""Without a terminal, a take says so often how far it is: a log that can be read in the morning."""


class Reporter(Protocol):
    """Hears what a run does. Called by one thread at a time."""

    def say(self, text: str) -> None:
        """One sentence."""
        ...

    def begin(self, orders: Sequence[RenderOrder], outlook: str) -> None:
        """Rendering begins."""
        ...

    def event(self, order: RenderOrder, event: Event) -> None:
        """Something happened to a take."""
        ...

    def finishing(self, done: int, total: int) -> None:
        """Film frames encoded, of all."""
        ...


@contextmanager
def reporter() -> Iterator[Reporter]:
    """Bars if stderr is a terminal, lines otherwise; what the core logs is said in between."""
    with _bars() if sys.stderr.isatty() else _lines() as report, _log_said(report):
        yield report


@contextmanager
def _log_said(report: Reporter) -> Iterator[None]:
    handler = _Said(report)
    log = logging.getLogger("wan_render")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Said(logging.Handler):
    """Says log records of warnings and worse."""

    def __init__(self, report: Reporter) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.say(record.getMessage())


def _name(order: RenderOrder) -> str:
    return f"{order.shot} take {order.number}"


def _where(progress: Progress) -> str:
    return f"{progress.phase} {progress.done} of {progress.total}" if progress.total else str(progress.phase)


def _failure(event: AttemptFailed) -> str:
    follows = {
        Verdict.AGAIN: "trying again",
        Verdict.GIVE_UP: "given up",
        Verdict.STOP: "given up, and so are the takes after it: they would end alike",
    }
    return f"attempt {event.attempt} failed: {event.error}; {follows[event.verdict]}"


@contextmanager
def _lines() -> Iterator[Reporter]:
    yield _Lines()


class _Lines:
    """For logs."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._told: dict[str, float] = {}
        self._finishing_told: float | None = None

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def begin(self, orders: Sequence[RenderOrder], outlook: str) -> None:
        self._places = {order.take.key: f"[{place}/{len(orders)}]" for place, order in enumerate(orders, 1)}
        self.say(outlook)

    def event(self, order: RenderOrder, event: Event) -> None:
        key, now = order.take.key, time.monotonic()
        match event:
            case Began(attempt) if attempt == 1:
                self._since[key] = self._told[key] = now
                self._tell(order, f"begins ({order.why})")
            case Progress() if now - self._told[key] >= LINE_SECONDS:
                self._told[key] = now
                self._tell(order, _where(event))
            case AttemptFailed():
                self._tell(order, _failure(event))
            case Ended(outcome) if not isinstance(outcome, WanRenderError):
                self._tell(order, f"rendered in {lasting(now - self._since[key])}")

    def finishing(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._finishing_told is None:
            self.say(f"making the film: {total} frames")
        elif now - self._finishing_told >= LINE_SECONDS:
            self.say(f"film: frame {done} of {total}")
        else:
            return
        self._finishing_told = now

    def _tell(self, order: RenderOrder, text: str) -> None:
        self.say(f"{self._places[order.take.key]} {_name(order)}: {text}")


@contextmanager
def _bars() -> Iterator[Reporter]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """For people who watch: one bar for the night, one for each take under way, one for the film."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._night: TaskID | None = None
        self._film: TaskID | None = None
        self._takes: dict[str, TaskID] = {}
        self._since: dict[str, float] = {}

    def say(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False)

    def begin(self, orders: Sequence[RenderOrder], outlook: str) -> None:
        self.say(outlook)
        if orders:
            self._night = self._bars.add_task("takes", total=len(orders))

    def event(self, order: RenderOrder, event: Event) -> None:
        key = order.take.key
        match event:
            case Began(attempt) if attempt == 1:
                self._since[key] = time.monotonic()
                self._takes[key] = self._bars.add_task(_name(order), total=None)
            case Progress(phase, done, total):
                self._bars.update(
                    self._takes[key], description=f"{_name(order)} {phase}", completed=done, total=total or None
                )
            case AttemptFailed():
                self.say(f"{_name(order)}: {_failure(event)}")
            case Ended(outcome):
                self._ended(order, outcome)

    def finishing(self, done: int, total: int) -> None:
        if self._film is None:
            self._film = self._bars.add_task("film")
        self._bars.update(self._film, completed=done, total=total)

    def _ended(self, order: RenderOrder, outcome: object) -> None:
        key = order.take.key
        if self._night is not None:
            self._bars.advance(self._night)
        if (task := self._takes.pop(key, None)) is not None:
            self._bars.remove_task(task)
        if not isinstance(outcome, WanRenderError):
            self.say(f"{_name(order)}: rendered in {lasting(time.monotonic() - self._since[key])} ({order.why})")
