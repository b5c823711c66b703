"""What a run shows while it works: bars in a terminal, a line for each event that matters elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from wan_render.errors import WanRenderError
from wan_render.farm import AttemptFailed, Began, Ended, Event, Verdict, WorkClock
from wan_render.printable import drawn_on, one_line, printable
from wan_render.production import RenderOrder
from wan_render.render_values import Phase, Progress
from wan_render.session.countdown import Countdown, Expected, NightCountdown
from wan_render.session.wording import lasting

if TYPE_CHECKING:  # rich's bars are imported when there is a terminal to draw them in
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_SECONDS = 30.0
"""Without a terminal, a take says so often how far it is: a log that can be read in the morning."""


TOLD_SECONDS = 10.0
"""A shorter wait is not told: a device process needs some seconds to start."""


class Reporter(Protocol):
    """Hears what a run does. Called by one thread at a time."""

    def say(self, text: str) -> None:
        """One sentence."""
        ...

    def begin(self, orders: Sequence[RenderOrder], outlook: str, expected: Expected) -> None:
        """Rendering begins; `expected` is what the plan said that it takes."""
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


def _count_down(left: NightCountdown, order: RenderOrder, event: Event) -> None:
    match event:
        case Progress():
            left.hear(order, event)
        case Ended():
            left.ended(order)


class _Takes:
    """How long a run works on its takes, and how each ended."""

    def __init__(self) -> None:
        self._clocks: dict[str, WorkClock] = {}
        self._written: set[str] = set()

    def hear(self, order: RenderOrder, event: Event) -> None:
        """Every event of a take. What an attempt found of another run's, it does not write."""
        key = order.take.key
        match event:
            case Began():
                self._clocks[key] = WorkClock()
                self._written.discard(key)
            case Progress(phase):
                self._clocks[key].hear(phase)
                if phase is Phase.WRITING:
                    self._written.add(key)

    def ended(self, order: RenderOrder) -> str:
        """How a take came to be there. Waiting, for a device or for another run, is told apart from work."""
        if order.take.key not in self._written:
            return "found: another run rendered it"
        clock = self._clocks[order.take.key]
        clock.stop()
        waited = f" after {lasting(clock.waiting)} of waiting" if clock.waiting >= TOLD_SECONDS else ""
        return f"rendered in {lasting(clock.work)}{waited}"


@contextmanager
def _lines() -> Iterator[Reporter]:
    yield _Lines()


class _Lines:
    """For logs."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._ends = _Takes()
        self._told: dict[str, float] = {}
        self._left = NightCountdown((), Expected())
        self._finishing_told: float | None = None

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def begin(self, orders: Sequence[RenderOrder], outlook: str, expected: Expected) -> None:
        self._left = NightCountdown(orders, expected)
        self._places = {order.take.key: f"[{place}/{len(orders)}]" for place, order in enumerate(orders, 1)}
        self.say(outlook)

    def event(self, order: RenderOrder, event: Event) -> None:
        key, now = order.take.key, time.monotonic()
        self._ends.hear(order, event)
        _count_down(self._left, order, event)
        match event:
            case Began(attempt) if attempt == 1:
                self._told[key] = now
                self._tell(order, f"begins ({order.why})")
            case Progress() if now - self._told[key] >= LINE_SECONDS:
                self._told[key] = now
                self._tell(order, f"{_where(event)}; about {lasting(self._left.seconds)} left in all")
            case AttemptFailed():
                self._tell(order, _failure(event))
            case Ended(outcome) if not isinstance(outcome, WanRenderError):
                self._tell(order, self._ends.ended(order))

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
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class LeftColumn(ProgressColumn):
        """The time that is left, from the first second on: rich's own knows none before something is done."""

        def render(self, task: Task) -> Text:
            left: Countdown | NightCountdown = task.fields["left"]
            return Text(f"{lasting(left.seconds)} left", style="progress.remaining")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        LeftColumn(),
    )
    with Bars(*columns, console=Console(file=drawn_on(sys.stderr)), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """For people who watch: one bar for the night, one for each take under way, one for the film."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._night: TaskID | None = None
        self._done = self._orders = 0
        self._film: TaskID | None = None
        self._takes: dict[str, TaskID] = {}
        self._ends = _Takes()
        self._left = NightCountdown((), Expected())
        self._film_left = Countdown(0.0)

    def say(self, text: str) -> None:
        # The terminal wraps: rich would put line ends into what a person may want to copy.
        self._bars.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def begin(self, orders: Sequence[RenderOrder], outlook: str, expected: Expected) -> None:
        self.say(outlook)
        self._left, self._film_left = NightCountdown(orders, expected), Countdown(expected.film)
        if orders:
            self._night = self._added("takes", self._left)
            self._orders = len(orders)
            self._show(self._night, "takes", 0, self._orders)

    def event(self, order: RenderOrder, event: Event) -> None:
        key = order.take.key
        self._ends.hear(order, event)
        _count_down(self._left, order, event)
        match event:
            case Began(attempt) if attempt == 1:
                self.say(f"{_name(order)}: begins ({order.why})")
                self._takes[key] = self._added(_name(order), self._left.each[key])
            case Progress(phase, done, total):
                self._show(self._takes[key], f"{_name(order)} {phase}", done, total)
            case AttemptFailed():
                self.say(f"{_name(order)}: {_failure(event)}")
            case Ended(outcome):
                self._ended(order, outcome)

    def finishing(self, done: int, total: int) -> None:
        if self._film is None:
            self._film = self._added("film", self._film_left)
        self._film_left.reached(done / max(total, 1))
        self._show(self._film, "film", done, total)

    def _added(self, what: str, left: Countdown | NightCountdown) -> TaskID:
        return self._bars.add_task(what, total=None, count="", left=left)

    def _show(self, task_id: TaskID, what: str, done: int, total: int) -> None:
        """`done` of `total`; a bar that pulses where there is no measure (total 0)."""
        task = next(task for task in self._bars.tasks if task.id == task_id)
        what = one_line(what)
        if task.description != what:
            self._bars.reset(task_id, description=what, count="", left=task.fields["left"])
            task.total = None  # `update` and `reset` take None for "as before"
        count = f"{done}/{total}" if total else ""
        self._bars.update(task_id, completed=done, total=total or None, count=count)

    def _ended(self, order: RenderOrder, outcome: object) -> None:
        key = order.take.key
        if self._night is not None:
            self._done += 1
            self._show(self._night, "takes", self._done, self._orders)
        if (task := self._takes.pop(key, None)) is not None:
            self._bars.remove_task(task)
        if not isinstance(outcome, WanRenderError):
            self.say(f"{_name(order)}: {self._ends.ended(order)}")
