"""What the farm does with a request as soon as it is there: it gets its film's name, or its mistakes. The storyboards
of a scheduled night are checked all evening, as often as they change.

A run that `prefect deployment run` made is called by two random words until it starts, and its storyboard is read only
then, perhaps behind an eight-hour film. So each waiting run is checked in a process of its own, one after the other.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import LogCreate
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.events import Event, Resource
from prefect.states import Failed

from flows.deployments.announcing import BROKEN
from flows.deployments.requested import Checked, batch_files, batch_paths
from flows.farm_queue.film_queue import QueuedFilm, Standing
from flows.shown.names import NAMED

EVENING = timedelta(hours=12)
"""A scheduled night is checked from this long before its start."""

EVENING_SECONDS = 30.0
"""How often its folder is looked at."""

LONGEST_SECONDS = 120.0
"""A check that takes longer is given up; the run says itself what is wrong, when it starts."""


class Intake:
    """Names and checks runs that wait. `folder`: where their relative paths start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[UUID] = set()
        self._evenings: dict[UUID, _Evening] = {}
        self._check: _Check | None = None

    def look(self, client: SyncPrefectClient, queue: Sequence[QueuedFilm]) -> None:
        """Take up the next check, or pass on what the last one found. Never waits for one."""
        waiting = {film.run for film in queue}
        self._seen &= waiting
        self._evenings = {run: evening for run, evening in self._evenings.items() if run in waiting}
        if self._check is not None and (checked := self._check.ended()) is not None:
            film, self._check = self._check.film, None
            if (evening := self._evenings.get(film.run)) is not None:
                evening.tell(client, film, checked.mistakes or checked.broken)
            else:
                _tell(client, film, checked)
        if self._check is None:
            self._begin(queue)

    def stop(self) -> None:
        """End the check that runs."""
        if self._check is not None:
            self._check.stop()

    def _begin(self, queue: Iterable[QueuedFilm]) -> None:
        film = next((film for film in queue if self._has_to_be_checked(film)), None)
        if film is not None:
            self._seen.add(film.run)
            self._check = _Check(film, self._folder)

    def _has_to_be_checked(self, film: QueuedFilm) -> bool:
        if _is_tonight(film):
            return self._evenings.setdefault(film.run, _Evening()).has_news(film, self._folder)
        return film.run not in self._seen and _may_be_checked(film)


class _Evening:
    """A scheduled night before it starts. Its storyboards are still being written, so each change is read."""

    def __init__(self) -> None:
        self._files: tuple[tuple[str, int, int], ...] | None = None
        self._broken = ""
        self._looked = -EVENING_SECONDS

    def has_news(self, film: QueuedFilm, folder: Path) -> bool:
        """Whether its storyboards have changed since they were read."""
        if time.monotonic() - self._looked < EVENING_SECONDS:
            return False
        self._looked = time.monotonic()
        paths = [folder / path for path in batch_paths(film.parameters.get("folder"))]
        files = tuple(_state(file) for file in batch_files(paths))
        is_new = files != self._files
        self._files = files
        return is_new

    def tell(self, client: SyncPrefectClient, film: QueuedFilm, broken: str) -> None:
        """Say what is broken, unless it has been said."""
        if broken and broken != self._broken:
            _warn(client, film, broken)
        self._broken = broken


class _Check:
    """One request that is being read by a process."""

    def __init__(self, film: QueuedFilm, folder: Path) -> None:
        self.film = film
        self._until = time.monotonic() + LONGEST_SECONDS
        with TemporaryFile() as question:
            question.write(json.dumps({"is_batch": film.is_batch, "parameters": dict(film.parameters)}).encode())
            question.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.deployments.requested"],
                cwd=folder,
                stdin=question,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C reaches the farm alone
            )

    def ended(self) -> Checked | None:
        """What was found; None while it is being read. A check that failed found nothing."""
        if self._process.poll() is None and time.monotonic() < self._until:
            return None
        answer = self.stop()
        return Checked(**json.loads(answer)) if self._process.returncode == 0 else Checked("", "")

    def stop(self) -> bytes:
        """End it; what it has answered."""
        self._process.kill()
        return self._process.communicate()[0]


def _may_be_checked(film: QueuedFilm) -> bool:
    """Not a schedule's next night: its storyboards are still being written."""
    return film.standing is Standing.WAITING or (film.standing is Standing.LATER and not film.is_scheduled)


def _is_tonight(film: QueuedFilm) -> bool:
    is_later = film.is_batch and film.is_scheduled and film.standing is Standing.LATER
    return is_later and film.due - datetime.now(UTC) < EVENING


def _state(file: Path) -> tuple[str, int, int]:
    try:
        state = file.stat()
    except OSError:
        return str(file), 0, 0
    return str(file), state.st_mtime_ns, state.st_size


def _warn(client: SyncPrefectClient, film: QueuedFilm, broken: str) -> None:
    """The others are made: it is said on the run's page, and to automations."""
    text = f"storyboards with mistakes; the others are made:\n{broken}"
    client.create_logs([_record(film.run, logging.WARNING, text)])
    resource = {"prefect.resource.id": f"prefect.flow-run.{film.run}", "prefect.resource.name": film.slug}
    event = Event(event=BROKEN, resource=Resource(resource), payload={"message": broken})
    client.request("POST", "/events", json=[event.model_dump(mode="json")])


def _tell(client: SyncPrefectClient, film: QueuedFilm, checked: Checked) -> None:
    if checked.slug:
        client.update_flow_run(film.run, name=checked.slug)
        client.update_flow_run_labels(film.run, {NAMED: checked.slug})
    if checked.broken:
        _warn(client, film, checked.broken)
    if not checked.mistakes:
        return
    state = client.read_flow_run(film.run).state
    if state is None or state.type is not StateType.SCHEDULED:
        return  # it has started, and says so itself
    client.set_flow_run_state(film.run, Failed(message=checked.mistakes))
    client.create_logs([_record(film.run, logging.ERROR, checked.mistakes)])


def _record(run: UUID, level: int, text: str) -> LogCreate:
    record = {"name": "prefect.flow_runs", "level": level, "message": text, "flow_run_id": run}
    return LogCreate.model_validate({**record, "timestamp": datetime.now(UTC)})
