"""Runs that had ended and are run again although nobody asked for it.

A worker that was slow holds a run which was waiting when it looked; meanwhile another worker may have run it to its
end. Prefect lets it move the run from Completed, Failed or Crashed back to Pending and start it (3.9.4 stops that). Who
asks for a retry makes the run Scheduled first: so the run's own states tell the two apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.logging import get_run_logger


def ended_before(run: UUID) -> State[None] | None:
    """The state in which a run had ended, to be returned again, where nobody has asked for a retry since."""
    with get_client(sync_client=True) as client:
        if client.read_flow_run(run).parent_task_run_id is not None:
            return None  # a flow that another one calls; that one was asked for
        state = unasked(client.read_flow_run_states(run))
    if state is None:
        return None
    get_run_logger().warning("this run had ended as %s, and nobody asked for a retry: it stays so", state.name)
    return State(type=state.type, name=state.name, message=state.message)


def unasked(states: Sequence[State]) -> State | None:
    """The last final state of a run where what follows it begins with Pending, not with Scheduled."""
    ordered = sorted(states, key=lambda state: state.timestamp)
    finals = [place for place, state in enumerate(ordered) if state.is_final()]
    if not finals or finals[-1] + 1 == len(ordered):
        return None
    last, following = ordered[finals[-1]], ordered[finals[-1] + 1]
    return last if following.type is StateType.PENDING else None
