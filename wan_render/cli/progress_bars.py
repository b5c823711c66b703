"""Progress of a run: bars in a terminal, otherwise lines for the important events."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from wan_render.cli.takes_elsewhere import TakesElsewhere
from wan_render.errors import WanRenderError
from wan_render.farm.attempt_events import AttemptFailed, Began, Ended, Event, Held
from wan_render.farm.attempts import Verdict
from wan_render.farm.process.work_clock import WorkClock
from wan_render.printable import drawn_on, one_line, printable
from wan_render.production.film_stages import FilmStage
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Phase, Progress
from wan_render.session.countdown import Countdown, Expected, RunCountdown
from wan_render.session.wording import counted, lasting

if TYPE_CHECKING:  # rich is imported only for a terminal
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_SECONDS = 30.0
"""Without a terminal, each take reports its progress at this interval."""

SHORTEST_WAIT_SECONDS = 10.0
"""Shorter waits are not reported, because a device process takes some seconds to start."""


class Reporter(Protocol):
    """Shows the events of a run. Called by one thread at a time."""

    def say(self, text: str) -> None:
        """Show one sentence."""

    def begin(self, orders: Sequence[RenderOrder], forecast: str, expected: Expected) -> None:
        """Rendering begins. forecast: a sentence about it; expected: its estimated times."""

    def event(self, order: RenderOrder, event: Event) -> None:
        """An event of a take."""

    def finishing(self, stage: FilmStage) -> None:
        """The film is being made of its clips."""


@contextmanager
def reporter() -> Iterator[Reporter]:
    """Bars if stderr is a terminal, lines otherwise. Warnings of the log are also shown."""
    with _bars() if sys.stderr.isatty() else _lines() as report, log_shown(report.say):
        yield report


@contextmanager
def log_shown(say: Callable[[str], None]) -> Iterator[None]:
    """Also say the warnings of the log."""
    handler = _SayingHandler(say)
    log = logging.getLogger("wan_render")
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _SayingHandler(logging.Handler):
    """Says log records from WARNING on."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())


def _name(order: RenderOrder) -> str:
    return f"{order.shot} take {order.number}"


def _where(progress: Progress) -> str:
    return f"{progress.phase} {progress.done} of {progress.total}" if progress.total else str(progress.phase)


def _failure(event: AttemptFailed) -> str:
    follows = {
        Verdict.AGAIN: "retrying",
        Verdict.GIVE_UP: "given up",
        Verdict.STOP: "given up, with all later takes, which would fail for the same reason",
    }
    return f"attempt {event.attempt} failed: {event.error}; {follows[event.verdict]}"


def _count_down(left: RunCountdown, order: RenderOrder, event: Event) -> None:
    match event:
        case Progress():
            left.hear(order, event)
        case Ended():
            left.ended(order)


class _TakeTimes:
    """How long each take of a run was rendered, and how long it waited."""

    def __init__(self) -> None:
        self._clocks: dict[str, WorkClock] = {}
        self._written: set[str] = set()

    def hear(self, order: RenderOrder, event: Event) -> None:
        """Record an event of a take. An attempt that writes nothing found the take of another run."""
        key = order.take.key
        match event:
            case Began():
                self._clocks[key] = WorkClock()
                self._written.discard(key)
            case Progress(phase):
                self._clocks[key].hear(phase)
                if phase is Phase.WRITING:
                    self._written.add(key)

    def ended(self, order: RenderOrder, elsewhere: TakesElsewhere) -> str:
        """`rendered in 5 min after 20 s of waiting`. Waiting is for a device or for another run."""
        if order.take.key not in self._written:
            return f"found: {elsewhere.renderer(order)} rendered it"
        clock = self._clocks[order.take.key]
        clock.stop()
        waited = f" after {lasting(clock.waiting)} of waiting" if clock.waiting >= SHORTEST_WAIT_SECONDS else ""
        return f"rendered in {lasting(clock.work)}{waited}"


@contextmanager
def _lines() -> Iterator[Reporter]:
    yield _Lines()


class _Lines:
    """Prints lines, for logs."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._times = _TakeTimes()
        self._last_line: dict[str, float] = {}
        self._left = RunCountdown((), Expected())
        self._elsewhere, self._last_elsewhere_line = TakesElsewhere(), 0.0
        self._film_stage, self._last_film_line = "", 0.0

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def begin(self, orders: Sequence[RenderOrder], forecast: str, expected: Expected) -> None:
        self._left = RunCountdown(orders, expected)
        self._places = {order.take.key: f"[{place}/{len(orders)}]" for place, order in enumerate(orders, 1)}
        self.say(forecast)

    def event(self, order: RenderOrder, event: Event) -> None:
        key, now = order.take.key, time.monotonic()
        is_news = self._elsewhere.hear(order, event)
        self._times.hear(order, event)
        _count_down(self._left, order, event)
        match event:
            case Began(attempt) if attempt == 1:
                self._last_line[key] = now
                self._say_of(order, f"started ({order.why})")
            case Held(by) if is_news:
                self._last_elsewhere_line = now
                self._say_of(order, by.problems[0].found)
            case Held() if now - self._last_elsewhere_line >= LINE_SECONDS:
                self._last_elsewhere_line = now
                self.say(self._elsewhere.words)
            case Progress() if now - self._last_line[key] >= LINE_SECONDS:
                self._last_line[key] = now
                self._say_of(order, f"{_where(event)}; about {self._left.in_words} left in all")
            case AttemptFailed():
                self._say_of(order, _failure(event))
            case Ended(outcome) if not isinstance(outcome, WanRenderError):
                self._say_of(order, self._times.ended(order, self._elsewhere))

    def finishing(self, stage: FilmStage) -> None:
        now = time.monotonic()
        if stage.name != self._film_stage:
            self.say(f"making the {stage.in_words}: {counted(stage.total, stage.unit)}")
        elif now - self._last_film_line >= LINE_SECONDS:
            self.say(stage.reached)
        else:
            return
        self._film_stage, self._last_film_line = stage.name, now

    def _say_of(self, order: RenderOrder, text: str) -> None:
        place = self._places.get(order.take.key, "[more]")  # a retake was not in the plan
        self.say(f"{place} {_name(order)}: {text}")


@contextmanager
def _bars() -> Iterator[Reporter]:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class LeftColumn(ProgressColumn):
        """The remaining time from the first second on. rich's own column has none before the first progress."""

        def render(self, task: Task) -> Text:
            left: Countdown | RunCountdown = task.fields["left"]
            words = left.in_words if isinstance(left, RunCountdown) else lasting(left.seconds)
            return Text(f"{words} left", style="progress.remaining")

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
    """Draws one bar for the run, one for each take in progress, and one for the film."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._run: TaskID | None = None
        self._done = self._orders = 0
        self._film: TaskID | None = None
        self._takes: dict[str, TaskID] = {}
        self._times, self._elsewhere = _TakeTimes(), TakesElsewhere()
        self._others: TaskID | None = None
        self._left = RunCountdown((), Expected())
        self._film_left = Countdown(0.0)

    def say(self, text: str) -> None:
        # The terminal wraps. rich would insert line ends into text that users may copy.
        self._bars.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def begin(self, orders: Sequence[RenderOrder], forecast: str, expected: Expected) -> None:
        self.say(forecast)
        self._left, self._film_left = RunCountdown(orders, expected), Countdown(expected.film)
        if orders:
            self._run = self._added("takes", self._left)
            self._orders = len(orders)
            self._show(self._run, "takes", 0, self._orders)

    def event(self, order: RenderOrder, event: Event) -> None:
        key = order.take.key
        is_news = self._elsewhere.hear(order, event)
        self._times.hear(order, event)
        _count_down(self._left, order, event)
        self._show_elsewhere()
        match event:
            case Began(attempt) if attempt == 1:
                self.say(f"{_name(order)}: started ({order.why})")
                self._takes[key] = self._added(_name(order), self._left.add(order))
            case Held(by) if is_news:
                self.say(f"{_name(order)}: {by.problems[0].found}")
            case Progress(phase, done, total):
                self._show(self._takes[key], f"{_name(order)} {phase}", done, total)
            case AttemptFailed():
                self.say(f"{_name(order)}: {_failure(event)}")
            case Ended(outcome):
                self._ended(order, outcome)

    def finishing(self, stage: FilmStage) -> None:
        if self._film is None:
            self._film = self._added("film", self._film_left)
        self._film_left.reached(stage.share)
        self._show(self._film, stage.in_words, stage.done, stage.total)

    def _show_elsewhere(self) -> None:
        """One line for all takes that other runs render."""
        words = self._elsewhere.words
        if self._others is not None and not words:
            self._bars.remove_task(self._others)
            self._others = None
        elif words:
            self._others = self._others if self._others is not None else self._added(words, self._left)
            self._show(self._others, words, 0, 0)

    def _added(self, what: str, left: Countdown | RunCountdown) -> TaskID:
        return self._bars.add_task(what, total=None, count="", left=left)

    def _show(self, task_id: TaskID, what: str, done: int, total: int) -> None:
        """Show `done` of `total`. A bar without a measure (total 0) pulses."""
        task = next(task for task in self._bars.tasks if task.id == task_id)
        what = one_line(what)
        if task.description != what:
            self._bars.reset(task_id, description=what, count="", left=task.fields["left"])
            task.total = None  # `update` and `reset` read None as "unchanged"
        count = f"{done}/{total}" if total else ""
        self._bars.update(task_id, completed=done, total=total or None, count=count)

    def _ended(self, order: RenderOrder, outcome: object) -> None:
        key = order.take.key
        if self._run is not None:
            self._done += 1
            self._show(self._run, "takes", self._done, max(self._done, self._orders))  # with retakes
        if (task := self._takes.pop(key, None)) is not None:
            self._bars.remove_task(task)
        if not isinstance(outcome, WanRenderError):
            self.say(f"{_name(order)}: {self._times.ended(order, self._elsewhere)}")
