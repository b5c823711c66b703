"""The answer to a film that waits for approval, given from outside of its run."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.actions import LogCreate
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import Cancelled

from flows.farm_queue.film_queue import QueuedFilm
from wan_render.errors import MachineError, Problem


def approve(client: SyncPrefectClient, film: QueuedFilm, note: str) -> None:
    """Let it be rendered when its turn comes. Raises MachineError if the server doesn't take the answer."""
    _refuse_refusal(film, client.resume_flow_run(film.run, run_input={"render": True, "note": note}))


def reject(client: SyncPrefectClient, film: QueuedFilm, note: str) -> None:
    """End its run, as the run itself would after a no; but at once, not when its turn comes. Raises MachineError if the
    server doesn't take the answer."""
    message = str(not_approved(film.slug, note))
    _refuse_refusal(film, client.set_flow_run_state(film.run, Cancelled(message=message)))
    record = {"name": "prefect.flow_runs", "level": logging.INFO, "message": message, "flow_run_id": film.run}
    client.create_logs([LogCreate.model_validate({**record, "timestamp": datetime.now(UTC)})])


def not_approved(slug: str, note: str) -> Problem:
    """What a run ends with that was not approved."""
    return Problem(slug, "was not approved", remedy=note)


def _refuse_refusal(film: QueuedFilm, said: OrchestrationResult[None]) -> None:
    if said.status is not SetStateStatus.ACCEPT:
        why = getattr(said.details, "reason", None) or said.status.value
        raise MachineError(Problem(film.slug, f"took no answer: {why}", remedy=f"wan-render status {film.slug}"))
