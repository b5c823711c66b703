"""A broken storyboard of a scheduled night is reported in the evening."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import LogCreate

from flows.deployments.requested import check_batch
from flows.farm_queue.film_queue import QueuedFilm, Standing
from flows.upkeep import intake
from flows.upkeep.intake import Intake
from tests.cli.conftest import write_harbour


class Client:
    """What the farm says to its server."""

    def __init__(self) -> None:
        self.logs: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.names: dict[UUID, str] = {}

    def create_logs(self, logs: list[LogCreate]) -> None:
        self.logs += [log.message for log in logs]

    def request(self, _method: str, path: str, json: list[dict[str, Any]]) -> None:
        assert path == "/events"
        self.events += json

    def update_flow_run(self, run: UUID, name: str) -> None:
        self.names[run] = name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of storyboards: a good one, and one with a mistake."""
    good = write_harbour(tmp_path)
    (good.parent / "broken.yaml").write_text("version: 1\nfilm: {title: Broken}\nshots: [{duratoin: 1s}]\n")
    return good.parent


def night(folder: Path, due: timedelta) -> QueuedFilm:
    now = datetime.now(UTC)
    parameters = {"folder": str(folder), "backend": "animatic"}
    return QueuedFilm(
        run=uuid4(),
        slug="film",
        is_batch=True,
        standing=Standing.LATER,
        requested=now,
        due=now + due,
        started=None,
        requested_by="",
        is_scheduled=True,
        expected_seconds=None,
        parameters=parameters,
    )


def test_what_is_wrong_with_one_storyboard_is_no_mistake_of_the_batch(folder: Path) -> None:
    checked = check_batch({"folder": str(folder), "backend": "animatic"})
    assert checked.mistakes == ""
    assert "broken.yaml:3:10: shots[0].duratoin: unknown key; did you mean 'duration'?" in checked.broken
    assert "harbour" not in checked.broken


def test_a_broken_storyboard_is_reported_in_the_evening_and_again_when_it_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(intake, "EVENING_SECONDS", 0.0)
    monkeypatch.setenv("WAN_RENDER_OUTPUTS", str(tmp_path / "outputs"))
    client, queue = Client(), [night(folder, timedelta(hours=4)), night(folder, timedelta(hours=28))]
    checks = Intake(Path.cwd())

    def looked(until: int) -> None:
        deadline = time.monotonic() + 60
        while len(client.logs) < until and time.monotonic() < deadline:
            checks.look(cast("SyncPrefectClient", client), queue)
            time.sleep(0.05)

    looked(until=1)
    assert "duratoin: unknown key" in client.logs[0]
    assert "duratoin: unknown key" in client.events[0]["payload"]["message"]
    assert client.events[0]["resource"]["prefect.resource.id"] == f"prefect.flow-run.{queue[0].run}"
    broken = folder / "broken.yaml"
    broken.write_text(broken.read_text().replace("duratoin", "lenght"))
    os.utime(broken, (time.time() + 5, time.time() + 5))
    looked(until=2)
    assert "lenght: unknown key" in client.logs[1]
    assert client.names == {}, "a schedule's run keeps its name"
    checks.stop()
