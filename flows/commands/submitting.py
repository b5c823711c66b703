"""Queueing films that were checked: what is printed of each, and what the farm's server is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.states import Scheduled

from flows.commands.farm_client import farm_client
from flows.deployments.deploying import FILM
from flows.farm_queue.film_queue import EXPECTED_SECONDS, REQUESTED_BY, QueuedFilm, Standing, read_queue
from flows.farm_queue.local_time import local_clock, local_clock_with_zone
from flows.farm_queue.queue_forecast import ExpectedTimes, forecast_queue
from flows.farm_queue.queue_report import PAUSED, reads_paused
from flows.farm_queue.run_progress import read_progress
from flows.farm_queue.submission import FilmRequest, differences, due_after, runs_now, waiting_film
from flows.shown.names import NAMED
from wan_render.backends import DEFAULT, backend
from wan_render.errors import Problem, UsageError
from wan_render.session.film_forecast import FilmForecast, forecast_film
from wan_render.session.film_session import Session
from wan_render.session.shot_selection import selected
from wan_render.session.wording import counted
from wan_render.store.disk import user_name

READ_AGAIN = "A film reads its storyboard again when it starts: edits until then count."


@dataclass(frozen=True)
class _Film:
    """A film that was asked for. `waiting`: the same in the queue already. `is_running`: it is being made now."""

    request: FilmRequest
    forecast: FilmForecast
    waiting: QueuedFilm | None
    is_running: bool


def submit(
    sessions: Sequence[Session],
    *,
    at: datetime | None,
    only: str | None,
    approval: bool,
    priority: int | None = None,
) -> None:
    """Queue the films and print what becomes of them. Raises UsageError if the queue has one of them that was asked for
    in another way; MachineError if no farm answers. Then nothing is queued."""
    with farm_client() as client:
        deployment = client.read_deployment_by_name(FILM)
        sessions = [_on_farm(session, deployment.parameters) for session in sessions]
        for opening in dict.fromkeys(session.opening for session in sessions):
            print(opening, file=sys.stderr)
        queue = read_queue(client)
        films = [_film(session, queue, at, only, approval=approval, priority=priority) for session in sessions]
        _refuse_others(films, datetime.now(UTC))
        for film in films:
            if film.waiting is None:
                _create(client, deployment.id, film.request)
        _print_all(films, client)


def _on_farm(session: Session, defaults: Mapping[str, Any]) -> Session:
    """The session with the farm's own backend and outputs, unless somebody chose others here."""
    if not session.backend_by and (name := defaults.get("backend")):
        session = replace(session, backend=backend(str(name)), backend_by="the farm's default")
    if not session.outputs.is_named and (outputs := defaults.get("outputs")):
        session = replace(session, settings=session.settings.model_copy(update={"outputs": Path(str(outputs))}))
    return session


def _film(
    session: Session,
    queue: Sequence[QueuedFilm],
    at: datetime | None,
    only: str | None,
    *,
    approval: bool,
    priority: int | None,
) -> _Film:
    forecast = forecast_film(session, None if only is None else selected(session.plan, only))
    request = FilmRequest(
        slug=session.slug,
        storyboard=session.file,
        backend=session.backend.id.partition("/")[0] if session.backend_by else None,
        outputs=session.outputs.folder,
        only=only,
        draft=session.draft,
        approval=approval,
        priority=priority,
        allow=tuple(folder.absolute() for folder in session.allow),
        max_cost=session.max_cost,
        at=at,
        seconds=forecast.seconds,
    )
    return _Film(request, forecast, waiting_film(request, queue), runs_now(request, queue))


def _refuse_others(films: Sequence[_Film], now: datetime) -> None:
    problems = list(_asked_otherwise(films, now))
    if problems:
        raise UsageError(*problems)


def _asked_otherwise(films: Sequence[_Film], now: datetime) -> Iterator[Problem]:
    for film in films:
        if film.waiting is not None and (found := differences(film.request, film.waiting, now)):
            slug = film.request.slug
            words = f"is in the queue already, asked for{_by(film.waiting)} in another way: "
            remedy = f"wan-render queue cancel {slug}; then submit it again. Nothing was queued"
            yield Problem(slug, words + ", ".join(found), remedy=remedy)


def _create(client: SyncPrefectClient, deployment: UUID, request: FilmRequest) -> None:
    due = None if request.at is None else due_after(request.at, read_queue(client))
    client.create_flow_run_from_deployment(
        deployment,
        parameters=request.parameters,
        state=Scheduled(scheduled_time=due),
        name=request.slug,
        labels={
            NAMED: request.slug,
            REQUESTED_BY: user_name(os.geteuid()),
            EXPECTED_SECONDS: round(request.seconds, 1),
        },
    )


def _print_all(films: Sequence[_Film], client: SyncPrefectClient) -> None:
    queue, now = read_queue(client), datetime.now(UTC)
    is_paused = reads_paused(client)
    times = forecast_queue(queue, now, read_progress(client, queue), is_paused=is_paused)
    for film in films:
        print(f"{film.request.slug}: to render: {film.forecast.sentence}")
        for warning in film.forecast.warnings:
            print(f"  warning: {warning}")
        found = waiting_film(film.request, queue)
        if film.waiting is not None:
            print(f"  not queued twice: it is in the queue already, asked for{_by(film.waiting)}")
        elif film.is_running:
            print("  it is being made now; it was queued once more, for what was edited since")
        if (night := _night(queue)) is not None and (film.request.at is None or film.request.at <= now):
            print(f"  {_in_night(film.request, night)}")
        if found is None:
            print("  queued; it starts now")  # the farm was faster than this command
        else:
            print(f"  {_place(found, queue, times, now, is_paused=is_paused)}")
    if is_paused:
        print(PAUSED)
    print(READ_AGAIN)


def _night(queue: Sequence[QueuedFilm]) -> QueuedFilm | None:
    """The night that runs."""
    return next((film for film in queue if film.is_batch and film.standing is Standing.RUNNING), None)


def _in_night(request: FilmRequest, night: QueuedFilm) -> str:
    """Whether the night that runs renders a film, or why it does not."""
    its = night.parameters.get("backend") or DEFAULT
    if (own := request.backend or DEFAULT) != its:
        until = f" at {night.parameters['until']}" if night.parameters.get("until") else ""
        return f"the night {night.slug} renders with {its}, not {own}: it waits for the night's end{until}"
    return f"the night {night.slug} renders it{', once it is approved' if request.approval else ', on its devices'}"


def _place(
    film: QueuedFilm,
    queue: Sequence[QueuedFilm],
    times: Mapping[UUID, ExpectedTimes],
    now: datetime,
    *,
    is_paused: bool,
) -> str:
    """Where it stands in the queue, and when it starts and ends."""
    before = [each for each in queue[: queue.index(film)] if each.standing is not Standing.UNAPPROVED]
    if film.standing is Standing.UNAPPROVED:
        return f"waits for approval: wan-render approve {film.slug}"
    if film.standing is Standing.LATER:
        first = f"queued for {local_clock_with_zone(film.due, now)}"
    else:
        first = f"queued after {counted(len(before), 'film')}" if before else "queued; it is next"
    expected = times[film.run]
    if expected.start is None or expected.end is None:
        why = "the queue is paused" if is_paused else "a film before it has no estimate"
        return f"{first}; when it ends is unknown: {why}"
    is_held_up = expected.start > max(film.due, now)
    starts = f"starts about {local_clock(expected.start, now)}, " if is_held_up else ""
    return f"{first}: {starts}done about {local_clock_with_zone(expected.end, now)}"


def _by(film: QueuedFilm) -> str:
    return f" by {film.requested_by}" if film.requested_by else ""
