"""Workers of several machines on one work pool."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate

from flows.deployments import joining
from flows.deployments.deploying import AT_A_TIME
from flows.farm_queue import film_queue
from tests.flows.conftest import Farm
from tests.ports import free_port
from wan_render.errors import MachineError

pytestmark = pytest.mark.prefect

ANOTHER_POOL = "several machines"


@pytest.fixture
def client(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncPrefectClient]:
    """A client with a work pool of its own: the one of all tests has one machine."""
    monkeypatch.setattr(joining, "POOL", ANOTHER_POOL)
    with farm.client() as client:
        client.create_work_pool(WorkPoolCreate(name=ANOTHER_POOL, type="process", concurrency_limit=AT_A_TIME))
        yield client
    farm.ask("DELETE", f"/work_pools/{ANOTHER_POOL}")


def test_a_worker_is_counted_before_its_process_runs(client: SyncPrefectClient) -> None:
    """Two machines that start together each make a film: neither waits for the other's worker to come up."""
    assert joining.admit(client, "first") == ()
    assert joining.admit(client, "second") == ("2 films are made at a time now, one on each machine",)
    assert client.read_work_pool(ANOTHER_POOL).concurrency_limit == 2
    assert joining.admit(client, "second") == (), "a machine that starts again is no third one"
    assert client.read_work_pool(ANOTHER_POOL).concurrency_limit == 2


def test_a_server_that_is_no_farms_yet_is_said_to_be_none(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker may come while the server is told what a farm is."""
    monkeypatch.setattr(film_queue, "DEPLOYMENTS", ("film/later",))
    with (
        farm.client() as client,
        pytest.raises(MachineError, match="the farm: the server has no deployment film/later; start the farm first"),
    ):
        film_queue.deployment_names(client)


def test_a_server_that_goes_away_while_a_worker_joins_is_named() -> None:
    api = f"http://127.0.0.1:{free_port()}/api"
    with (
        SyncPrefectClient(api) as client,
        pytest.raises(MachineError, match=f"the farm: the server at {api} lets no worker join: "),
        joining.asking(api),
    ):
        joining.admit(client, "late")
