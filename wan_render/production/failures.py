"""The takes of a run that failed, and the text on their slates. The film is made without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wan_render.errors import MachineError, Problem, RenderError, WanRenderError
from wan_render.printable import one_line
from wan_render.production.render_order import RenderOrder
from wan_render.store import Clip

NIGHT_END = "the end of the night"


@dataclass(frozen=True)
class OutOfTime:
    """There was no time for a take before the night ended. It is no failure: the next night renders it.

    seconds: how long it is expected to take on one device. until: when the night ends, in words. was_aborted: whether
    it was begun, and aborted because it was not finished in time.
    """

    seconds: float
    until: str = NIGHT_END
    was_aborted: bool = False

    @property
    def words(self) -> str:
        """For the slate of its shot."""
        if self.was_aborted:
            return f"aborted: it was not finished by {self.until}"
        return f"not started: no time was left before {self.until}"


Outcome = Clip | WanRenderError | OutOfTime
"""The result of an order."""


def failures(outcomes: Mapping[RenderOrder, Outcome]) -> Mapping[str, str]:
    """Take key → reason, for `finish`: of takes that failed, and of those for which there was no time."""
    reasons = {order.take.key: each.words for order, each in outcomes.items() if isinstance(each, OutOfTime)}
    return reasons | {order.take.key: slate_reason(error) for order, error in _failed(outcomes).items()}


def unmet_need(order: RenderOrder, outcomes: Mapping[RenderOrder, Outcome]) -> RenderError | None:
    """Why an order cannot be rendered: a take that it needs failed. None if no needed take failed."""
    if not order.needs:
        return None
    needed = {each.take.key: (each, error) for each, error in _failed(outcomes).items()}
    for key in order.needs:
        if key in needed:
            return _not_tried(order, *needed[key])
    return None


def slate_reason(error: WanRenderError) -> str:
    """What failed and what to do. For faults of the machine also where, for example on which device."""
    reason = "; ".join(map(_of_machine if isinstance(error, MachineError) else _of_take, error.problems))
    return one_line(f"{reason}; run the same command again to retry" if error.worth_retrying else reason)


def _failed(outcomes: Mapping[RenderOrder, Outcome]) -> dict[RenderOrder, WanRenderError]:
    return {order: outcome for order, outcome in outcomes.items() if isinstance(outcome, WanRenderError)}


def _not_tried(order: RenderOrder, needed: RenderOrder, error: WanRenderError) -> RenderError:
    first = error.problems[0]
    found = f"needs {needed.shot} take {needed.number}, which could not be rendered: {first.found}"
    return RenderError(Problem(order.shot, found, remedy=first.remedy))


def _of_machine(problem: Problem) -> str:
    return "; ".join(filter(None, (f"{problem.where} {problem.found}", problem.remedy)))


def _of_take(problem: Problem) -> str:
    return "; ".join(filter(None, (problem.found, problem.remedy)))
