"""Takes that fail their checks, in flows: a real Prefect server, a real farm, and a backend that makes bad takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.runtime import flow_run

from flows.farm_queue.run_progress import read_tasks
from flows.film import make
from flows.runs.night_tasks import NightTasks
from tests.night.films import Noted, request
from tests.prefect_server import PrefectServer
from tests.session.faulty_films import FaultyFilm
from wan_render.farm.farm_settings import FarmSettings
from wan_render.night.night_book import NightBook
from wan_render.night.night_folder import new_night_folder
from wan_render.night.night_record import NightRecord, NightState
from wan_render.night.night_request import Candidate
from wan_render.night.night_run import NightRun
from wan_render.take_fields import key_of

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

SHOTS = "shots: [{from: a, action: black1}, {from: b}]"
RETAKEN = {"1/010 take 1": "Completed", "1/010 take 2": "Completed", "1/020 take 1": "Completed"}


@pytest.fixture(scope="module", autouse=True)
def server(prefect_server: PrefectServer) -> Iterator[None]:
    with prefect_server.runs_flows():
        yield


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("WAN_RENDER_LOCKS", str(tmp_path / "locks"))
    (tmp_path / "locks").mkdir()
    assert FarmSettings().locks == tmp_path / "locks"


def test_a_film_s_flow_renders_a_failed_take_again_as_a_task_of_its_own(tmp_path: Path) -> None:
    session = FaultyFilm.made(tmp_path).session(SHOTS, retakes=1)
    ids: list[str] = []

    @flow(name="film")
    def film() -> Any:
        ids.append(str(flow_run.id))
        version = make(session, None)
        return version.takes

    shown: list[str] = list(film() or [])
    assert tasks_of(ids[0]) == {**RETAKEN, "film": "Completed"}
    remembered = session.store.memory.remembered(session.slug)
    assert shown[0] == key_of(remembered["1/010"][2]), "the film shows the retake"


def test_so_does_a_night_s_in_the_run_of_the_film(tmp_path: Path) -> None:
    session = FaultyFilm.made(tmp_path).session(SHOTS, retakes=1)
    candidate = Candidate(session.file, session, slug=session.slug)
    now, outputs = datetime.now(UTC), tmp_path / "outputs"
    asked = request(session.file, outputs=outputs)
    record = NightRecord(now, None, "UTC", NightState.RENDERING, now)
    book = NightBook(new_night_folder(outputs, now.date()), asked, record, ZoneInfo("UTC"))
    book.candidates([candidate])

    @flow(name="batch")
    def batch() -> None:
        NightRun(book, Noted(), outputs, attempting=NightTasks(lambda *_: None)).run([candidate])

    batch()
    (made,) = book.night.films
    assert ([shot.take for shot in made.shots], made.rendered) == ([2, 1], 3)
    with get_client(sync_client=True) as client:
        named = FlowRunFilter(name=FlowRunFilterName(any_=[session.slug]))
        (run,) = client.read_flow_runs(flow_run_filter=named)
    assert tasks_of(str(run.id)) == RETAKEN
    assert run.state is not None
    assert run.state.is_completed()


def tasks_of(run: str) -> dict[str, str]:
    """The tasks of a run, and the names of their states."""
    with get_client(sync_client=True) as client:
        return {task.name: str(task.state_name) for task in read_tasks(client, UUID(run))}
