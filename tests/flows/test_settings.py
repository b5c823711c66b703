"""prefect.yaml and prefect.toml: Prefect drops what it does not know without a word, so we ask."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.cli.deploy._models import DeploymentConfig, PrefectYamlModel, WorkPoolConfig
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.settings.base import PrefectBaseSettings
from prefect.settings.models.root import Settings
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessJobConfiguration
from pydantic import BaseModel

from flows.deployments.deploying import DEPLOYMENTS
from flows.deployments.pool import POOL, is_ours, job_template
from tests.flows.conftest import PROJECT, environment

pytestmark = pytest.mark.prefect

DEPLOYED: dict[str, Any] = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))


def test_every_key_of_prefect_yaml_is_known() -> None:
    _know(PrefectYamlModel, DEPLOYED)
    for deployment in DEPLOYED["deployments"]:
        _know(DeploymentConfig, deployment)
        _know(WorkPoolConfig, deployment["work_pool"])
        assert "concurrency_limit" not in deployment, "the work pool has the limit"
    PrefectYamlModel.model_validate(DEPLOYED)  # schedules refuse unknown keys by themselves


def test_every_parameter_of_prefect_yaml_is_one_of_its_flow() -> None:
    names = []
    for deployment in DEPLOYED["deployments"]:
        flow: Flow[..., Any] = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
        assert set(deployment["parameters"]) <= set(parameter_schema(flow).properties)
        assert deployment["work_pool"]["name"] == POOL
        names.append(f"{flow.name}/{deployment['name']}")
    assert tuple(names) == DEPLOYMENTS


def test_prefect_yaml_names_no_path_of_a_machine_and_fetches_nothing() -> None:
    assert DEPLOYED["pull"] == []
    text = (PROJECT / "prefect.yaml").read_text(encoding="utf-8")
    assert not [word for word in text.split() if word.strip("\"'").startswith(("/", "~", str(Path.home())))]


def test_nothing_of_how_a_run_starts_is_left_to_a_deployment_or_a_run() -> None:
    template, everything = job_template(PROJECT), dict.fromkeys(ProcessJobConfiguration.model_fields, "{{ evil }}")
    assert set(template["job_configuration"]) <= set(everything)
    told = {**everything, "env": {"PYTHONPATH": "/evil", "PREFECT_API_URL": "http://evil"}, "env.LD_PRELOAD": "/evil"}
    with ThreadPoolExecutor(1) as thread:  # an open browser of another test keeps a loop of its own in this one
        found = thread.submit(
            lambda: asyncio.run(ProcessJobConfiguration.from_template_and_values(template, told))
        ).result()
    command = f"{sys.executable} -m flows.film_process"
    assert found == ProcessJobConfiguration(command=command, working_dir=PROJECT, stream_output=False)
    assert "{{" not in json.dumps(template)


def test_a_pool_is_ours_by_its_command_in_any_folder_with_any_python() -> None:
    def of(command: str | None) -> dict[str, Any]:
        template = job_template(Path("/elsewhere"))
        configuration = {**template["job_configuration"], "command": command}
        return {
            **template,
            "job_configuration": {key: value for key, value in configuration.items() if value is not None},
        }

    assert is_ours(of("'/opt/a folder/python3.12' -m flows.film_process"))
    assert is_ours(of(None)), "an earlier version left the command to Prefect"
    for command in (
        "{{ command }}",
        "/bin/sh -m flows.film_process",
        "python -m flows.film_process",
        "/python -c x",
        "'",
    ):
        assert not is_ours(of(command))


def test_every_key_of_prefect_toml_is_a_setting() -> None:
    settings = tomllib.loads((PROJECT / "prefect.toml").read_text(encoding="utf-8"))
    assert sorted(_unknown(Settings, settings)) == []
    assert list(_unknown(Settings, {"server": {"analytics": True}})) == ["server.analytics"]


def test_the_server_imports_with_the_fastapi_that_is_pinned(tmp_path: Path) -> None:
    code = "from prefect.server.api.server import create_app; create_app(ephemeral=True)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=environment(tmp_path, 1), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_core_knows_no_prefect() -> None:
    code = "import sys, wan_render.cli, wan_render.farm; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT).returncode == 0


def _know(model: type[BaseModel], value: Mapping[str, Any]) -> None:
    known = {field.alias or name for name, field in model.model_fields.items()}
    assert set(value) <= known, f"{model.__name__}: {set(value) - known}"


def _unknown(model: type[PrefectBaseSettings], value: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for key, part in value.items():
        field = model.model_fields.get(key)
        if field is None:
            yield f"{place}{key}"
        elif isinstance(part, Mapping):
            assert isinstance(field.annotation, type)
            yield from _unknown(field.annotation, part, f"{place}{key}.")


def test_every_invalid_setting_of_prefect_is_named_before_anything_starts(tmp_path: Path) -> None:
    wrong = {
        "PREFECT_SERVER_API_PORT": "abc",
        "prefect_worker_prefetch_seconds": "often",
        "PREFECT_LOGGING_LEVEL": "loud",
        "PREFECT_API_REQUEST_TIMEOUT": "long",
    }
    for command in ("flows.farm", "wan_render.cli queue"):
        done = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=PROJECT,
            env={**environment(tmp_path, 1), **wrong},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        lines = done.stderr.splitlines()
        assert {line.partition(":")[0] for line in lines} == wrong.keys()
        assert all(
            re.fullmatch(r"\w+: invalid value '\w+'; Input should .*; correct or unset it", line) for line in lines
        )
    assert not (tmp_path / "farm").exists()


def test_a_settings_file_of_prefect_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "prefect.toml").write_text("port = = 4", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "wan_render.cli", "queue"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "prefect.toml: invalid TOML" in done.stderr
    (tmp_path / "prefect.toml").write_text('[server.api]\nport = "x"', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "wan_render.cli", "queue"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("PREFECT_SERVER_API_PORT (prefect.toml, or a profile): invalid value 'x'; ")
