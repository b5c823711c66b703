"""How `flows` adds commands to the command line, and what they say where no farm is. No server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.commands.farm_client import farm_client
from tests.flows.films import write_film
from tests.flows.project import PROJECT
from wan_render.errors import MachineError

pytestmark = pytest.mark.prefect

WITHOUT_PREFECT = "import sys; sys.modules['prefect'] = None"


def python(code: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Code in a process that knows no farm but that of its variables."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "WAN_RENDER"))}
    path = os.pathsep.join(filter(None, (variables.pop("PYTHONPATH", ""), str(PROJECT), os.environ.get("PYTHONPATH"))))
    profiles = str(folder / "none" / "profiles.toml")
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**known, "PREFECT_PROFILES_PATH": profiles, **variables, "PYTHONPATH": path, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def typed(
    folder: Path, *arguments: str, first: str = "import sys", then: str = "", **variables: str
) -> tuple[int, str]:
    """The exit code of a command, and what it printed."""
    command = f"{first}\nfrom wan_render.cli import main\ncode = main({list(arguments)!r})\n{then}\nsys.exit(code)"
    done = python(command, folder, **variables)
    assert "a defect" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_they_are_listed_with_the_others_without_loading_prefect(tmp_path: Path) -> None:
    code, said = typed(tmp_path, "--help", first=f"{WITHOUT_PREFECT}; sys.modules['httpx'] = None")
    assert code == 0
    commands = [line.split()[0] for line in said.splitlines() if line.startswith("    ") and line[4] != " "]
    assert commands[-6:] == ["submit", "queue", "status", "approve", "reject", "farm"]


def test_other_commands_do_not_look_for_them(tmp_path: Path) -> None:
    file = str(write_film(tmp_path / "film"))
    look = "assert not {'flows', 'prefect'} & set(sys.modules), 'loaded'"
    code, said = typed(tmp_path, "check", file, then=look)
    assert (code, said.count("\n")) == (0, said.count("warning") + 1), said


def test_an_unknown_command_is_answered_with_all_of_them(tmp_path: Path) -> None:
    code, said = typed(tmp_path, "submitt")
    assert code == 2
    assert "invalid choice: 'submitt'" in said
    assert "submit" in said.partition("choose from")[2]


@pytest.mark.parametrize(
    "command", [("submit", "x.yaml"), ("queue",), ("status", "x"), ("approve", "x"), ("reject", "x")]
)
def test_without_the_farms_packages_they_say_what_to_install(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, said = typed(tmp_path, *command, first=WITHOUT_PREFECT)
    assert code == 3
    assert said.startswith(f"wan-render {command[0]}: needs the farm's packages; prefect not installed; ")
    assert said.endswith("-e '.[farm]'\n")


def test_where_no_farm_is_known_they_say_how_to_start_one(tmp_path: Path) -> None:
    good = str(write_film(tmp_path / "good"))
    commands = [["submit", good], ["queue"], ["status", "river"]]
    done = python(f"from wan_render.cli import main\nprint(*map(main, {commands!r}))", tmp_path)
    assert done.stdout == "3 3 3\n"
    said = done.stderr.splitlines()
    assert len(said) == len(commands)
    for line in said:
        assert line.startswith("the farm: is not known in this folder; start it in wan-render's folder, and leave it")
        assert "make farm" in line


def test_what_the_server_does_not_know_is_named() -> None:
    request = httpx.Request("GET", "http://farm.example/api/deployments/name/film/now")
    unknown = ObjectNotFound(httpx.HTTPStatusError("", request=request, response=httpx.Response(404, request=request)))
    with (
        temporary_settings({PREFECT_API_URL: "http://farm.example/api"}),
        pytest.raises(MachineError, match="doesn't know /api/deployments/name/film/now; wan-render farm up --deploy"),
        farm_client(),
    ):
        raise unknown


def test_nobody_is_told_that_prefect_is_used(tmp_path: Path) -> None:
    look = "from prefect._internal.analytics import is_telemetry_enabled; assert not is_telemetry_enabled()"
    code, said = typed(tmp_path, "queue", then=look)
    assert (code, said.startswith("the farm: is not known")) == (3, True), said


def test_mistakes_come_before_prefect_is_loaded(tmp_path: Path) -> None:
    file = write_film(tmp_path / "bad")
    file.write_text(file.read_text(encoding="utf-8").replace("duration", "duratoin"), encoding="utf-8")
    look = "assert 'prefect' not in sys.modules"
    assert typed(tmp_path, "submit", str(file), then=look) == (
        2,
        f"{file}:3:12: defaults.duratoin: unknown key; did you mean 'duration'?\n",
    )
    code, said = typed(tmp_path, "submit", "--at", "soon\x1b[31m", str(file), then=look)
    assert (code, said) == (2, "--at: invalid time 'soon\\u001b[31m'; hours and minutes of the day, as 22:00\n")


def test_another_package_can_add_a_command(tmp_path: Path) -> None:
    about = tmp_path / "extra-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[wan_render.commands]\nextra = extra_commands:add\n")
    (tmp_path / "extra_commands.py").write_text(
        "def add(commands):\n    commands.add_parser('dance').set_defaults(run=lambda arguments: print('la') or 7)\n"
    )
    assert typed(tmp_path, "dance", PYTHONPATH=str(tmp_path)) == (7, "la\n")
