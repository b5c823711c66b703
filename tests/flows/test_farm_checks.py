"""What `doctor` says of a farm, through the entry point by which `flows` registers it."""

from __future__ import annotations

import fcntl
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.farm_checks import findings
from flows.farm_home.home import LOCK, PASSWORD, PROFILES, close, hand_to_prefect, new_password
from tests.flows.conftest import Farm, environment
from tests.flows.project import PROJECT

pytestmark = pytest.mark.prefect

Said = dict[str, tuple[str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "farm"
    close(home)
    hand_to_prefect(home, new_password(home))
    monkeypatch.setenv("PREFECT_HOME", str(home))
    return home


@pytest.mark.slow
def test_a_closed_farm_is_all_right(farm: Farm) -> None:
    said = _doctor(farm.environment)
    assert set(said) == {"farm", "farm's password", "farm's server", "farm's work pool"}
    assert [remedy for _, remedy in said.values() if remedy] == []
    assert said["farm's server"][0].endswith(
        "refuses requests without the password, with a wrong password, under another name, to a page elsewhere"
    )
    assert farm.password not in str(said)


def test_where_no_farm_was_started_nothing_is_wrong(tmp_path: Path) -> None:
    assert _doctor(environment(tmp_path, 1)) == {"farm": ("no farm here yet; make farm makes one", "")}


def test_a_machine_that_has_a_worker_alone_has_the_password_of_a_server_elsewhere(home: Path) -> None:
    (home / PASSWORD).unlink()
    said = {finding.what: (finding.found, finding.remedy) for finding in findings(PROJECT)}
    assert said["farm's password"] == (f"in {home / PROFILES}, of a server elsewhere", "")


def test_a_server_elsewhere_is_not_asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home.is_dir()
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:of-another-server")
    assert _found()["farm's server"][0].startswith("PREFECT_API_AUTH_STRING is that of another one")


def test_it_needs_no_prefect(home: Path) -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('prefect', 'fastapi', 'httpx', 'starlette')));"
        "from wan_render.cli import main; sys.exit(main(['doctor']))"
    )
    variables = {**environment(home.parent, 1), "PREFECT_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=variables, capture_output=True, text=True)
    assert re.search("farm's server +does not run; make farm starts it", done.stdout), done.stderr


def test_what_others_can_read_is_said(home: Path) -> None:
    (home / PASSWORD).chmod(0o644)
    assert _found()["farm"] == (f"{home}, its owner's alone", "")
    home.chmod(0o755)
    assert _found()["farm"][0] == f"other users can open {home}, and 1 of its files"
    assert _found()["farm"][1] == "make farm closes it; stop the one that runs first"


def test_a_missing_password_and_another_one_are_said(home: Path) -> None:
    (home / PROFILES).write_text("active = 3\n")
    assert "have another or none" in _found()["farm's password"][0]
    (home / PASSWORD).unlink()
    assert _found()["farm's password"] == (f"there is none in {home / PASSWORD}", "make farm makes one")


class Open(http.server.BaseHTTPRequestHandler):
    """A server that answers everybody, with a pool as Prefect makes it."""

    asked: list[str | None]

    def do_GET(self) -> None:
        self.asked.append(self.headers["Authorization"])
        self.send_response(200)
        self.end_headers()
        command = {"command": "{{ command }}"}
        self.wfile.write(json.dumps({"base_job_template": {"job_configuration": command, "variables": {}}}).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def open_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Open]]:
    handler = type("Handler", (Open,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{server.server_port}/api")
    yield handler
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("open_server")
def test_an_open_server_and_an_open_pool_are_said(home: Path) -> None:
    with (home / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = _found()
    assert "answers without the password, with a wrong password, under another name" in said["farm's server"][0]
    assert said["farm's work pool"][0] == "a run can say itself what the worker starts"
    assert said["farm's server"][1] == said["farm's work pool"][1] == "stop the farm and start it again: make farm"


def test_what_is_not_this_farms_server_is_not_asked(
    home: Path, open_server: type[Open], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _found()["farm's server"] == ("does not run; make farm starts it", "")
    with (home / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for url in ("http://studio.example:4200/api", "file:///etc/passwd", ""):
            monkeypatch.setenv("PREFECT_API_URL", url or "http://")
            assert "it was not asked" in _found()["farm's server"][0]
    assert open_server.asked == []


def _found() -> Said:
    return {each.what: (each.found, each.remedy) for each in findings(PROJECT)}


def _doctor(variables: dict[str, str]) -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "wan_render.cli", "doctor", "--json"],
        cwd=PROJECT,
        env={**variables, "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)["findings"]
    return {each["what"]: (each["found"], each["remedy"]) for each in found if each["what"].startswith("farm")}
