"""`status`: one film of the farm."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, Log, TaskRun
from prefect.settings import get_current_settings
from prefect.utilities.urls import url_for

from flows.commands.farm_client import farm_client
from flows.commands.print_report import print_report
from flows.farm_queue.film_queue import HOLDING, REQUESTED_BY, QueuedFilm, Standing
from flows.farm_queue.film_runs import last_logs, latest_run, open_question
from flows.farm_queue.local_time import local_clock
from flows.farm_queue.queue_report import QueueReport, read_report, utc
from flows.farm_queue.run_progress import read_tasks
from flows.shown.served_links import served_links
from wan_render.errors import WanRenderError
from wan_render.printable import one_line, path_name, printable
from wan_render.session.columns import aligned
from wan_render.settings import machine_settings
from wan_render.store import Store, outputs_for


@dataclass(frozen=True)
class FilmReport:
    """One film: its latest run and what that has left on the server. `opened`: the run in the queue; None if it has
    ended. `others`: further runs of the film that have not ended. `question`: what it asks while it waits for approval.
    """

    name: str
    found: FlowRun
    opened: QueuedFilm | None
    others: tuple[QueuedFilm, ...]
    queue: QueueReport
    question: str
    takes: tuple[TaskRun, ...]
    log: tuple[Log, ...]


def run(arguments: argparse.Namespace) -> int:
    """Print its state, its takes, the end of its log, and where to look."""
    with farm_client() as client:
        film = _read(client, arguments.film)
        print_report(_lines(film), _as_json(film) if arguments.json else None)
    return 0


def _read(client: SyncPrefectClient, name: str) -> FilmReport:
    queue = read_report(client)
    found = latest_run(client, name, queue.queue)
    return FilmReport(
        name=name,
        found=found,
        opened=next((film for film in queue.queue if film.run == found.id), None),
        others=tuple(film for film in queue.queue if film.slug == name and film.run != found.id),
        queue=queue,
        question=open_question(client, found),
        takes=tuple(read_tasks(client, found.id)),
        log=tuple(last_logs(client, found.id)),
    )


def _lines(film: FilmReport) -> Iterator[str]:
    name, now = film.name, film.queue.now
    asked_by = film.found.labels.get(REQUESTED_BY)
    by = f"; asked for by {one_line(str(asked_by))}" if asked_by else ""
    yield f"{name}: {_ended(film.found, now) if film.opened is None else _standing(film.opened, film.queue)}{by}"
    if film.others:
        yield f"it is in the queue once more: {', '.join(other.standing.value for other in film.others)}"
    if film.question:
        yield printable(film.question)
        yield f"answer it: wan-render approve {name}, or wan-render reject {name} --note WHY"
    if film.takes:
        yield "takes:"
        yield from aligned([_task(task, now, is_over=film.opened is None) for task in film.takes])
    if film.log:
        yield "the end of its log:"
        names = {str(task.id): task.name for task in film.takes}
        yield from (_log(each, names.get(str(each.task_run_id), "")) for each in film.log)
    yield from aligned(list(_places(film.found, name)))


def _as_json(film: FilmReport) -> dict[str, Any]:
    """For `--json`, version 1. Times are ISO 8601 in UTC; null is unknown."""
    found, places = film.found, dict(_places(film.found, film.name))
    return {
        "version": 1,
        "film": film.name,
        "run": str(found.id),
        "state": found.state_name if film.opened is None else film.opened.standing.value,
        "message": (found.state and found.state.message) or "",
        "asked_by": str(found.labels.get(REQUESTED_BY, "")),
        "started": utc(found.start_time),
        "ended": utc(found.end_time),
        "parameters": found.parameters,
        "question": film.question,
        "queue": [film.queue.entry(each) for each in ((film.opened,) if film.opened else ()) + film.others],
        "takes": [_take_as_json(task) for task in film.takes],
        "log": [
            {"time": utc(each.timestamp), "level": logging.getLevelName(each.level), "message": each.message}
            for each in film.log
        ],
        "places": {name.replace(" ", "_"): place for name, place in places.items()},
    }


def _take_as_json(task: TaskRun) -> dict[str, Any]:
    message = (task.state and task.state.message) or ""
    return {"take": task.name, "state": task.state_name, "message": message, "started": utc(task.start_time)}


def _standing(film: QueuedFilm, report: QueueReport) -> str:
    progress, times, now = report.progress.get(film.run), report.times[film.run], report.now
    parts = [film.standing.value]
    if film.standing is Standing.LATER:
        parts = [f"scheduled for {local_clock(film.due, now)}"]
    elif film.standing in HOLDING and film.started is not None:
        parts.append(f"started {local_clock(film.started, now)}")
    elif times.start is not None:
        parts.append(f"starts about {local_clock(times.start, now)}")
    if progress is not None and progress.words:
        parts.append(progress.words)
    if times.end is not None:
        parts.append(f"done about {local_clock(times.end, now)}")
    return ", ".join(parts)


def _ended(found: FlowRun, now: datetime) -> str:
    if found.state is None:
        return "unknown"
    at = f" at {local_clock(found.end_time, now)}" if found.end_time is not None else ""
    message = f": {printable(found.state.message)}" if found.state.message else ""
    return f"{str(found.state.name).lower()}{at}{message}"


def _task(task: TaskRun, now: datetime, *, is_over: bool) -> tuple[str, str, str]:
    """is_over: its run has ended, perhaps without a word to its tasks."""
    state = task.state
    since = f"since {local_clock(task.start_time, now)}" if task.start_time is not None else ""
    if is_over and state is not None and not state.is_final():
        return task.name, "not finished", since
    if state is None:
        return task.name, "", since
    return task.name, str(state.name).lower(), (state.message or "") if state.is_final() else since


def _log(record: Log, take: str) -> str:
    """take: the task that it belongs to; "" for the run itself."""
    level = f"{logging.getLevelName(record.level).lower()}: " if record.level > logging.INFO else ""
    text = printable(record.message).replace("\n", "\n            ")
    return f"  {record.timestamp.astimezone():%H:%M:%S}  {level}{f'{one_line(take)}: ' if take else ''}{text}"


def _places(found: FlowRun, name: str) -> Iterator[tuple[str, str]]:
    yield "run", str(url_for("flow-run", found.id))
    store = _store(found.parameters)
    if store is None:
        return
    film = store.films.latest(name)
    if film is not None:
        yield "newest film", path_name(film.video)
        if film.page.exists():
            yield "its page", _address(store.root, film.page) or path_name(film.page)
    if (logs := store.root / "logs").is_dir():
        yield "logs of takes", path_name(logs)


def _address(store: Path, file: Path) -> str:
    """Where a browser finds a file of a store; "" if the farm doesn't serve it."""
    path = served_links(store).to(file)
    return f"{str(get_current_settings().api.url).removesuffix('/api')}{path}" if path else ""


def _store(parameters: Mapping[str, Any]) -> Store | None:
    """The store of a run's film, as far as this machine has it."""
    try:
        named = parameters.get("outputs")
        storyboard = parameters.get("storyboard")
        folder = Path(str(named)) if named else machine_settings().outputs
        return Store(outputs_for(None if storyboard is None else Path(str(storyboard)), folder).folder)
    except WanRenderError:
        return None
