"""The order of the queue, from what a server says of its runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from flows.deployments.deploying import BATCH, FILM
from flows.farm_queue.film_queue import REQUESTED_BY, QueuedFilm, Standing, in_order
from flows.shown.names import NAMED

pytestmark = pytest.mark.prefect

NOW = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
DEPLOYMENTS = {uuid4(): FILM, uuid4(): BATCH}
FILM_ID, BATCH_ID = DEPLOYMENTS


def run(kind: StateType, minutes: float, deployment: UUID | None = FILM_ID, **more: Any) -> FlowRun:
    """A run that was due some minutes before NOW."""
    due = NOW - timedelta(minutes=minutes)
    values = {"created": due, "expected_start_time": due, "next_scheduled_start_time": due} | more
    return FlowRun(flow_id=uuid4(), deployment_id=deployment, state=State(type=kind), **values)


def queue(*runs: FlowRun) -> tuple[QueuedFilm, ...]:
    return in_order(runs, DEPLOYMENTS, NOW)


def test_what_runs_comes_first_then_what_was_due_first_films_and_batches_alike() -> None:
    later = run(StateType.SCHEDULED, -60)
    third = run(StateType.SCHEDULED, 1)
    second = run(StateType.SCHEDULED, 2, BATCH_ID)
    first = run(StateType.SCHEDULED, 3)
    asking = run(StateType.PAUSED, 90)
    running = run(StateType.RUNNING, 4, start_time=NOW)
    found = queue(later, third, asking, second, running, first)
    assert [film.run for film in found] == [each.id for each in (running, first, second, third, later, asking)]
    assert [film.standing for film in found] == [
        Standing.RUNNING,
        *[Standing.WAITING] * 3,
        Standing.LATER,
        Standing.UNAPPROVED,
    ]
    assert [film.is_batch for film in found] == [False, False, True, False, False, False]


def test_a_film_has_the_slug_that_was_read_or_else_one_made_of_its_path() -> None:
    parameters = {"storyboard": "storyboards/river-to-dove/storyboard.yaml", "draft": True}
    (guessed,) = queue(run(StateType.SCHEDULED, 1, parameters=parameters))
    (read,) = queue(run(StateType.SCHEDULED, 1, parameters=parameters, labels={NAMED: "river-draft"}))
    (batch,) = queue(run(StateType.SCHEDULED, 1, BATCH_ID, parameters={"folder": "/films/autumn"}))
    assert (guessed.slug, read.slug, batch.slug) == ("river-to-dove-draft", "river-draft", "autumn")


def test_it_says_who_asked_and_when() -> None:
    asked = run(StateType.SCHEDULED, -60, created=NOW, labels={REQUESTED_BY: "anna"})
    (film,) = queue(asked)
    assert (film.requested_by, film.requested, film.due) == ("anna", NOW, NOW + timedelta(hours=1))
    assert queue(run(StateType.SCHEDULED, 1))[0].requested_by == ""


def test_runs_of_other_deployments_are_none_of_the_queue() -> None:
    assert queue(run(StateType.RUNNING, 1, uuid4()), run(StateType.RUNNING, 1, None)) == ()
