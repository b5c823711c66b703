"""One film of the farm: its latest run, ended ones too, and what that run has left on the server."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterName,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, Log
from prefect.client.schemas.sorting import FlowRunSort, LogSort
from prefect.exceptions import ObjectNotFound

from flows.deployments.deploying import DEPLOYMENTS, PAGE
from flows.farm_queue.film_queue import QueuedFilm, slug_of_run
from flows.farm_queue.queue_report import not_in_queue
from wan_render.errors import Problem, UsageError

FILM_OF_A_NIGHT = "film of a night"
"""The flow of a film that a batch makes. Its run has the name of the film."""

LAST_LINES = 10
"""Lines of a log that are shown."""


def latest_run(client: SyncPrefectClient, name: str, queue: Sequence[QueuedFilm]) -> FlowRun:
    """The run of a film or a batch that is the first in the queue; without one, that which was due last. Raises
    UsageError if the farm has never had it."""
    open_run = next((film.run for film in queue if film.slug == name), None)
    if open_run is not None:
        return client.read_flow_run(open_run)
    deployments = {client.read_deployment_by_name(deployment).id: deployment for deployment in DEPLOYMENTS}
    named_like_it = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            name=FlowRunFilterName(like_=name), deployment_id=FlowRunFilterDeploymentId(any_=list(deployments))
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=PAGE,
    )
    ended = [run for run in named_like_it if _slug(run, deployments) == name]
    ended += client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=[FILM_OF_A_NIGHT])),
        flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=1,
    )
    if not ended:
        problem = not_in_queue(name, queue)
        raise UsageError(Problem(problem.where, "the farm has made no film of this name", problem.allowed))
    return max(ended, key=lambda run: run.expected_start_time or datetime.min.replace(tzinfo=UTC))


def _slug(run: FlowRun, deployments: Mapping[UUID, str]) -> str:
    return "" if run.deployment_id is None else slug_of_run(run, deployments[run.deployment_id])


def open_question(client: SyncPrefectClient, run: FlowRun) -> str:
    """What a run asks that waits for approval; "" if it asks nothing."""
    keys = None if run.state is None else run.state.state_details.run_input_keyset
    if keys is None or not run.state or not run.state.is_paused():
        return ""
    try:
        return str(json.loads(client.read_flow_run_input(run.id, keys["description"])))
    except (KeyError, ValueError, ObjectNotFound):
        return ""


def last_logs(client: SyncPrefectClient, run: UUID) -> list[Log]:
    """The last records of a run and its tasks, the oldest first."""
    found = client.read_logs(
        log_filter=LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])),
        sort=LogSort.TIMESTAMP_DESC,
        limit=LAST_LINES,
    )
    return found[::-1]
