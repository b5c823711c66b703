"""Which take is tried next, and what the end of an attempt means: one scheduler for the terminal and for the flow.

`Scheduler.run` gives every order to its caller, in a thread of its own. The caller calls `Scheduler.attempt` until the
order has ended. The terminal does so in a loop (`render_all`), the flow in a Prefect task (flows/runs/take_tasks.py).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wan_render.errors import Stopped, WanRenderError
from wan_render.farm.attempt_timing import AttemptTiming
from wan_render.farm.attempts import Attempts, Verdict
from wan_render.farm.farm_contract import Begins, Farm
from wan_render.farm.ordering.backlog import Backlog
from wan_render.farm.ordering.estimates import KnownSeconds
from wan_render.farm.ordering.policy import Policy
from wan_render.farm.ordering.simulated_night import Rest, rest_of
from wan_render.farm.ordering.time_left import Deadline
from wan_render.farm.run_terms import RunTerms
from wan_render.production.failures import NotStarted, Outcome, unmet_need
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Phase, Progress

MOST_THREADS = 4096
"""The most orders that are given out at once: rendered, written, or being handled by the caller after that. Threads
start when they are needed."""

LOOK_SECONDS = 1.0
"""How often a run with a deadline looks at the clock while nothing happens."""


@dataclass(frozen=True)
class Began:
    """An attempt at a take begins. It may still wait for a device. Attempts count from 1."""

    attempt: int


@dataclass(frozen=True)
class AttemptFailed:
    """An attempt failed; `verdict` says what follows."""

    attempt: int
    error: WanRenderError
    verdict: Verdict


@dataclass(frozen=True)
class Ended:
    """The take has its outcome."""

    outcome: Outcome


Event = Began | Progress | AttemptFailed | Ended
OnEvent = Callable[[RenderOrder, Event], None]
Tell = Callable[[Event], None]


def render_all(
    orders: Sequence[RenderOrder], farm: Farm, on_event: OnEvent = lambda *_: None, terms: RunTerms | None = None
) -> Mapping[RenderOrder, Outcome]:
    """Render every order; return an outcome for each. Raises what Scheduler.run raises.

    `on_event` is called from several threads, but never by two at once. A take's events come in order.
    """
    scheduler, telling = Scheduler(orders, farm, terms), threading.Lock()

    def finish(order: RenderOrder) -> None:
        def tell(event: Event) -> None:
            with telling:
                on_event(order, event)

        while not isinstance(scheduler.attempt(order, tell), Ended):
            pass

    scheduler.run(finish)
    return scheduler.outcomes


class Scheduler:
    """The orders of one run, of one film or several, and their outcomes. Thread-safe.

    An order begins when the takes that it needs have ended and one of its devices is free. If several can begin, the
    policy chooses. The next take is rendered while the last one is written.
    """

    def __init__(self, orders: Sequence[RenderOrder], farm: Farm, terms: RunTerms | None = None) -> None:
        """orders: each after those that it needs. Any other take that it needs is in the store."""
        self._farm, self._terms = farm, terms or RunTerms()
        devices = farm.devices
        estimates = self._terms.estimates or KnownSeconds(devices[0].kind)
        names = tuple(device.name for device in devices)
        self._backlog = Backlog(names, estimates, self._terms.policy, self._terms.deadline)
        self._backlog.add(orders)
        self._attempts: defaultdict[str, Attempts] = defaultdict(self._terms.attempts)
        self._outcomes: dict[RenderOrder, Outcome] = {}
        self._finishing = 0
        self._is_open, self._has_ended = self._terms.stays_open, False
        self._stopped_by: BaseException | None = None
        self._changed = threading.Condition()

    @property
    def outcomes(self) -> Mapping[RenderOrder, Outcome]:
        """The outcome of each order that has ended."""
        with self._changed:
            return dict(self._outcomes)

    def rest(self, pace: Callable[[RenderOrder], float] = lambda _: 1.0) -> Rest:
        """What is left of the run; `rest().simulate()` says when it ends and what there is no time for. pace: by which
        factor an order takes longer than estimated."""
        with self._changed:
            return rest_of(self._backlog, self._terms.clock.now(), pace)

    # What may change while it runs

    def add(self, orders: Sequence[RenderOrder]) -> bool:
        """Render these orders, too; each comes after those that it needs. False if the run has ended: then nothing is
        added. While a `finish` is in flight, the run has not ended."""
        with self._changed:
            if self._has_ended or self._stopped_by is not None:
                return False
            self._backlog.add(orders)
            self._tell_farm()
            return True

    def withdraw(self, orders: Collection[RenderOrder]) -> tuple[RenderOrder, ...]:
        """Do not render these orders; returns those that had not begun. They get no outcome."""
        with self._changed:
            withdrawn = self._backlog.withdraw(orders)
            self._tell_farm()
            return withdrawn

    def follow(self, policy: Policy) -> None:
        """Choose by this policy from now on."""
        with self._changed:
            self._backlog.policy = policy
            self._tell_farm()

    def end_by(self, deadline: Deadline | None) -> None:
        """The run has this deadline from now on."""
        with self._changed:
            self._backlog.deadline = deadline
            self._tell_farm()

    def close(self) -> None:
        """End the run when every order has ended."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()

    # The run

    def run(self, finish: Callable[[RenderOrder], object]) -> None:
        """Call `finish` for every order, each in a thread; return when the last order has ended. Call it once.

        `finish` calls `attempt` until the order has ended. A failed take raises nothing. Any other exception, here
        (from a signal handler) or in `finish`, stops the farm and is raised here after all threads have ended. So is
        Stopped if somebody else stops the farm.
        """
        with self._changed:
            self._tell_farm()
        with ThreadPoolExecutor(MOST_THREADS, "renders") as threads:
            try:
                while (order := self._next()) is not None:
                    threads.submit(self._finish, order, finish)
            except BaseException as cause:
                self._stop(cause)
                raise
        if self._stopped_by is not None:
            raise self._stopped_by

    def attempt(self, order: RenderOrder, tell: Tell) -> AttemptFailed | Ended:
        """Make one attempt at an order that `run` gave out; return its last event. After AttemptFailed, call it again.

        `tell` gets every event, in this thread. Raises Stopped after the farm was stopped.
        """
        with self._changed:
            attempts = self._attempts[order.film]
            known = self._backlog.settled.get(order) or unmet_need(order, self._outcomes) or attempts.refusal(order)
            number, expected = attempts.number(order.take.key), self._backlog.seconds(order)
            if known is None:
                self._backlog.devices.begin(order)
        if known is not None:
            return self._end(order, known, tell)
        tell(Began(number))
        timing = AttemptTiming()
        try:
            clip = self._farm.render(order, self._heard(order, timing, tell), self._begins(order, timing))
        except _TooLateError:
            return self._end(order, attempts.last_error(order.take.key) or NotStarted(expected), tell)
        except Stopped as cause:
            self._stop(cause)
            raise
        except WanRenderError as error:
            return self._fail(order, number, error, tell)
        with self._changed:
            attempts.finished(order.take.key)
            if (work := timing.finish(self._terms.clock.now().steady)) is not None:
                self._backlog.observe(order, expected, work)
        return self._end(order, clip, tell)

    def _next(self) -> RenderOrder | None:
        """The next order, which begins now. Waits until one can. None when the run is over or was stopped."""
        with self._changed:
            while self._stopped_by is None:
                now = self._terms.clock.now()
                if (order := self._backlog.next(now)) is not None:
                    self._finishing += 1
                    return order
                deadline = self._backlog.deadline
                is_open = self._is_open and (deadline is None or now.wall < deadline.until)
                if not (self._backlog or self._finishing or is_open):
                    self._has_ended = True
                    return None
                self._terms.clock.wait(self._changed, None if deadline is None else LOOK_SECONDS)
            return None

    def _finish(self, order: RenderOrder, finish: Callable[[RenderOrder], object]) -> None:
        try:
            finish(order)
            with self._changed:
                if order in self._backlog:
                    raise RuntimeError(f"{order.shot} take {order.number} was left without an outcome")
        except BaseException as cause:  # noqa: BLE001 - `run` raises it
            self._stop(cause)
        finally:
            with self._changed:
                self._finishing -= 1
                self._changed.notify_all()

    def _begins(self, order: RenderOrder, timing: AttemptTiming) -> Begins:
        def begins(devices: Sequence[Device]) -> None:
            with self._changed:
                if not devices:
                    if not self._backlog.has_time(order, self._terms.clock.now()):
                        raise _TooLateError
                    return
                timing.devices = len(devices)
                names = [device.name for device in devices]
                if not self._backlog.place(order, names, self._terms.clock.now()):
                    raise _TooLateError

        return begins

    def _heard(self, order: RenderOrder, timing: AttemptTiming, tell: Tell) -> Callable[[Progress], None]:
        def heard(progress: Progress) -> None:
            timing.hear(progress.phase, self._terms.clock.now().steady)
            if progress.phase is Phase.WRITING:
                self._leave(order)
            tell(progress)

        return heard

    def _leave(self, order: RenderOrder) -> None:
        """Its device is free for the next order."""
        with self._changed:
            self._backlog.leave(order)
            self._changed.notify_all()

    def _fail(self, order: RenderOrder, number: int, error: WanRenderError, tell: Tell) -> AttemptFailed | Ended:
        with self._changed:
            failed = AttemptFailed(number, error, self._attempts[order.film].failed(order.take.key, error))
            self._backlog.devices.fail(order)
        tell(failed)
        if failed.verdict is not Verdict.AGAIN:
            return self._end(order, error, tell)
        if (
            len(order.able(self._farm.devices)) > 1
        ):  # it may wait for another device; the one on which it failed is free
            self._leave(order)
        return failed

    def _end(self, order: RenderOrder, outcome: Outcome, tell: Tell) -> Ended:
        tell(ended := Ended(outcome))
        follow_up = self._terms.follow_up(order, outcome)
        with self._changed:
            self._outcomes[order] = outcome
            self._backlog.withdraw(follow_up.withdraw)
            self._backlog.add(follow_up.add)
            self._backlog.end(order, outcome)
            self._tell_farm()
        return ended

    def _tell_farm(self) -> None:
        """What is left has changed."""
        self._farm.expect(self._backlog.orders)
        self._changed.notify_all()

    def _stop(self, cause: BaseException) -> None:
        """Begin nothing more and give up what is being rendered. `run` raises the first cause."""
        with self._changed:
            self._stopped_by = self._stopped_by or cause
            self._changed.notify_all()
        self._farm.stop()


class _TooLateError(Exception):
    """There is no time left for an attempt."""
