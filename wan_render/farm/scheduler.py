"""Which take is tried next, and what the end of an attempt means: one scheduler for the terminal and for the flow.

`Scheduler.run` gives every order to its caller, in a thread of its own. The caller calls `Scheduler.attempt` until the
order has ended. The terminal does so in a loop (`render_all`), the flow in a Prefect task (flows/runs/take_tasks.py).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from wan_render.errors import HeldElsewhereError, OverrunError, Stopped, WanRenderError
from wan_render.farm.attempt_events import AttemptFailed, Beginning, Ended, Event, Held, OnEvent, Tell
from wan_render.farm.attempt_timing import AttemptTiming
from wan_render.farm.attempts import Attempts, Verdict
from wan_render.farm.failure_meaning import stopped
from wan_render.farm.farm_contract import Begins, DevicesMayChange, Farm
from wan_render.farm.held_takes import POLL_SECONDS, patience_for
from wan_render.farm.ordering.backlog import Backlog
from wan_render.farm.ordering.estimates import KnownSeconds
from wan_render.farm.ordering.policy import Policy
from wan_render.farm.ordering.simulated_night import Rest, rest_of
from wan_render.farm.ordering.time_left import Deadline
from wan_render.farm.run_terms import RunTerms
from wan_render.printable import logger
from wan_render.production.failures import Outcome, OutOfTime, unmet_need
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Phase, Progress
from wan_render.store import Clip

_log = logger(__name__)

MOST_THREADS = 4096
"""The most orders that are given out at once: rendered, written, or being handled by the caller after that. Threads
start when they are needed."""

LOOK_SECONDS = 1.0
"""How often a run with a deadline looks at the clock while nothing happens."""


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
        self._is_draining = self._is_cut_short = False
        self._stopped_by: BaseException | None = None
        self._changed = threading.Condition()
        if isinstance(farm, DevicesMayChange):
            farm.on_change(self._follow_devices)

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
            if self._has_ended or self._is_draining or self._stopped_by is not None:
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

    def _follow_devices(self) -> None:
        """Devices have joined the farm or left it. Without any, orders wait for those that there were."""
        if names := [device.name for device in self._farm.devices]:
            with self._changed:
                self._backlog.devices.follow(names)
                self._changed.notify_all()

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

    def drain(self) -> None:
        """Begin no more takes. Those that are being rendered end as usual, and so does the run; the others get no
        outcome."""
        with self._changed:
            self._is_draining, self._is_open = True, False
            self._is_cut_short = bool(self._backlog.withdraw(self._backlog.orders)) or self._is_cut_short
            self._tell_farm()

    @property
    def is_cut_short(self) -> bool:
        """Whether takes were left out because the run was drained."""
        with self._changed:
            return self._is_cut_short

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
        timing = AttemptTiming()
        try:
            clip = self._clip(order, number, expected, timing, tell)
        except _TooLateError:
            return self._end(order, attempts.last_error(order.take.key) or self._out_of_time(order), tell)
        except OverrunError as error:
            _log.info("%s", error)
            return self._end(order, self._out_of_time(order, was_aborted=True), tell)
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

    def _clip(self, order: RenderOrder, number: int, expected: float, timing: AttemptTiming, tell: Tell) -> Clip:
        """What the farm makes of the order. While another run renders the take, it is left to that run."""
        patience, beginning, was_held = patience_for(order, expected), Beginning(number, tell), False
        while True:
            if (held := self._terms.held_by(order)) is None:
                if not was_held:
                    beginning.tell_once()
                try:
                    return self._farm.render(order, self._heard(order, timing, beginning), self._begins(order, timing))
                except HeldElsewhereError as found:
                    held = found
            was_held = True
            self._leave(order)
            tell(Held(held))
            patience()
            with self._changed:
                self._refuse_if_late(order)
                self._terms.clock.wait(self._changed, POLL_SECONDS)
                if self._stopped_by is not None:
                    raise stopped(order.shot)

    def _refuse_if_late(self, order: RenderOrder) -> None:
        """Raise _TooLateError if an order that has no device yet should not get one any more."""
        if self._is_draining:
            self._is_cut_short = True
            raise _TooLateError
        if not self._backlog.has_time(order, self._terms.clock.now()):
            raise _TooLateError

    def _next(self) -> RenderOrder | None:
        """The next order, which begins now. Waits until one can. None when the run is over or was stopped."""
        with self._changed:
            while self._stopped_by is None:
                now = self._terms.clock.now()
                if (order := self._backlog.next(now)) is not None:
                    self._finishing += 1
                    return order
                if overdue := self._backlog.overdue(now):
                    self._farm.abort(overdue)
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
                    self._refuse_if_late(order)
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
            if self._is_draining:
                self._is_cut_short = bool(follow_up.add) or self._is_cut_short
            else:
                self._backlog.add(follow_up.add)
            self._backlog.end(order, outcome)
            self._tell_farm()
        return ended

    def _out_of_time(self, order: RenderOrder, *, was_aborted: bool = False) -> OutOfTime:
        with self._changed:
            return self._backlog.out_of_time(order, was_aborted=was_aborted)

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
