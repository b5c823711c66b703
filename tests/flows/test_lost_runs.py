"""When the farm calls a run dead, and when it doesn't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.farm_home.run_lock import hold
from flows.runs.cancel_watch import CancelWatch
from flows.shown.names import NIGHT_ENDS, NIGHT_UNTIL, WORKER_LABEL
from flows.upkeep.lost_runs import SECONDS, STARTING_SECONDS, LostRuns
from flows.upkeep.silent_runs import LONGEST_LOOK_SECONDS, SILENT_SECONDS, SilentRuns
from tests.flows.conftest import Farm, until

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

Begin = Callable[..., FlowRun]


class Clock:
    """It goes as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client(farm: Farm) -> Iterator[SyncPrefectClient]:
    with farm.client() as client:
        yield client


@pytest.fixture
def begin(farm: Farm, client: SyncPrefectClient) -> Iterator[Begin]:
    """`begin("RUNNING", worker="here")`: a run of no deployment, so the farm itself doesn't look after it. It is ended
    after the test: other tests look for strangers' runs."""
    flow, begun = farm.ask("GET", "/deployments/name/film/now")["flow_id"], list[str]()

    def begin(kind: str, worker: str = "here") -> FlowRun:
        run = farm.ask("POST", "/flow_runs/", flow_id=flow, state={"type": kind}, labels={WORKER_LABEL: worker})
        begun.append(run["id"])
        return client.read_flow_run(run["id"])

    yield begin
    for run in begun:
        farm.ask("POST", f"/flow_runs/{run}/set_state", state={"type": "CANCELLED"}, force=True)


def test_a_process_that_lives_is_never_called_dead_however_slow_it_is(
    client: SyncPrefectClient, begin: Begin, tmp_path: Path
) -> None:
    clock, since = Clock(), datetime.now(UTC)
    lost = LostRuns(tmp_path, "here", clock)
    slow, dead, elsewhere = begin("RUNNING"), begin("RUNNING"), begin("RUNNING", "another machine")
    assert hold(tmp_path, str(slow.id))
    runs = [slow, dead, elsewhere]
    assert list(lost.end(client, runs, since)) == []
    clock.now += 3600
    assert [line.partition(":")[0] for line in lost.end(client, runs, since)] == [dead.name]
    states = [client.read_flow_run(run.id).state for run in runs]
    assert [state and state.name for state in states] == ["Running", "Scheduled", "Running"]


def test_a_run_whose_process_is_gone_waits_again_once_and_a_night_keeps_its_end(
    farm: Farm, client: SyncPrefectClient, begin: Begin, tmp_path: Path
) -> None:
    """The rule for silent machines is the same, so it does not matter who notices first."""
    lost, run, ends = LostRuns(tmp_path, "here"), begin("RUNNING"), "2026-11-28T07:00:00+01:00"
    client.update_flow_run_labels(run.id, {NIGHT_ENDS: ends})
    (said,) = lost.end_all(client, [client.read_flow_run(run.id)])
    assert (
        said == f"{run.name}: waits again: its process is gone: the farm was killed; only what is missing is rendered"
    )
    waiting = client.read_flow_run(run.id)
    assert waiting.state is not None
    assert waiting.state.is_scheduled()
    assert waiting.labels[NIGHT_UNTIL] == ends
    farm.ask("POST", f"/flow_runs/{run.id}/set_state", state={"type": "RUNNING"}, force=True)
    (said,) = lost.end_all(client, [client.read_flow_run(run.id)])
    assert "is called crashed; its process is gone: the farm was killed, for the second time" in said
    assert farm.state(str(run.id))["name"] == "Crashed"


def test_a_slow_worker_gets_time_to_start_a_process_and_a_dead_one_little(
    client: SyncPrefectClient, begin: Begin, tmp_path: Path
) -> None:
    clock, run = Clock(), begin("PENDING")
    assert run.state is not None
    lives, died = run.state.timestamp - timedelta(seconds=1), run.state.timestamp + timedelta(seconds=1)
    for since, patience in ((lives, STARTING_SECONDS), (died, SECONDS[run.state.type])):
        lost = LostRuns(tmp_path, "here", clock)
        assert list(lost.end(client, [run], since)) == []
        clock.now += patience - 1
        assert list(lost.end(client, [run], since)) == []
    clock.now += 1
    (said,) = lost.end(client, [run], died)
    assert "waits again" in said
    state = client.read_flow_run(run.id).state
    assert state is not None
    assert state.is_scheduled()


def test_a_silent_run_of_another_machine_waits_again_once_and_is_then_dead(
    farm: Farm, client: SyncPrefectClient, begin: Begin
) -> None:
    clock = Clock()
    silent = SilentRuns("here", clock)
    ours, theirs = begin("RUNNING"), begin("RUNNING", "another machine")

    def listen(seconds: float) -> list[str]:
        said: list[str] = []
        for _ in range(round(seconds / LONGEST_LOOK_SECONDS)):
            clock.now += LONGEST_LOOK_SECONDS
            said += silent.end(client, [ours, theirs])
        return said

    begun = f"prefect.flow-run.{theirs.id}"
    until(10, lambda: _events(farm, begun) == 1)
    assert list(silent.end(client, [ours, theirs])) == []
    clock.now += 3600  # the machine was asleep
    assert listen(SILENT_SECONDS - 2 * LONGEST_LOOK_SECONDS) == []
    farm.ask("POST", f"/flow_runs/{theirs.id}/set_state", state={"type": "RUNNING"}, force=True)  # a sign of life
    until(10, lambda: _events(farm, begun) == 2)
    assert listen(SILENT_SECONDS) == []
    (said,) = listen(LONGEST_LOOK_SECONDS)
    assert said.startswith(
        f"{theirs.name}: waits again: nothing was heard of it for 120 s, from its worker another machine"
    )
    assert farm.state(str(theirs.id))["name"] == "Scheduled"
    farm.ask("POST", f"/flow_runs/{theirs.id}/set_state", state={"type": "RUNNING"}, force=True)  # another took it
    theirs = client.read_flow_run(theirs.id)
    said = " ".join(listen(2 * SILENT_SECONDS))
    assert "is called crashed; nothing was heard of it for 120 s" in said
    assert farm.state(str(theirs.id))["name"] == "Crashed"
    assert farm.state(str(ours.id))["name"] == "Running"


def test_a_signal_means_a_cancel_if_the_server_says_so(farm: Farm, begin: Begin) -> None:
    """Whatever the worker has said; and of a batch's film, if the batch was cancelled."""
    night, other = begin("RUNNING"), begin("RUNNING")
    call = farm.ask("POST", "/task_runs/", flow_run_id=str(night.id), task_key="film", dynamic_key="0")
    called = farm.ask("POST", "/flow_runs/", flow_id=str(night.flow_id), parent_task_run_id=call["id"])
    settings = {PREFECT_API_URL: farm.environment["PREFECT_API_URL"], PREFECT_API_AUTH_STRING: farm.password}
    with temporary_settings(settings):
        film = CancelWatch(called["id"])
        assert not film.cancelled
        farm.ask("POST", f"/flow_runs/{night.id}/set_state", state={"type": "CANCELLING"}, force=True)
        assert film.cancelled
        assert not CancelWatch(other.id).cancelled


def _events(farm: Farm, resource: str) -> int:
    found = farm.ask("POST", "/events/filter", filter={"resource": {"id": [resource]}})
    return len(found["events"])
