"""`python -m flows.farm`: what it deploys, and what it refuses to start on."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.deployments.deploying import deploy, schedules_on, settle, turn_on
from flows.deployments.silence_rule import RULE_SECONDS, SILENT_RUNS, watch_for_silence
from flows.farm import backend_to_deploy
from tests.flows.conftest import PROJECT, Farm, environment
from tests.ports import free_port
from wan_render.errors import UsageError


@pytest.mark.prefect
@pytest.mark.slow
def test_deployments_make_previews_and_the_night_is_off(farm: Farm) -> None:
    for name in ("film/now", "batch/overnight"):
        deployment = farm.ask("GET", f"/deployments/name/{name}")
        assert deployment["parameters"]["backend"] == "animatic"
        assert deployment["job_variables"] == {}
        assert deployment["global_concurrency_limit"] is None
    (schedule,) = farm.ask("GET", "/deployments/name/batch/overnight")["schedules"]
    assert schedule["active"] is False
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("0 22 * * *", "Asia/Shanghai")
    parameters = farm.ask("GET", "/deployments/name/batch/overnight")["parameters"]
    assert (parameters["until"], parameters["timezone"]) == ("07:00", "Asia/Shanghai"), "it ends by its own clock"
    assert farm.ask("GET", "/work_pools/wan-render")["concurrency_limit"] == 1
    assert f"schedules are in the time zone Asia/Shanghai ({farm.home}/farm/zone)" in farm.said
    off = re.search("batch/overnight is off; turned on, it would start on ... (.{16})", farm.said)
    assert off is not None
    starts = datetime.fromisoformat(off[1]).astimezone(ZoneInfo("Asia/Shanghai"))  # it is by this machine's clock
    assert starts.strftime("%H:%M") == "22:00"


@pytest.mark.prefect
@pytest.mark.slow
def test_a_schedule_that_was_turned_on_stays_on_when_all_is_deployed_again(farm: Farm) -> None:
    with (
        temporary_settings(
            {PREFECT_API_URL: farm.environment["PREFECT_API_URL"], PREFECT_API_AUTH_STRING: farm.password}
        ),
        get_client(sync_client=True) as client,
    ):
        assert schedules_on(client) == frozenset()
        deployment = client.read_deployment_by_name("batch/overnight")
        (night,) = deployment.schedules
        client.update_deployment_schedule(deployment.id, night.id, active=True)
        on = schedules_on(client)
        deploy(farm.environment)
        assert schedules_on(client) == frozenset()
        turn_on(client, on)
        assert schedules_on(client) == {night.id}
        client.update_deployment_schedule(deployment.id, night.id, active=False)
        settle(client, "animatic")


@pytest.mark.prefect
@pytest.mark.slow
def test_only_a_server_without_a_farm_judges_runs_by_their_heartbeats(farm: Farm) -> None:
    def rules() -> list[tuple[str, float]]:
        found = farm.ask("POST", "/automations/filter")
        return [(rule["id"], rule["trigger"]["within"]) for rule in found if rule["name"] == SILENT_RUNS]

    assert rules() == []
    with farm.client() as client:
        watch_for_silence(client, is_wanted=True)
        (rule,) = rules()
        assert rule[1] == RULE_SECONDS
        watch_for_silence(client, is_wanted=True)
        assert rules() == [rule], "it goes on counting"
        watch_for_silence(client, is_wanted=False)
    assert rules() == []


@pytest.mark.prefect
@pytest.mark.slow
def test_it_says_what_to_type_and_that_films_are_previews(farm: Farm) -> None:
    assert "films are made with: animatic (BACKEND)" in farm.said
    assert f"export PREFECT_API_URL={farm.environment['PREFECT_API_URL']}" in farm.said


@pytest.mark.prefect
@pytest.mark.slow
def test_a_second_farm_in_the_same_home_is_refused(farm: Farm) -> None:
    done = _start(farm.environment)
    assert done.returncode == 3
    assert "a farm runs here already" in done.stderr
    assert str(farm.process.pid) in done.stderr


@pytest.mark.prefect
def test_a_port_that_another_program_has_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        done = _start(environment(tmp_path, port))
    assert done.returncode == 3
    assert f"port {port}: another program listens there already" in done.stderr
    assert f"export PREFECT_API_URL=http://127.0.0.1:{port + 1}/api" in done.stderr


@pytest.mark.prefect
def test_a_server_elsewhere_is_not_started(tmp_path: Path) -> None:
    done = _start({**environment(tmp_path, 1), "PREFECT_API_URL": "https://prefect.example.org/api"})
    assert done.returncode == 2
    assert "https://prefect.example.org/api, which is not on this machine" in done.stderr


def test_it_starts_in_its_own_folder_only(tmp_path: Path) -> None:
    done = _start(environment(tmp_path, 1), tmp_path)
    assert done.returncode == 2
    assert "has no prefect.yaml" in done.stderr


def test_an_unknown_backend_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = _start({**environment(tmp_path, 1), "BACKEND": "vhs"})
    assert done.returncode == 2
    assert "no backend is called 'vhs'; allowed: animatic, comfyui, dashscope, wan" in done.stderr


def test_wrong_settings_of_the_machine_are_refused_before_anything_starts(tmp_path: Path) -> None:
    done = _start({**environment(tmp_path, 1), "WAN_RENDER_GROUPS": "al", "WAN_RENDER_ZOOM": "2"})
    assert done.returncode == 2
    assert [line.partition(";")[0] for line in done.stderr.splitlines()] == [
        "WAN_RENDER_ZOOM: unknown setting",
        "WAN_RENDER_GROUPS: invalid value 'al'",
    ]
    assert not (tmp_path / "farm").exists()


def test_where_torch_is_missing_previews_are_deployed_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wan_render.diagnosis.version", _version_without_torch)
    backend, sentence = backend_to_deploy("")
    assert backend == "animatic"
    assert "extra 'wan': without torch\n" in sentence
    assert backend_to_deploy("wan")[0] == "wan"
    assert backend_to_deploy("", "animatic") == (None, "films are made with: animatic (WAN_RENDER_BACKEND)")


def _version_without_torch(package: str) -> str:
    if package == "torch":
        raise PackageNotFoundError(package)
    return "1.0"


def test_where_all_is_installed_films_use_their_own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wan_render.diagnosis.version", lambda _package: "1.0")
    assert backend_to_deploy("")[0] is None
    assert backend_to_deploy("animatic")[0] == "animatic"
    with pytest.raises(UsageError):
        backend_to_deploy("vhs")


def _start(variables: dict[str, str], folder: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.farm"],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
