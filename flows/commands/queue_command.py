"""`queue`: list what runs and what waits, or cancel one of them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas import OrchestrationResult
from prefect.states import Cancelling, Scheduled

from flows.commands.farm_client import farm_client
from flows.commands.print_report import print_report
from flows.farm_queue.film_queue import HOLDING, QueuedFilm, Standing, read_queue
from flows.farm_queue.queue_report import QueueReport, films_called, next_of_schedules, read_report
from flows.shown.names import MOVED_UP
from wan_render.errors import MachineError, Problem
from wan_render.printable import drawn_on, printable
from wan_render.store.disk import user_name

WATCH_SECONDS = 2.0
"""How often `--watch` asks the server."""


def run(arguments: argparse.Namespace) -> int:
    """Print the queue, or cancel a film of it."""
    if arguments.action == "cancel":
        with farm_client() as client:
            _cancel(client, arguments.film)
    elif arguments.action == "first":
        with farm_client() as client:
            _move_up(client, arguments.film)
    elif arguments.watch:
        _watch()
    else:
        report = _report()
        print_report(report.lines(), report.as_json() if arguments.json else None)
    return 0


def _report() -> QueueReport:
    with farm_client() as client:
        return read_report(client)


def _watch() -> None:
    """Until the queue is empty. A terminal shows it in place; elsewhere it is printed whenever it has changed."""
    if sys.stdout.isatty():
        _watch_in_place()
        return
    last: list[str] = []
    while True:
        report = _report()
        if (lines := list(report.lines())) != last:
            print("\n".join(lines), flush=True)
            last = lines
        if not report.queue:
            return
        time.sleep(WATCH_SECONDS)


def _watch_in_place() -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(file=drawn_on(sys.stdout)), auto_refresh=False) as live:
        while True:
            try:
                report = _report()
            except MachineError as error:
                live.update(Text(printable(str(error))), refresh=True)  # a farm that restarts is back soon
            else:
                live.update(Text(printable("\n".join(report.lines()))), refresh=True)
                if not report.queue:
                    return
            time.sleep(WATCH_SECONDS)


def _move_up(client: SyncPrefectClient, name: str) -> None:
    """A film that waits becomes the first that waits. In a night it gets the next device that becomes free."""
    queue = read_queue(client)
    films = [film for film in queue if film.slug == name and not film.is_batch]
    waiting = [film for film in films if film.standing in (Standing.WAITING, Standing.LATER)]
    night = next((film for film in queue if film.is_batch and film.standing is Standing.RUNNING), None)
    if not films and night is None:
        films_called(name, queue)  # raises what to say
    if waiting:
        others = [film.due for film in queue if film.standing is Standing.WAITING]
        due = min((*others, datetime.now(UTC))) - timedelta(milliseconds=1)
        client.set_flow_run_state(waiting[0].run, Scheduled(scheduled_time=due, message="moved up"), force=True)
        print(f"{name}: is the next film of the queue")
    if night is not None:
        client.update_flow_run_labels(night.run, {MOVED_UP: name})
        print(f"{name}: gets the next device that becomes free, if the night {night.slug} renders it")
    elif not waiting:
        print(f"{name}: is being made already")


def _cancel(client: SyncPrefectClient, name: str) -> None:
    """A film that waits is taken out; if none of its runs waits, what runs is stopped."""
    films = films_called(name, next_of_schedules(read_queue(client)))
    held = [film for film in films if film.standing in HOLDING]
    waiting = [film for film in films if film not in held]
    for film in waiting or held:
        _cancel_run(client, film)
    if waiting:
        print(f"{name}: taken out of the queue")
        if held:
            print(f"{name} is also being made, and goes on; the same command again stops it")
    else:
        print(f"{name}: is being stopped; its devices are free within seconds, and finished takes are kept")


def _cancel_run(client: SyncPrefectClient, film: QueuedFilm) -> None:
    """Raises MachineError if the server refuses."""
    if film.standing is Standing.STOPPING:
        return
    answer: OrchestrationResult[None] = client.set_flow_run_state(
        film.run, Cancelling(message=f"cancelled by {user_name(os.geteuid())}")
    )
    state = answer.state
    if state is None or not (state.is_cancelling() or state.is_cancelled()):
        why = getattr(answer.details, "reason", None) or answer.status.value
        raise MachineError(Problem(film.slug, f"was not cancelled: {why}", remedy="wan-render queue shows its state"))
