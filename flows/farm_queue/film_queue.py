"""The farm's queue: films and batches that run or wait, in the order in which they run.

The one place that knows the order. Prefect hands out what is due first (flows/deployments/pool.py holds it to one at a
time); this module reads the same order back. It asks the server, it never changes a run.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from flows.deployments.deploying import BATCH, DEPLOYMENTS, PAGE, read_pages
from flows.deployments.joining import START_FIRST
from flows.deployments.requested import batch_name, batch_paths, film_name
from flows.shown.names import NAMED, WAITS_FOR
from wan_render.draft_slug import draft_slug
from wan_render.errors import MachineError, Problem

REQUESTED_BY = "wan-render.requested-by"
"""The label of a run that names who asked for it. `prefect deployment run` sets none."""

EXPECTED_SECONDS = "wan-render.expected-seconds"
"""The label of a run that says how long its film would have taken when somebody asked for it."""

CANCELLED = "cancelled; finished takes are kept"
"""What a run says that somebody cancelled."""

OPEN_STATES = (StateType.RUNNING, StateType.CANCELLING, StateType.PENDING, StateType.SCHEDULED, StateType.PAUSED)
"""The states of a run that has not ended."""


class Standing(enum.Enum):
    """Where a run stands; the members are in the order of the queue."""

    RUNNING = "running"
    STOPPING = "stopping"
    STARTING = "starting"
    WAITING = "waiting"
    LATER = "scheduled"
    UNAPPROVED = "waits for approval"


HOLDING = (Standing.RUNNING, Standing.STOPPING)
"""Where a run has a process of its own, which may hold devices."""


@dataclass(frozen=True)
class QueuedFilm:
    """One run of film/now or batch/overnight that has not ended.

    `slug`: of a film; the folder's name for a batch. `requested`: when somebody asked for it; `due`: when it may start,
    which is its place in the queue. `started`: None until its process runs. `requested_by`: "" if nobody is named.
    `is_scheduled`: a schedule asked for it.
    `expected_seconds`: how long it was expected to take when somebody asked for it; None if nobody said.
    `waits_for`: why the night that runs does not render it; "" if none runs, or if it will.
    """

    run: UUID
    slug: str
    is_batch: bool
    standing: Standing
    requested: datetime
    due: datetime
    started: datetime | None
    requested_by: str
    is_scheduled: bool
    expected_seconds: float | None
    parameters: Mapping[str, Any]
    waits_for: str = ""


def read_queue(client: SyncPrefectClient) -> tuple[QueuedFilm, ...]:
    """What the farm's server has in its queue, in order."""
    deployments = deployment_names(client)
    return in_order(open_runs(client, deployments), deployments, datetime.now(UTC))


def deployment_names(client: SyncPrefectClient) -> dict[UUID, str]:
    """The farm's deployments, by their ids. Raises MachineError on a server that is no farm's, or not yet."""
    found = {}
    for name in DEPLOYMENTS:
        try:
            found[client.read_deployment_by_name(name).id] = name
        except ObjectNotFound:
            raise MachineError(
                Problem("the farm", f"the server has no deployment {name}", remedy=START_FIRST)
            ) from None
    return found


def in_order(runs: Sequence[FlowRun], deployments: Mapping[UUID, str], now: datetime) -> tuple[QueuedFilm, ...]:
    """The runs of these deployments that have not ended: what runs, what waits, what is scheduled for later, what waits
    for approval. Within each, what was due first comes first."""
    of_farm = [(run, deployments.get(run.deployment_id)) for run in runs if run.deployment_id is not None]
    films = [queued(run, deployment, now) for run, deployment in of_farm if deployment is not None]
    if not any(film.is_batch and film.standing is Standing.RUNNING for film in films):
        films = [replace(film, waits_for="") for film in films]
    places = list(Standing)
    return tuple(sorted(films, key=lambda film: (places.index(film.standing), film.due, film.requested)))


def queued(run: FlowRun, deployment: str, now: datetime) -> QueuedFilm:
    """One run of film/now or batch/overnight as it stands at `now`."""
    requested = run.created or now
    due = run.next_scheduled_start_time or run.expected_start_time or requested
    return QueuedFilm(
        run=run.id,
        slug=slug_of_run(run, deployment),
        is_batch=deployment == BATCH,
        standing=_standing(run, due, now),
        requested=requested,
        due=due,
        started=run.start_time,
        requested_by=str(run.labels.get(REQUESTED_BY, "")),
        is_scheduled=run.auto_scheduled,
        expected_seconds=_seconds(run.labels.get(EXPECTED_SECONDS)),
        parameters=run.parameters,
        waits_for=str(run.labels.get(WAITS_FOR, "")),
    )


def slug_of_run(run: FlowRun, deployment: str) -> str:
    """The slug of a run's film, or its folder's name for a batch. Until somebody has read the storyboard, a name made
    from its path."""
    if NAMED in run.labels:
        return str(run.labels[NAMED])
    if deployment == BATCH:
        return batch_name(batch_paths(run.parameters.get("folder", "")))
    name = film_name(Path(str(run.parameters.get("storyboard", ""))))
    return draft_slug(name) if run.parameters.get("draft") else name


def _seconds(label: object) -> float | None:
    """A label as a duration; None for what is none."""
    if not isinstance(label, int | float) or isinstance(label, bool):
        return None
    return float(label) if 0 <= label < inf else None


def _standing(run: FlowRun, due: datetime, now: datetime) -> Standing:
    kind = None if run.state is None else run.state.type
    if kind is StateType.RUNNING:
        return Standing.RUNNING
    if kind is StateType.CANCELLING:
        return Standing.STOPPING
    if kind is StateType.PENDING:
        return Standing.STARTING
    if kind is StateType.PAUSED:
        return Standing.UNAPPROVED
    return Standing.WAITING if due <= now else Standing.LATER


def open_runs(client: SyncPrefectClient, deployments: Collection[UUID]) -> list[FlowRun]:
    """The runs of these deployments that have not ended, as Prefect has them."""
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=list(deployments)),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(OPEN_STATES))),
    )
    return read_pages(
        lambda offset: client.read_flow_runs(
            flow_run_filter=wanted, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=PAGE, offset=offset
        )
    )
