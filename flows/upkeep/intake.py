"""What the farm does with a request as soon as it is there: it gets its film's name, or its mistakes.

A run that `prefect deployment run` made is called by two random words until it starts, and its storyboard is read only
then, perhaps behind an eight-hour film. So each waiting run is checked in a process of its own, one after the other.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import LogCreate
from prefect.client.schemas.objects import StateType
from prefect.states import Failed

from flows.deployments.requested import Checked
from flows.farm_queue.film_queue import QueuedFilm, Standing
from flows.shown.names import NAMED

LONGEST_SECONDS = 120.0
"""A check that takes longer is given up; the run says itself what is wrong, when it starts."""


class Intake:
    """Names and checks runs that wait. `folder`: where their relative paths start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[UUID] = set()
        self._check: _Check | None = None

    def look(self, client: SyncPrefectClient, queue: Iterable[QueuedFilm]) -> None:
        """Take up the next check, or pass on what the last one found. Never waits for one."""
        if self._check is not None and (checked := self._check.ended()) is not None:
            _tell(client, self._check.film, checked)
            self._check = None
        if self._check is None:
            self._begin(queue)

    def stop(self) -> None:
        """End the check that runs."""
        if self._check is not None:
            self._check.stop()

    def _begin(self, queue: Iterable[QueuedFilm]) -> None:
        film = next((film for film in queue if film.run not in self._seen and _may_be_checked(film)), None)
        if film is not None:
            self._seen.add(film.run)
            self._check = _Check(film, self._folder)


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


def _tell(client: SyncPrefectClient, film: QueuedFilm, checked: Checked) -> None:
    if checked.slug:
        client.update_flow_run(film.run, name=checked.slug)
        client.update_flow_run_labels(film.run, {NAMED: checked.slug})
    if not checked.mistakes:
        return
    state = client.read_flow_run(film.run).state
    if state is None or state.type is not StateType.SCHEDULED:
        return  # it has started, and says so itself
    client.set_flow_run_state(film.run, Failed(message=checked.mistakes))
    client.create_logs([_error(film.run, checked.mistakes)])


def _error(run: UUID, text: str) -> LogCreate:
    record = {"name": "prefect.flow_runs", "level": logging.ERROR, "message": text, "flow_run_id": run}
    return LogCreate.model_validate({**record, "timestamp": datetime.now(UTC)})
