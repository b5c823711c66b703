"""How far the runs of a queue are, from what they tell the server: their tasks, and the progress of the whole film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import Artifact, TaskRun
from prefect.client.schemas.sorting import ArtifactSort, TaskRunSort

from flows.deployments.deploying import PAGE, read_pages
from flows.farm_queue.film_queue import HOLDING, QueuedFilm, Standing
from flows.shown.progress import SECONDS
from wan_render.session.wording import counted

TAKE = "take"
"""What the tasks of takes have in their names (flows/runs/take_tasks.py): `1/020 take 1`."""

NOT_RENDERED = frozenset({"Reused", "Shared", "Skipped", "Found"})
"""The states of takes that this run didn't render."""


LEAST_SHARE = 0.02
"""With less of the time passed, the rest is not known well enough: shares are rounded to a thousandth."""


@dataclass(frozen=True)
class RunProgress:
    """done: the share of the time that has passed, from 0 to 1; 0 if the run doesn't say. words: what is done, for
    people; "" if the run has said nothing yet. began, told: the time to which `done` belongs, from and to."""

    done: float
    words: str
    began: datetime | None = None
    told: datetime | None = None

    def seconds_left(self, now: datetime) -> float | None:
        """None if the run doesn't say, or hasn't gone on for long enough."""
        if self.began is None or self.told is None or self.done < LEAST_SHARE:
            return None
        left = (self.told - self.began).total_seconds() * (1 - self.done) / self.done
        return max(left - (now - self.told).total_seconds(), 0.0)


def read_progress(client: SyncPrefectClient, queue: Sequence[QueuedFilm]) -> dict[UUID, RunProgress]:
    """Of the runs that have a process."""
    holding = [film for film in queue if film.standing in HOLDING]
    return {film.run: _begun(_of_run(client, film.run), film) for film in holding}


def _begun(progress: RunProgress, film: QueuedFilm) -> RunProgress:
    """A run that has told nothing yet reads its storyboards, or is a night that waits for its start."""
    if progress.words or film.standing is not Standing.RUNNING:
        return progress
    start = film.parameters.get("start")
    return replace(progress, words=f"waits until {start}" if start else "reads its storyboards")


def read_tasks(client: SyncPrefectClient, run: UUID) -> list[TaskRun]:
    """The tasks of a run, each once: a run that was retried has new ones. The latest count."""
    found = read_pages(
        lambda offset: client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])),
            sort=TaskRunSort.EXPECTED_START_TIME_ASC,
            limit=PAGE,
            offset=offset,
        )
    )
    return list({task.name: task for task in found}.values())


def _of_run(client: SyncPrefectClient, run: UUID) -> RunProgress:
    """From the run's progress artifact (flows/shown/progress.py); before there is one, from its takes."""
    published = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[run]), type=ArtifactFilterType(any_=["progress"])
        ),
        sort=ArtifactSort.CREATED_DESC,  # a run that was retried has made another one
        limit=PAGE,
    )
    whole = next((each for each in published if each.task_run_id is None), None)
    return _from_takes(read_tasks(client, run)) if whole is None else _from_artifact(whole)


def _from_artifact(artifact: Artifact) -> RunProgress:
    data, created = artifact.data, artifact.created
    share = min(max(float(data) / 100, 0.0), 1.0) if isinstance(data, int | float) else 0.0
    words = str(artifact.description or "").partition(";")[0]
    return RunProgress(share, words, created and created - timedelta(seconds=SECONDS), artifact.updated)


def _from_takes(tasks: Sequence[TaskRun]) -> RunProgress:
    """How much of the film they are is unknown: a take has no task yet while no thread is free for it."""
    wanted = [task for task in tasks if f" {TAKE} " in task.name and task.state_name not in NOT_RENDERED]
    ended = sum(task.state is not None and task.state.is_final() for task in wanted)
    return RunProgress(0.0, f"{counted(ended, 'take')} rendered" if wanted else "")
