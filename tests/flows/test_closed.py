"""The farm's server answers its owner alone: no other user, no page of another origin, nobody without the password."""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from flows.deployments.deploying import DEPLOYMENTS, close_pool
from flows.deployments.pool import POOL, job_template
from flows.deployments.silence_rule import SILENT_RUNS
from flows.farm_home.home import open_to_others
from flows.serving.gate import Gate
from flows.shown.markdown import disarmed, plain
from tests.flows.conftest import Farm, until
from tests.flows.films import write_film
from tests.flows.other_user import NOBODY, as_user
from tests.flows.project import PROJECT
from tests.flows.test_markdown import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


pytestmark = [pytest.mark.prefect, pytest.mark.slow]

SOCKETS = (
    "/events/in",
    "/events/out",
    "/logs/out",
    "/task_runs/subscriptions/scheduled",
    f"/work_pools/{POOL}/workers/connect",
)
OPEN = {"/health", "/ready"}
"""Whether a server is there, and no more; also asked by `make farm` while it starts."""


@pytest.fixture(scope="module")
def routes(farm: Farm) -> list[tuple[str, str]]:
    """Every method and path of Prefect's API, by its own description."""
    found = farm.ask("GET", "/openapi.json")["paths"]
    filled = {path: re.sub(r"{[^}]*}", "00000000-0000-0000-0000-000000000000", path) for path in found}
    return [
        (method.upper(), filled[path].removeprefix("/api"))
        for path, methods in found.items()
        for method in methods
        if path.removeprefix("/api") not in OPEN
    ]


def test_every_route_wants_the_password(farm: Farm, routes: list[tuple[str, str]]) -> None:
    assert len(routes) > 150
    token = {name: value for name, value in farm.headers.items() if name != "Authorization"}
    wrong = {**token, "Authorization": f"Basic {base64.b64encode(b'admin:wrong').decode()}"}
    bearer = {**token, "Authorization": f"Bearer {farm.password}"}
    with httpx.Client(base_url=farm.environment["PREFECT_API_URL"], trust_env=False) as client:
        for method, path in routes:
            assert client.request(method, path).status_code in {401, 403}, (method, path)
            assert client.request(method, path, headers=token).status_code == 401, (method, path)
        for headers in (wrong, bearer):
            assert client.post("/flows/count", headers=headers).status_code == 401
    assert farm.request("POST", "/flows/count", headers=farm.headers).status_code == 200


def test_a_forged_request_lacks_the_token(farm: Farm) -> None:
    headers = {"Authorization": farm.headers["Authorization"]}
    assert farm.request("POST", "/flows/count", headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"])
def test_what_is_beside_the_ui_is_not_served(farm: Farm, path: str) -> None:
    assert farm.request("GET", f"/..{path}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/static/prefect-logo-mark-gradient.png", "/nothing"]
)
def test_what_is_beside_the_routes_wants_the_password(farm: Farm, path: str) -> None:
    assert farm.request("GET", path).status_code == 401


def test_paths_that_end_as_an_open_one_want_the_password(farm: Farm) -> None:
    for path in (
        "/variables/name/health",
        "/artifacts/health",
        "//health",
        "/health/",
        "/HEALTH",
        "/flows/../health/x",
    ):
        assert farm.request("GET", path, headers={"Host": _host(farm)}).status_code in {401, 404, 307}, path


@pytest.mark.parametrize("path", SOCKETS)
def test_every_socket_wants_the_password(farm: Farm, path: str) -> None:
    url = _socket(farm, path)
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        _said(url, {}, ())
    for token in (None, "admin:wrong", ""):
        with pytest.raises(ConnectionClosed):
            _said(url, {"type": "auth", "token": token})
    assert _said(url, {"type": "auth", "token": farm.password}) == {"type": "auth_success"}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example:{port}", "127.0.0.1:1", "127.0.0.1", ""]
)
def test_another_name_is_refused_even_with_the_password(farm: Farm, host: str) -> None:
    host = host.format(port=_host(farm).rpartition(":")[2])
    for path in ("/health", "/work_pools/" + POOL, "/../", "/../ui-settings"):
        assert farm.request("GET", path, headers={**farm.headers, "Host": host}).status_code == 421, path
    with pytest.raises(InvalidStatus):
        _said(_socket(farm, "/logs/out"), {"type": "auth", "token": farm.password}, Host=host)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:1", "http://localhost", "https://{host}", "null", ""]
)
def test_a_page_of_another_origin_is_refused_even_with_the_password(farm: Farm, origin: str) -> None:
    origin = origin.format(host=_host(farm))
    for method in ("GET", "POST", "OPTIONS"):
        answer = farm.request(method, "/flows/count", headers={**farm.headers, "Origin": origin})
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    with pytest.raises(InvalidStatus):
        _said(_socket(farm, "/logs/out"), {"type": "auth", "token": farm.password}, Origin=origin)


def test_its_own_ui_is_none(farm: Farm) -> None:
    for name in (_host(farm), _host(farm).replace("127.0.0.1", "localhost")):
        headers = {**farm.headers, "Origin": f"http://{name}", "Host": name}
        assert farm.request("POST", "/flows/count", headers=headers).status_code == 200


def test_the_gate_lets_two_host_headers_through_no_more_than_a_wrong_one() -> None:
    async def server(*_: Any) -> None:
        raise AssertionError("was let through")

    for hosts in ([b"127.0.0.1:4200", b"evil"], []):
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", host) for host in hosts]}
        assert _answer(Gate(server, 4200), scope) == 421


def test_what_strangers_left_in_an_old_farm_does_not_run(farm: Farm, old_home: Path) -> None:
    assert f"other users could open {old_home / 'farm'}; it is closed now" in farm.said
    assert f"a run could say what the worker of the pool {POOL} starts; the pool is closed now" in farm.said
    assert "the deployment 'batch/planted' was paused" in farm.said
    assert "the automation 'planted' was disabled" in farm.said
    assert farm.said.count("was cancelled: no deployment of the farm made it") == 1
    assert farm.ask("GET", f"/work_pools/{POOL}")["base_job_template"] == job_template(PROJECT)
    for deployment in farm.ask("POST", "/deployments/filter"):
        flow = farm.ask("GET", f"/flows/{deployment['flow_id']}")["name"]
        if f"{flow}/{deployment['name']}" in DEPLOYMENTS:
            assert (deployment["job_variables"], deployment["pull_steps"], deployment["paused"]) == ({}, [], False)
        else:
            assert deployment["paused"]
    rules = {rule["name"]: rule for rule in farm.ask("POST", "/automations/filter")}
    assert rules["planted"]["enabled"] is False
    assert SILENT_RUNS not in rules
    until(60, lambda: not farm.ask("POST", "/flow_runs/filter", flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}}))
    assert not (old_home / "farm" / "taken").exists()


def test_a_pool_that_looks_like_ours_hides_nothing_in_a_farm_that_was_open(farm: Farm) -> None:
    flow = farm.ask("GET", "/deployments/name/batch/overnight")["flow_id"]
    planted = farm.ask("POST", "/deployments/", name="planted later", flow_id=flow, work_pool_name=POOL)
    with farm.client() as client:
        assert close_pool(client, PROJECT) == ()
        said = close_pool(client, PROJECT, was_open=True)
    assert [line.partition(" was ")[0] for line in said] == ["the deployment 'batch/planted later'"]
    assert farm.ask("GET", f"/deployments/{planted['id']}")["paused"]


@pytest.mark.spawned
def test_no_run_says_what_the_worker_starts(farm: Farm, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    asked = {"command": f"sh -c 'id > {taken}'", "env": {"PYTHONPATH": str(tmp_path)}, "working_dir": str(tmp_path)}
    deployment = farm.ask("GET", "/deployments/name/film/now")
    ask, here = partial(farm.request, headers=farm.headers), f"/deployments/{deployment['id']}"
    for name, value in asked.items():
        run = {"parameters": {"storyboard": "x.yaml"}, "job_variables": {name: value}}
        assert ask("POST", f"{here}/create_flow_run", json=run).status_code == 422
    farm.ask("PATCH", here, job_variables=asked)  # Prefect looks at it when the deployment is run
    assert ask("POST", f"{here}/create_flow_run", json={"parameters": {"storyboard": "x.yaml"}}).status_code == 422
    farm.ask("PATCH", here, job_variables={})
    unchecked = farm.ask(
        "POST",
        "/flow_runs/",
        flow_id=deployment["flow_id"],
        deployment_id=deployment["id"],
        work_pool_name=POOL,
        job_variables=asked,
        parameters={"storyboard": str(tmp_path / "none.yaml")},
        state={"type": "SCHEDULED"},
    )
    assert "none.yaml: no such file" in farm.ended(unchecked["id"])["message"]
    assert not taken.exists()


@pytest.mark.spawned
def test_the_password_is_in_its_two_files_and_nowhere_else(farm: Farm, tmp_path: Path) -> None:
    run = farm.run("film/now", storyboard=str(write_film(tmp_path / "leak", shots=1)))
    assert farm.ended(run)["name"] == "Completed"
    secrets = [farm.password.encode(), base64.b64encode(farm.password.encode())]

    def found() -> list[str]:
        files = (file for file in farm.home.rglob("*") if file.is_file())
        return [str(file.relative_to(farm.home)) for file in files if any(each in _content(file) for each in secrets)]

    # While a run's process lives, Prefect keeps its environment in a file of mode 0600 in a temporary folder.
    until(30, lambda: not farm.flows(run))
    until(30, lambda: sorted(found()) == ["farm/password", "farm/profiles.toml"])
    assert farm.password not in farm.said
    commands = [_content(Path(entry.path, "cmdline")) for entry in os.scandir("/proc") if entry.name.isdigit()]
    assert not [command for command in commands if any(secret in command for secret in secrets)]


def test_prefect_in_another_folder_needs_one_variable(farm: Farm, tmp_path: Path) -> None:
    names = ("PREFECT_HOME", "PREFECT_API_URL")
    variables = {name: value for name, value in farm.environment.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "work-pool", "inspect", POOL, "--output", "json"],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"export PREFECT_PROFILES_PATH={variables['PREFECT_PROFILES_PATH']}" in farm.said


def test_another_user_reads_nothing_and_is_refused(farm: Farm) -> None:
    if os.geteuid() != 0:
        pytest.skip("not run: only root can become another user")
    home = farm.home / "farm"
    assert list(open_to_others(home)) == []
    files = [home, *home.rglob("*"), *(Path(f"/proc/{process.pid}/environ") for process in farm.processes(""))]
    assert len(files) > 6
    port = int(_host(farm).rpartition(":")[2])

    def attack() -> list[str]:
        read = [str(file) for file in files if _reads(file)]
        here = f"http://127.0.0.1:{port}"
        answers = [
            httpx.get(f"{here}/api/deployments/name/film/now", trust_env=False),
            httpx.post(f"{here}/outputs", json={"folder": "/"}, trust_env=False),
        ]
        return [*read, *(f"answered {answer.status_code}" for answer in answers)]

    assert _reads_as(NOBODY, farm.home), "the folder above is open to all, or the rest would prove nothing"
    assert as_user(NOBODY, attack) == ["answered 401"] * 2


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A page of another origin; it is told the farm's address, as anybody may guess it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def elsewhere(browser: Browser) -> Iterator[Page]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    yield page
    page.close()
    server.shutdown()
    server.server_close()


ATTACKS = """
async ([api, body, token]) => {
    const url = `${api}/deployments/00000000-0000-0000-0000-000000000000/create_flow_run`;
    const said = (request) => request().then((answer) => answer.type + answer.status, () => 'failed');
    const socket = (path) => new Promise((done) => {
        const it = new WebSocket(api.replace('http', 'ws') + path, 'prefect');
        it.onopen = () => done('open'); it.onerror = () => done('failed');
    });
    const headers = {'Content-Type': 'application/json', 'Authorization': `Basic ${token}`};
    return {
        simple: await said(() => fetch(url, {method: 'POST', mode: 'no-cors', body})),
        preflighted: await said(() => fetch(url, {method: 'POST', headers, body})),
        read: await said(() => fetch(`${api}/health`)),
        events: await socket('/events/in'),
        logs: await socket('/logs/out'),
    };
}
"""


@pytest.mark.browser
def test_a_page_of_another_origin_in_a_browser_is_refused(farm: Farm, elsewhere: Page) -> None:
    api = farm.environment["PREFECT_API_URL"]
    seen: list[tuple[str, int]] = []
    elsewhere.on("response", lambda answer: seen.append((answer.request.method, answer.status)))
    body = json.dumps({"job_variables": {"command": "id"}, "parameters": {"storyboard": "x"}})
    token = base64.b64encode(farm.password.encode()).decode()  # worse than can be: it knows the password
    before = farm.ask("POST", "/flow_runs/count")
    answers = elsewhere.evaluate(ATTACKS, [api, body, token])
    # What is opaque was answered, but the page cannot read it; the answer is in `seen`.
    assert answers == {
        "simple": "opaque0",
        "preflighted": "failed",
        "read": "failed",
        "events": "failed",
        "logs": "failed",
    }
    assert seen
    assert {status for _, status in seen} == {403}
    elsewhere.evaluate(
        "(url) => { const form = document.createElement('form'); document.body.append(form);"
        " Object.assign(form, {method: 'POST', action: url, enctype: 'text/plain'}).submit(); }",
        f"{api}/flow_runs/",
    )
    elsewhere.wait_for_url(f"{api}/flow_runs/")
    assert elsewhere.inner_text("body").strip() == "pages of other origins are refused"
    assert farm.ask("POST", "/flow_runs/count") == before


@pytest.mark.browser
@pytest.mark.parametrize("ui", ["", "v2/"])
def test_the_ui_shows_foreign_text_and_obeys_none_of_it(farm: Farm, browser: Browser, ui: str) -> None:
    home, page = farm.environment["PREFECT_API_URL"].removesuffix("/api"), browser.new_page()
    page.add_init_script(f"localStorage.setItem('prefect-password', '{farm.headers['Authorization'].split()[1]}')")
    cells = [{"why": disarmed(text)} for text in HOSTILE]
    for kind, data in (
        ("markdown", "\n".join(f"- {plain(text)}" for text in HOSTILE)),
        ("table", json.dumps([*cells, {"why": disarmed("<script>document.title = 'taken'</script> the end")}])),
    ):
        made = farm.ask("POST", "/artifacts/", key=f"hostile-{kind}", type=kind, data=data)
        page.goto(f"{home}/{ui}artifacts/artifact/{made['id']}")
        page.get_by_text("src=x onerror=y").first.wait_for()
        seen = page.locator("body").inner_text().replace("\u2060", "")
        assert "![x](http://evil.example/a.png)" in seen
        assert "<img src=x onerror=y>" in seen
        assert page.locator("img[src*=evil], img[src=x], a[href*=evil]").count() == 0
        assert page.title() != "taken"
    page.close()


@pytest.mark.browser
def test_the_ui_asks_for_the_password_once_and_speaks_to_nobody_else(farm: Farm, browser: Browser) -> None:
    ui = farm.environment["PREFECT_API_URL"].removesuffix("/api")
    page = browser.new_page()
    strangers: list[str] = []
    page.on(
        "response",
        lambda answer: strangers.append(answer.url) if not answer.url.startswith((ui, "blob:", "data:")) else None,
    )
    page.goto(ui)
    page.locator("input").first.fill("admin:wrong")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    assert "/login" in page.url
    page.locator("input").first.fill(farm.password)
    page.keyboard.press("Enter")
    page.get_by_text("Flow Runs").first.wait_for()
    page.goto(f"{ui}/v2/deployments")
    page.get_by_text("overnight").first.wait_for()
    assert strangers == []
    page.close()


def _socket(farm: Farm, path: str) -> str:
    return f"{farm.environment['PREFECT_API_URL'].replace('http', 'ws', 1)}{path}"


def _said(url: str, message: dict[str, Any], protocols: Sequence[Any] = ("prefect",), **headers: str) -> Any:
    """What a socket says to one message."""
    with connect(url, subprotocols=protocols or None, additional_headers=headers, proxy=None) as socket:
        socket.send(json.dumps(message))
        return json.loads(socket.recv(5))


def _host(farm: Farm) -> str:
    return httpx.URL(farm.environment["PREFECT_API_URL"]).netloc.decode()


def _answer(application: Gate, scope: dict[str, Any]) -> int:
    """The status of an ASGI application's answer."""
    import anyio

    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        said.append(message)

    with ThreadPoolExecutor(1) as thread:  # an open browser of another test keeps a loop of its own in this one
        thread.submit(anyio.run, application, scope, receive, send).result()
    return int(said[0]["status"])


def _content(file: Path) -> bytes:
    """Nothing for a file that is deleted meanwhile, or belongs to a process that ends meanwhile."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return file.read_bytes()
    return b""


def _reads(path: Path) -> bool:
    try:
        if path.is_dir():
            return bool(list(path.iterdir()))
        path.open("rb").close()
    except OSError:
        return False
    return True


def _reads_as(user: int, path: Path) -> bool:
    return as_user(user, lambda: _reads(path))
