"""deploy/: what the units and containers run is a command line that exists, and their stop drains."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.farm_home.farm_lock import FarmPart
from tests.flows.project import PROJECT
from wan_render.cli.arguments import parser

DEPLOY = PROJECT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def action(words: list[str]) -> tuple[str, tuple[FarmPart, ...]]:
    """What a command of the units or containers does, and to which part."""
    program, *typed = words
    assert program.rpartition("/")[2] == "wan-render"
    asked = parser(typed).parse_args(typed)
    return str(asked.action), tuple(asked.parts)


@pytest.mark.parametrize("file", UNITS, ids=lambda file: str(file.stem))
def test_a_unit_runs_its_part_and_the_workers_stop_drains(file: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(file)
    part = FarmPart(file.stem.removeprefix("wan-render-"))
    assert action(shlex.split(unit["Service"]["ExecStart"])) == ("up", (part,))
    if part is FarmPart.WORKER:
        assert action(shlex.split(unit["Service"]["ExecStop"])) == ("stop", (part,))


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    assert len(UNITS) == 2
    for file in UNITS:
        here = re.sub(r"/srv/wan-render/.venv/bin/\S+", "/bin/true", file.read_text(encoding="utf-8"))
        (tmp_path / file.name).write_text(here.replace("User=wan-render", "User=root"), encoding="utf-8")
    files = [str(tmp_path / file.name) for file in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True)  # noqa: S607
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return found


def test_the_containers_run_the_parts_and_the_worker_drains_first(services: dict[str, Any]) -> None:
    assert action(services["server"]["command"]) == ("up", (FarmPart.SERVER,))
    assert action(services["worker"]["command"]) == ("up", (FarmPart.WORKER,))
    (drain,) = (each["command"] for each in services["worker"]["pre_stop"])
    *shell, typed = drain
    assert (shell, typed.rpartition(" || ")[2]) == (["sh", "-c"], "true")
    assert action(typed.rpartition(" || ")[0].split()) == ("drain", (FarmPart.WORKER,))
    assert services["server"]["ports"] == ["127.0.0.1:4200:4200"], "nobody else reaches it"
    targets = re.findall(r"^FROM \S+ AS (\S+)$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {services[name]["build"]["target"] for name in ("server", "worker")} < set(targets)


def test_the_image_has_all_that_it_copies() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[2:-1]]
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert set(copied) == allowed
    assert all((PROJECT / name).exists() for name in copied)
    for line in lines:
        if line.startswith("CMD"):
            assert action(json.loads(line.removeprefix("CMD ")))[0] == "up"
