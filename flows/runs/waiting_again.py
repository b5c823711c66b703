"""A run that goes back into the queue: its farm drains, and what is left of it is rendered when the farm goes on."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import Pause
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Scheduled

from flows.shown.names import NIGHT_ENDS, NIGHT_UNTIL

WAITS_AGAIN = "waits again: the farm was drained. Finished takes are kept"


def wait_again() -> NoReturn:
    """The run keeps its place in the queue. Raises Pause, which Prefect's engine expects of a run that goes on in
    another process."""
    get_run_logger().info("%s", WAITS_AGAIN)
    with get_client(sync_client=True) as client:
        place = client.read_flow_run(flow_run.id).expected_start_time
        again: State[None] = Scheduled(scheduled_time=place, message=WAITS_AGAIN)
        client.set_flow_run_state(flow_run.id, again, force=True)
    raise Pause(state=again)


def note_end(until: datetime | None) -> None:
    """Say when the window of this night ends, in case that its process is lost."""
    _label(NIGHT_ENDS, until)


def keep_until(until: datetime | None) -> None:
    """Remember when the window of this night ends: it waits again."""
    _label(NIGHT_UNTIL, until)


def _label(name: str, until: datetime | None) -> None:
    if until is not None:
        with get_client(sync_client=True) as client:
            client.update_flow_run_labels(flow_run.id, {name: until.isoformat()})


def kept_until() -> datetime | None:
    """When the window of this night ends, if it was drained or lost before."""
    with get_client(sync_client=True) as client:
        kept = client.read_flow_run(flow_run.id).labels.get(NIGHT_UNTIL)
    return None if kept is None else datetime.fromisoformat(str(kept))
