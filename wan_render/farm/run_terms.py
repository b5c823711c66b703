"""How a run of orders goes: in which order, until when, and what follows from an outcome."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from wan_render.farm.attempts import Attempts
from wan_render.farm.clocks import Clocks, SystemClock
from wan_render.farm.held_takes import HeldBy, held_by_nobody
from wan_render.farm.ordering.estimates import Estimates
from wan_render.farm.ordering.policy import GivenOrder, Policy
from wan_render.farm.ordering.time_left import Deadline
from wan_render.production.failures import Outcome
from wan_render.production.render_order import RenderOrder


@dataclass(frozen=True)
class FollowUp:
    """What follows from an outcome, such as a retake. The changes take effect together, before any order that needs the
    ended one can begin.

    add:      further orders, each after those that it needs.
    withdraw: orders that are no longer wanted. Those that have begun are rendered anyway.
    """

    add: Sequence[RenderOrder] = ()
    withdraw: Collection[RenderOrder] = ()


def nothing_follows(_order: RenderOrder, _outcome: Outcome) -> FollowUp:
    """No outcome changes the rest of the run."""
    return FollowUp()


@dataclass(frozen=True)
class RunTerms:
    """How a run of orders goes. By default as one film is rendered: in the given order, until everything has ended.

    policy:     which order begins next.
    estimates:  of takes and loading; None for the backends' own.
    deadline:   when the takes have to be written; None if there is no such time.
    follow_up:  called with each order that has ended, and its outcome. What it raises stops the run.
    stays_open: whether the run goes on when every order has ended, until `Scheduler.close` or the deadline.
    held_by:    which other run renders a take, if one does. Then it is left to that run, and another take is rendered.
    attempts:   makes the rules for failures. Each film gets its own, so that one film never stops another.
    clock:      what time it is.
    """

    policy: Policy = field(default_factory=GivenOrder)
    estimates: Estimates | None = None
    deadline: Deadline | None = None
    follow_up: Callable[[RenderOrder, Outcome], FollowUp] = nothing_follows
    stays_open: bool = False
    held_by: HeldBy = held_by_nobody
    attempts: Callable[[], Attempts] = Attempts
    clock: Clocks = field(default_factory=SystemClock)
