"""The one rule for runs that were lost while they ran, because their process is gone or their machine is silent: each
waits in the queue again once. A film that ends its machine must not do so night after night."""

from __future__ import annotations

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Crashed, Scheduled
from prefect.types import KeyValueLabels

from flows.shown.names import NIGHT_ENDS, NIGHT_UNTIL, WORKER_LABEL

WAS_LOST = "wan-render.fell-silent"
"""The label of a run that has waited again once. It names the worker that it was lost with."""

ONLY_WHAT_IS_MISSING = "only what is missing is rendered"


def after_loss(client: SyncPrefectClient, run: FlowRun, why: str) -> tuple[State[None], str]:
    """The state that a lost run gets, and what is said of it. why: `its process is gone: …`.

    The first time it is marked and waits in its place, for any machine; a night then ends when its window does. The
    second time it is called crashed.
    """
    if WAS_LOST in run.labels:
        message = f"{why}, for the second time. Ask for it again: {ONLY_WHAT_IS_MISSING}"
        return Crashed(message=message), f"is called crashed; {message}"
    labels: KeyValueLabels = {WAS_LOST: run.labels.get(WORKER_LABEL, "")}
    if NIGHT_ENDS in run.labels:
        labels[NIGHT_UNTIL] = run.labels[NIGHT_ENDS]
    client.update_flow_run_labels(run.id, labels)
    message = f"waits again: {why}; {ONLY_WHAT_IS_MISSING}"
    return Scheduled(scheduled_time=run.expected_start_time, message=message), message
