"""What became of a run's orders: which takes failed, and what their slates say. The film is made all the same."""

from __future__ import annotations

from collections.abc import Mapping

from wan_render.errors import MachineError, Problem, Stopped, WanRenderError
from wan_render.printable import one_line
from wan_render.production.order import RenderOrder
from wan_render.store import Clip


def failures(results: Mapping[RenderOrder, Clip | WanRenderError]) -> Mapping[str, str]:
    """Take key → reason, for `finish`. Raises Stopped where the run was stopped."""
    failed = {order: result for order, result in results.items() if isinstance(result, WanRenderError)}
    for error in failed.values():
        if isinstance(error, Stopped):
            raise error
    return {order.take.key: slate_reason(error) for order, error in failed.items()}


def slate_reason(error: WanRenderError) -> str:
    """What failed, on what, and what to do: of the machine's faults all that is known, of others what was found."""
    said = "; ".join(map(_of_machine if isinstance(error, MachineError) else _of_take, error.problems))
    return one_line(f"{said}; the same command tries it again" if error.worth_retrying else said)


def _of_machine(problem: Problem) -> str:
    return "; ".join(filter(None, (f"{problem.where} {problem.found}", problem.remedy)))


def _of_take(problem: Problem) -> str:
    return "; ".join(filter(None, (problem.found, problem.remedy)))
