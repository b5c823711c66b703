"""`status`: one film of the farm."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, Log, TaskRun
from prefect.settings import get_current_settings
from prefect.utilities.urls import url_for

from flows.commands.farm_client import farm_client
from flows.farm_queue.film_queue import HOLDING, REQUESTED_BY, QueuedFilm, Standing
from flows.farm_queue.film_runs import last_logs, latest_run, open_question
from flows.farm_queue.local_time import local_clock
from flows.farm_queue.queue_report import QueueReport, read_report
from flows.farm_queue.run_progress import read_tasks
from flows.shown.served_links import served_links
from wan_render.errors import WanRenderError
from wan_render.printable import one_line, path_name, printable
from wan_render.session.columns import aligned
from wan_render.settings import machine_settings
from wan_render.store import Store, outputs_for


def run(arguments: argparse.Namespace) -> int:
    """Print its state, its takes, the end of its log, and where to look."""
    with farm_client() as client:
        report = read_report(client)
        found = latest_run(client, arguments.film, report.queue)
        for line in _lines(client, found, arguments.film, report):
            print(line)
    return 0


def _lines(client: SyncPrefectClient, found: FlowRun, name: str, report: QueueReport) -> Iterator[str]:
    opened = next((film for film in report.queue if film.run == found.id), None)
    asked_by = found.labels.get(REQUESTED_BY)
    by = f"; asked for by {one_line(str(asked_by))}" if asked_by else ""
    yield f"{name}: {_ended(found, report.now) if opened is None else _standing(opened, report)}{by}"
    others = [film.standing.value for film in report.queue if film.slug == name and film.run != found.id]
    if others:
        yield f"it is in the queue once more: {', '.join(others)}"
    if question := open_question(client, found):
        yield printable(question)
        yield f"answer it: wan-render approve {name}, or wan-render reject {name} --note WHY"
    if tasks := read_tasks(client, found.id):
        yield "takes:"
        yield from aligned([_task(task, report.now) for task in tasks])
    if logs := last_logs(client, found.id):
        yield "the end of its log:"
        yield from map(_log, logs)
    yield from aligned(list(_places(found, name)))


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


def _task(task: TaskRun, now: datetime) -> tuple[str, str, str]:
    state = task.state
    since = f"since {local_clock(task.start_time, now)}" if task.start_time is not None else ""
    if state is None:
        return task.name, "", since
    return task.name, str(state.name).lower(), (state.message or "") if state.is_final() else since


def _log(record: Log) -> str:
    level = f"{logging.getLevelName(record.level).lower()}: " if record.level > logging.INFO else ""
    text = printable(record.message).replace("\n", "\n            ")
    return f"  {record.timestamp.astimezone():%H:%M:%S}  {level}{text}"


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
