"""What a farm does for its queue while it runs: it checks new requests, and ends runs whose process is gone."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectException

from flows.farm_home.farm_lock import FarmPart
from flows.farm_home.run_lock import remove_free
from flows.farm_queue.film_queue import deployment_names, in_order, open_runs
from flows.upkeep.intake import Intake
from flows.upkeep.lost_runs import LostRuns
from flows.upkeep.silent_runs import SilentRuns

SECONDS = 2.0
"""How often it looks."""


class Caretaker:
    """Looks after the queue of one server. `worker`: the name of this machine's worker; "" if it has none. `parts`:
    what runs here; where the server is, requests are checked, and workers elsewhere are listened to."""

    def __init__(
        self, client: SyncPrefectClient, project: Path, home: Path, worker: str, parts: Collection[FarmPart]
    ) -> None:
        self._client, self._home = client, home
        self._has_server = FarmPart.SERVER in parts
        self._intake, self._silent = Intake(project), SilentRuns(worker)
        self._lost = LostRuns(home, worker, adopts=self._has_server)
        self._deployments: dict[UUID, str] = {}
        self._looked = 0.0

    def begin(self) -> tuple[str, ...]:
        """Take over what an earlier farm left behind, before the worker starts; in sentences."""
        self._deployments = deployment_names(self._client)
        ended = tuple(self._lost.end_all(self._client, open_runs(self._client, self._deployments)))
        remove_free(self._home)
        return ended

    def look(self, worker_since: datetime) -> Iterator[str]:
        """Look, if it is time; what was done, in sentences. A server that is away is asked again next time.
        worker_since: when the worker was started."""
        if time.monotonic() - self._looked < SECONDS:
            return
        self._looked = time.monotonic()
        try:
            runs = open_runs(self._client, self._deployments)
            yield from self._lost.end(self._client, runs, worker_since)
            if not self._has_server:
                return
            yield from self._silent.end(self._client, runs)
            self._intake.look(self._client, in_order(runs, self._deployments, datetime.now(UTC)))
        except (httpx.HTTPError, PrefectException):
            return

    def stop(self) -> None:
        """End the check that runs."""
        self._intake.stop()
