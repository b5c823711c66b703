"""A farm as `make farm` starts it, on a free port, with a home, outputs, cache and device locks of its own."""

from __future__ import annotations

import base64
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient

from flows.deployments.deploying import DEPLOYMENTS
from flows.farm_queue.film_queue import OPEN_STATES, QueuedFilm, read_queue
from tests.backends.comfyui.fake_server import FakeComfyUI
from tests.extension.chat_service import ChatService, chat_service
from tests.fake_model_studio import FakeService, serving, variables
from tests.flows.films import write_slow_film
from tests.flows.forked_films import RUN, SHOWN, forked_run, spawns_file
from tests.flows.old_farm import make_old_farm
from tests.flows.project import PROJECT
from tests.forked_devices import COMM as DEVICE_NAME
from tests.ports import free_port

__all__ = ["PROJECT"]


LLM_KEY = "sk-of-a-farms-language-model-0123456789"
PROMPT = "镜头从黎明开始，晨光缓缓爬上码头，海面泛起金色的波纹，镜头平稳下降，最后停在正午明亮的港湾。"

DEVICE_MODULE = "wan_render.farm.process.child "

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


PATIENCE = 3.0
"""A machine that runs two tests at a time may be so much slower than one on which the seconds of a test were chosen."""

LEAST_PATIENCE = 60.0
"""Seconds. Enough for a machine that stands still for a while."""

BEFORE_PREFECT_KILLS = 20.0
"""Seconds. The same where Prefect would kill after 30, and it must not come to that."""


def until(seconds: float, condition: Callable[[], Any], least: float = LEAST_PATIENCE) -> Any:
    """The first true value of a condition; AssertionError where there is none in time. It is asked less often the
    longer it takes: asking a server costs the CPU that what is waited for needs."""
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < max(seconds * PATIENCE, least):
        if value := condition():
            return value
        time.sleep(min(0.1 + waited / 40, 0.4))
    raise AssertionError(f"{condition} did not come true within {seconds} s")


def environment(home: Path, port: int) -> dict[str, str]:
    """This process's, with everything that a farm writes under `home`."""
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "WAN_RENDER"))},
        "PREFECT_HOME": str(home / "farm"),
        "PREFECT_PROFILES_PATH": str(home / "farm" / "profiles.toml"),  # as `make farm` says
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "WAN_RENDER_OUTPUTS": str(home / "outputs"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TMPDIR": str(home / "tmp"),
        "WAN_RENDER_LOCKS": str(home / "locks"),
        "BACKEND": "animatic",
    }


@dataclass(frozen=True)
class Farm:
    """A running farm and what can be asked of it."""

    home: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def outputs(self) -> Path:
        return self.home / "outputs"

    @property
    def said(self) -> str:
        return (self.home / "said").read_text(encoding="utf-8")

    def watch(self, storyboard: Path, *parameters: str) -> tuple[subprocess.CompletedProcess[str], str]:
        """Ask for a film as somebody types it, and wait for its end; the command and the run."""
        options = [word for each in (f"storyboard={storyboard}", *parameters) for word in ("-p", each)]
        done = self.prefect("deployment", "run", "film/now", *options, "--watch")
        run = re.search(r"UUID: (\S+)", done.stdout)
        assert run is not None, done.stdout + done.stderr
        return done, run[1]

    def prefect(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return self._typed("prefect", *arguments, seconds=seconds)

    def wan_render(self, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return self._typed("wan_render.cli", *arguments, seconds=seconds)

    def _typed(self, module: str, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    @property
    def password(self) -> str:
        return (self.home / "farm" / "password").read_text(encoding="utf-8").strip()

    @cached_property
    def headers(self) -> dict[str, str]:
        """What the farm's server wants of every request: the password, and its token against forged ones."""
        asks = {"Authorization": f"Basic {base64.b64encode(self.password.encode()).decode()}"}
        url = f"{self.environment['PREFECT_API_URL']}/csrf-token?client=tests"
        token = httpx.get(url, headers=asks, timeout=30, trust_env=False).raise_for_status().json()["token"]
        return {**asks, "Prefect-Csrf-Client": "tests", "Prefect-Csrf-Token": token}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """As anybody on this machine may ask; without a password where `headers` has none."""
        return self._http.request(method, f"{self.environment['PREFECT_API_URL']}{path}", **options)

    @cached_property
    def _http(self) -> httpx.Client:
        """One for all requests: it takes longer to make than a request. It keeps no connections, because tests end
        servers."""
        return httpx.Client(timeout=90, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))

    def ask(self, method: str, path: str, **body: Any) -> Any:
        for _ in range(5):
            answer = self.request(method, path, json=body or None, headers=self.headers)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)  # its database was locked; Prefect's own client asks again, too
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def run(self, deployment: str, **parameters: Any) -> str:
        """Ask for a run; its id."""
        found = self.ask("GET", f"/deployments/name/{deployment}")
        asked = self.ask("POST", f"/deployments/{found['id']}/create_flow_run", parameters=parameters)
        return str(asked["id"])

    def queue(self) -> tuple[QueuedFilm, ...]:
        """What runs and waits, in order."""
        with self.client() as client:
            return read_queue(client)

    def client(self) -> SyncPrefectClient:
        """Prefect's own."""
        api = self.environment["PREFECT_API_URL"]
        return SyncPrefectClient(api, auth_string=self.password, httpx_settings={"trust_env": False})

    def open_runs(self) -> set[str]:
        """The runs of this farm that have not ended."""
        of_farm, states = {"id": {"any_": self.deployments}}, {"type": {"any_": [state.value for state in OPEN_STATES]}}
        found = self.ask("POST", "/flow_runs/filter", deployments=of_farm, flow_runs={"state": states})
        return {run["id"] for run in found}

    @cached_property
    def deployments(self) -> list[str]:
        return [self.ask("GET", f"/deployments/name/{name}")["id"] for name in DEPLOYMENTS]

    def end(self, runs: Iterable[str]) -> None:
        """End runs of which a test wants nothing more; returns when none of them has a process."""
        for run in runs:
            state = self.state(run)["type"]
            if state not in FINAL:
                asked = "CANCELLING" if state == "RUNNING" else "CANCELLED"
                self.ask("POST", f"/flow_runs/{run}/set_state", state={"type": asked}, force=True)
        for run in runs:
            self.ended(run)
            until(30, partial(self._has_no_process, run))

    def _has_no_process(self, run: str) -> bool:
        return not self.flows(run)

    def state(self, run: str) -> dict[str, Any]:
        """The state of a run; an empty one while the server is away."""
        try:
            state: dict[str, Any] = self.ask("GET", f"/flow_runs/{run}")["state"]
        except httpx.HTTPError:
            return {"type": "", "name": "", "message": ""}
        return state

    def ended(self, run: str, seconds: float = 90) -> dict[str, Any]:
        until(seconds, lambda: self.state(run)["type"] in FINAL)
        return self.state(run)

    def tasks(self, run: str) -> dict[str, list[str]]:
        """The states that the tasks of a run ended in, by name, one for each time the run was run."""
        runs = self.ask("POST", "/task_runs/filter", flow_runs={"id": {"any_": [run]}}, sort="EXPECTED_START_TIME_ASC")
        states: dict[str, list[str]] = {}
        for each in runs:
            states.setdefault(each["name"], []).append(each["state_name"])
        return states

    def states(self, run: str) -> list[str]:
        """The names of all states of a run, in order."""
        return [state["name"] for state in self.ask("GET", f"/flow_run_states/?flow_run_id={run}")]

    def logs(self, run: str) -> str:
        records = self.ask("POST", "/logs/filter", logs={"flow_run_id": {"any_": [run]}}, sort="TIMESTAMP_ASC")
        return "\n".join(record["message"] for record in records)

    def alarms(self, run: str) -> list[str]:
        """What a run logged as an error or worse."""
        records = self.ask("POST", "/logs/filter", logs={"flow_run_id": {"any_": [run]}, "level": {"ge_": 40}})
        return [record["message"] for record in records]

    def processes(self, *parts: str) -> list[psutil.Process]:
        """This farm's processes whose command has one of these parts."""
        found = []
        for process in psutil.process_iter():
            try:
                command = " ".join(process.cmdline())
                if not any(part in command for part in parts):
                    continue
                ours = process.environ().get("PREFECT_HOME") == self.environment["PREFECT_HOME"]
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def devices(self) -> list[psutil.Process]:
        return [each for each in self.processes(DEVICE_MODULE, "tests.forked_devices ") if _is_device(each)]

    def flows(self, run: str) -> list[psutil.Process]:
        """The process of a run, where it has one."""
        found = self.processes("flows.film_process", "tests.flows.forked_films ")
        return [each for each in found if _run_of(each) in {run, run[:SHOWN]}]

    def waits(self, run: str) -> None:
        """Wait until a run waits for its approval, and its process is gone."""
        try:
            until(60, lambda: self.state(run)["name"] == "Suspended" and not self.flows(run))
        except AssertionError:
            raise AssertionError(f"does not wait: {self.state(run)}, its processes: {self.flows(run)}") from None

    def resume(self, run: str, **answer: Any) -> dict[str, Any]:
        """Answer a run that waits; what the server says to that."""
        said: dict[str, Any] = self.ask("POST", f"/flow_runs/{run}/resume", run_input=answer)
        return said

    def artifact(self, run: str, key: str) -> str:
        """The newest artifact of a run that is called so."""
        found = self.ask("POST", "/artifacts/filter", flow_runs={"id": {"any_": [run]}}, sort="CREATED_DESC")
        return str(next(each["data"] for each in found if each["key"] == key))

    def progress(self, run: str) -> list[dict[str, Any]]:
        """The progress artifacts of a run and of its tasks."""
        found: list[dict[str, Any]] = self.ask("POST", "/artifacts/filter", flow_runs={"id": {"any_": [run]}})
        return [each for each in found if each["type"] == "progress"]

    def takes(self) -> int:
        """How many takes are in the store."""
        return len(list(self.outputs.glob("takes/*/take.json")))

    def rendering(self, run: str, finished: int = 1) -> int:
        """Wait until a run renders and has finished some takes; how many are there then."""
        before = self.takes()
        until(60, lambda: self.devices() and self.takes() >= before + finished)
        assert self.state(run)["type"] == "RUNNING"
        return self.takes() - before

    def freeze(self) -> None:
        """Wait for a device process, and stop it: its film goes on for as long as a test wants, and needs no CPU. For
        films that are cancelled, or killed with all else."""
        for process in until(60, self.devices):
            process.suspend()

    def reported_crashes(self) -> int:
        """How many the worker has reported to its end: it reports each twice, and the second report takes back a retry
        between them."""
        log = (self.home / "farm" / "logs" / "worker.log").read_text(encoding="utf-8")
        return log.count("flow_runs.worker - Check whether the flow run exceeded")

    def kill(self) -> None:
        """As a power cut does."""
        for process in self.processes(""):
            process.kill()
        self.process.wait(60)

    def stop(self) -> int:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def _is_device(process: psutil.Process) -> bool:
    """Whether it is a device process; not the one that they are forked from, or a keeper."""
    try:
        return process.name() == DEVICE_NAME or DEVICE_MODULE in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _run_of(process: psutil.Process) -> str:
    """The id of the run that it makes; of a forked one, its beginning. "" if it has ended by now."""
    try:
        return forked_run(process.name()) or str(process.environ().get(RUN, ""))
    except psutil.Error:
        return ""


def start(home: Path, names: dict[str, str], *arguments: str, forks: bool = False) -> Farm:
    """Start a farm, or a part of it, and wait until it says how it is stopped. forks: whether its films are forked
    (tests/flows/forked_films.py)."""
    module = "tests.flows.forking_farm" if forks and sys.platform == "linux" else "flows.farm"
    with (home / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=PROJECT,
            env=names,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    farm = Farm(home, names, process)
    until(120, lambda: "Ctrl-C" in farm.said or process.poll() is not None)
    assert process.poll() is None, farm.said
    return farm


@pytest.fixture(scope="package")
def old_home() -> Iterator[Path]:
    """Where the farm's folder is one that a version without a password left, with what strangers did in it meanwhile.

    Every folder above it can be opened by every user, as in many a checkout; pytest's own cannot.
    """
    with tempfile.TemporaryDirectory(prefix="wan-render-farm-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o755)
        make_old_farm(home / "farm")
        (home / "farm" / "zone").write_text("Asia/Shanghai\n", encoding="utf-8")
        yield home


@dataclass(frozen=True)
class Services:
    """Stand-ins for what a farm may ask: a service that renders takes, a ComfyUI server, and a language model."""

    studio: FakeService
    comfyui: FakeComfyUI
    language_model: ChatService

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a machine that asks them."""
        return {
            **variables(self.studio),
            "WAN_RENDER_COMFYUI": self.comfyui.url,
            "WAN_RENDER_LLM_URL": self.language_model.url,
            "WAN_RENDER_LLM_MODEL": "qwen-vl-test",
            "WAN_RENDER_LLM_KEY": LLM_KEY,
        }


@pytest.fixture(scope="package")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Those of the farm that all tests of this folder share."""
    comfyui = FakeComfyUI(tmp_path_factory.mktemp("comfyui"))
    with serving(FakeService()) as studio, comfyui.running(), chat_service(PROMPT) as language_model:
        yield Services(studio, comfyui, language_model)


@pytest.fixture(scope="package")
def farm(old_home: Path, services: Services) -> Iterator[Farm]:
    """One farm for all tests of this folder. It is stopped in the middle of a film, and must leave nothing behind: it
    uses a twentieth of a core as long as it runs."""
    home = old_home
    farm = start(home, {**environment(home, free_port()), **services.variables}, forks=True)
    try:
        yield farm
        last = farm.run("film/now", storyboard=str(write_slow_film(home / "at-the-end")))
        until(60, farm.devices)
        assert farm.stop() == 0, farm.said
        assert farm.processes("") == []
        assert _recorded(farm, last) == "Cancelled"
    finally:
        for left in farm.processes(""):
            left.kill()
        farm.process.wait(60)


@pytest.fixture(autouse=True)
def _spawned_films(request: pytest.FixtureRequest) -> Iterator[None]:
    """Films of tests marked `spawned` are started as at night."""
    if "farm" not in request.fixturenames or request.node.get_closest_marker("spawned") is None:
        yield
        return
    farm: Farm = request.getfixturevalue("farm")
    spawns = spawns_file(Path(farm.environment["PREFECT_HOME"]))
    spawns.touch()
    yield
    spawns.unlink()


@pytest.fixture(autouse=True)
def _ends_what_it_began(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test leaves no run on the farm that all tests share, however it ends. What a fixture of a module or of the
    folder began is for that fixture to end: it was there before."""
    if "farm" not in request.fixturenames:
        yield
        return
    farm: Farm = request.getfixturevalue("farm")
    before = farm.open_runs()
    yield
    farm.end(farm.open_runs() - before)


def _recorded(farm: Farm, run: str) -> str:
    """The state of a run in the database of a server that has ended."""
    with closing(sqlite3.connect(farm.home / "farm" / "prefect.db")) as database:
        found = database.execute("SELECT state_name FROM flow_run WHERE id = ?", [run]).fetchone()
    return str(found[0])
