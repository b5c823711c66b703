"""A running farm: its programs started in order, kept alive, and stopped in order."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectException
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Cancelling

from flows.deployments.deploying import next_runs, tell
from flows.deployments.pool import POOL
from flows.farm_home.home import LOOPBACK, PROFILES, RENEW
from flows.serving.gate import HTTP_PORT, origins
from flows.serving.listening import listen
from flows.upkeep.caretaker import Caretaker
from flows.upkeep.service import Service, over
from wan_render.errors import MachineError, Problem, UsageError

UNPRIVILEGED, LAST_PORT = 1024, 65535
"""The first port that every user may have, and the last."""

EXAMPLE = "the farm's own server is on loopback: http://127.0.0.1:4200/api"
START_SECONDS = 120.0
STOP_SECONDS = 3.0
CANCEL_SECONDS = 8.0
"""So long films get to stop; then they are killed, which frees the devices too. With the worker's and the server's
STOP_SECONDS, a farm ends within 15 s."""

STOPPED = "the farm was stopped; finished takes are kept"
"""What a run says that Ctrl-C in the farm cancelled."""

AT_ONCE_SECONDS = 10.0
AT_ONCE_TIMES = 3
"""A program that lived shorter than this, so many times in a row, is not started again: it would die of the same cause.
Once may be somebody who restarts the farm's services."""


class FarmServices:
    """A server and a worker of this folder; a context. `lock` is an open file that all of them inherit.

    The password reaches them in their environment, which no other user can read; never in a command or an address.
    Raises MachineError where something listens on the server's port already.
    """

    def __init__(self, project: Path, home: Path, password: str, lock: int) -> None:
        self.api = get_current_settings().api.url or ""
        self.ui = self.api.removesuffix("/api")
        self._host, self._port = _loopback(self.api)
        self._project, self._lock = project, lock
        self._sockets = self._held_port()
        self._environment = {
            "PREFECT_HOME": str(home),
            "PREFECT_PROFILES_PATH": str(home / PROFILES),
            "PREFECT_API_URL": self.api,
            "PREFECT_API_AUTH_STRING": password,
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true",
            **_past_proxies(),
            "DO_NOT_TRACK": "1",
            "PREFECT_CLI_WRAP_LINES": "false",
        }
        closed = {
            "PREFECT_SERVER_API_AUTH_STRING": password,
            "PREFECT_SERVER_API_HOST": self._host,
            "PREFECT_SERVER_API_PORT": str(self._port),
            "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": ",".join(origins(self._port)),
        }
        descriptors = [held.fileno() for held in self._sockets]
        self._server = self._service("server", ("flows.serving.server", *map(str, descriptors)), closed, descriptors)
        name = f"farm on {socket.gethostname()}"
        worker = ("prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", name)
        self._worker = self._service("worker", worker)
        self._client = SyncPrefectClient(self.api, auth_string=password, httpx_settings={"trust_env": False})
        self._caretaker = Caretaker(self._client, project, home, name)
        self._since: dict[str, float] = {}
        self._worker_since = datetime.now(UTC)
        self._died_at_once: Counter[str] = Counter()

    def deploy(self, backend: str | None, zone: str, *, was_open: bool) -> tuple[str, ...]:
        """Tell the server what a farm is; then the worker takes runs. What was turned off for it, and what became of
        runs that an earlier farm left, in sentences."""
        environment = over(self._environment, os.environ)
        said = tell(self._client, self._project, backend, environment, zone=zone, has_farm=True, was_open=was_open)
        said += self._caretaker.begin()
        self._start(self._worker)
        return said

    def next_runs(self) -> tuple[str, ...]:
        """When each schedule starts next, in sentences."""
        return tuple(next_runs(self._client))

    def look(self) -> Iterator[str]:
        """Look after the programs and the queue; what was done, in sentences. Raises MachineError for a program that
        dies at once."""
        yield from self._revive()
        yield from self._caretaker.look(self._worker_since)

    def _revive(self) -> Iterator[str]:
        for service in (self._server, self._worker):
            if service.alive:
                continue
            if time.monotonic() - self._since[service.name] >= AT_ONCE_SECONDS:
                self._died_at_once[service.name] = 0
            else:
                self._died_at_once[service.name] += 1
            if self._died_at_once[service.name] >= AT_ONCE_TIMES:
                raise _dead(service)
            self._start(service)
            yield f"the {service.name} had died and was started again; its log: {service.log}"

    def __enter__(self) -> Self:
        try:
            self._start(self._server)
            self._wait_for_server()
            self._client.__enter__()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _service(
        self, name: str, arguments: Sequence[str], more: Mapping[str, str] | None = None, kept: Sequence[int] = ()
    ) -> Service:
        log = Path(self._environment["PREFECT_HOME"]) / "logs" / f"{name}.log"
        return Service(name, arguments, log, {**self._environment, **(more or {})}, (self._lock, *kept))

    def _held_port(self) -> tuple[socket.socket, ...]:
        try:
            return listen(self._port)
        except OSError as error:
            raise MachineError(self._taken() if error.errno == errno.EADDRINUSE else self._refused(error)) from None

    def _start(self, service: Service) -> None:
        service.start()
        self._since[service.name] = time.monotonic()
        if service is self._worker:
            self._worker_since = datetime.now(UTC)
        processes = [os.getpid(), *(each.pid for each in (self._server, self._worker) if each.pid is not None)]
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, " ".join(map(str, processes)).encode(), 0)

    def _wait_for_server(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if not self._server.alive:
                raise _dead(self._server)
            if _answers(self.api):
                return
            time.sleep(0.2)
        raise MachineError(
            Problem("the server", f"does not answer after {START_SECONDS:.0f} s", remedy=f"its log: {self._server.log}")
        )

    def _stop(self) -> None:
        """Films first, while their worker can stop them; then the worker; the server last, when all is recorded."""
        self._caretaker.stop()
        answers = self._worker.alive and _answers(self.api)
        if answers:
            _within(CANCEL_SECONDS, _cancel_runs, self._client)
        self._worker.stop(STOP_SECONDS)
        if answers:
            _within(STOP_SECONDS, _conclude_runs, self._client)
        self._server.stop(STOP_SECONDS)
        for held in self._sockets:
            held.close()

    @property
    def _elsewhere(self) -> str:
        other = f"http://127.0.0.1:{self._port + 1 if UNPRIVILEGED <= self._port < LAST_PORT else UNPRIVILEGED}/api"
        return f"take another port, here and wherever you type prefect: export PREFECT_API_URL={other}"

    def _refused(self, error: OSError) -> Problem:
        return Problem(f"port {self._port}", f"a server cannot listen there: {error.strerror}", remedy=self._elsewhere)

    def _taken(self) -> Problem:
        who = "a Prefect server that is not this farm's" if _answers(self.api) else "another program"
        return Problem(
            f"port {self._port}",
            f"{who} listens there already",
            remedy=f"end it, or {self._elsewhere}. "
            f"If it is another user's, your browser may have sent it the password: {RENEW}",
        )


def _loopback(api: str) -> tuple[str, int]:
    try:
        address = urlsplit(api)
        port = address.port or HTTP_PORT
    except ValueError as error:
        raise UsageError(Problem("PREFECT_API_URL", f"{api} is no address: {error}", allowed=EXAMPLE)) from None
    if address.scheme != "http" or address.hostname not in LOOPBACK:
        raise UsageError(
            Problem(
                "PREFECT_API_URL",
                f"names {api or 'no server'}, which is not on this machine",
                EXAMPLE,
                "unset it, or start a worker for that server instead (docs/operations.md)",
            )
        )
    return address.hostname, port


def _past_proxies() -> dict[str, str]:
    """A proxy between the programs of one machine would read the password. Both spellings: some programs know one."""
    found = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = ",".join(filter(None, (found, "127.0.0.1", "localhost", "::1")))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def _answers(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=2.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _dead(service: Service) -> MachineError:
    return MachineError(
        Problem(f"the {service.name}", "ended by itself", remedy=f"its log, {service.log}, ends:\n{service.tail()}")
    )


def _within(seconds: float, do: Callable[[SyncPrefectClient], None], client: SyncPrefectClient) -> None:
    """Do it, but for no longer than this: a farm was once seen to wait for a minute or more; its server had just
    complained of a locked database."""
    thread = threading.Thread(target=do, args=(client,), name="ends runs", daemon=True)
    thread.start()
    thread.join(seconds)


def _cancel_runs(client: SyncPrefectClient) -> None:
    """Cancel what runs, so that it is Cancelled, not lost, and wait for it."""
    try:
        for run in _running(client):
            if run.state is not None and not run.state.is_cancelling():
                client.set_flow_run_state(run.id, Cancelling(message=STOPPED), force=True)
        while _running(client):
            time.sleep(0.3)
    except (httpx.HTTPError, PrefectException):
        return  # the server went first


def _conclude_runs(client: SyncPrefectClient) -> None:
    """Say of runs that did not stop in time, and were killed with their worker, that they have ended."""
    with suppress(httpx.HTTPError, PrefectException):
        for run in _running(client):
            client.set_flow_run_state(run.id, Cancelled(message=STOPPED), force=True)


def _running(client: SyncPrefectClient) -> list[FlowRun]:
    types = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types))),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
    )
