"""A defect in a run of the farm: the run fails with a sentence, its log has the traceback, and neither has a key."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogWorker
from prefect.runtime import flow_run

from flows.runs.conclusion import concluded
from tests.prefect_server import PrefectServer
from wan_render.known_secrets import remember_secret

pytestmark = pytest.mark.prefect

KEY = "sk-of-a-run-0123456789"


@pytest.fixture(scope="module", autouse=True)
def server(prefect_server: PrefectServer) -> Iterator[None]:
    with prefect_server.runs_flows():
        yield


def test_a_defect_in_a_run_shows_no_key() -> None:
    remember_secret(KEY)
    runs: list[UUID] = []

    def broken() -> State[None]:
        runs.append(UUID(str(flow_run.id)))
        raise RuntimeError({"authorization": f"Bearer {KEY}"})

    state = flow(name="film")(lambda: concluded(broken))(return_state=True)
    APILogWorker.instance().drain_all()
    with get_client(sync_client=True) as client:
        kept = client.read_flow_run(runs[0]).state
        log = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=runs)))
    assert state.is_failed()
    assert kept is not None
    assert kept.message == "a defect: RuntimeError: {'authorization': 'Bearer ***'}"
    text = "\n".join(each.message for each in log)
    assert "Traceback" in text
    assert "'Bearer ***'" in text
    assert KEY not in text
