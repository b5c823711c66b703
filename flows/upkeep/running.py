"""A running farm: its programs started in order, kept alive, and stopped in order."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import get_current_settings

from flows.deployments.deploying import next_runs, tell
from flows.deployments.joining import admit, asking, join_pool
from flows.farm_home.drain import is_draining
from flows.farm_home.farm_lock import FarmPart, write_processes
from flows.farm_home.home import LOOPBACK, PROFILES
from flows.serving.gate import origins
from flows.serving.listening import listen
from flows.upkeep.caretaker import Caretaker
from flows.upkeep.ending_runs import EndingRuns
from flows.upkeep.server_address import (
    answers,
    is_loopback,
    others_address,
    own_address,
    past_proxies,
    port_refused,
    port_taken,
)
from flows.upkeep.service import Service, over
from wan_render.errors import MachineError, Problem

START_SECONDS = 120.0
STOP_SECONDS = 3.0
CANCEL_SECONDS = 8.0
"""So long films get to stop; then they are killed, which frees the devices too. With the worker's and the server's
STOP_SECONDS, a farm ends within 15 s."""

GUARD_SECONDS = 0.5
"""How often it is looked whether the programs live."""

AT_ONCE_SECONDS = 10.0
AT_ONCE_TIMES = 3
"""A program that lived shorter than this, so many times in a row, is not started again: it would die of the same cause.
Once may be somebody who restarts the farm's services."""


@dataclass(frozen=True)
class FarmPlan:
    """Which parts of a farm this process runs, and how.

    worker: the name of this machine's worker. listen: a further address of the server, "" for loopback alone.
    known_as: further host names by which the server may be called.
    """

    parts: tuple[FarmPart, ...]
    worker: str
    listen: str = ""
    known_as: tuple[str, ...] = ()

    @property
    def has_server(self) -> bool:
        """Whether the server runs here; else it is where PREFECT_API_URL says."""
        return FarmPart.SERVER in self.parts

    @property
    def has_worker(self) -> bool:
        """Whether films are made here."""
        return FarmPart.WORKER in self.parts


class FarmServices:
    """The programs of a farm, or of a part of it; a context. `locks`: open files that all of them inherit.

    The password reaches them in their environment, which no other user can read; never in a command or an address.
    Raises MachineError where something listens on the server's port already.
    """

    def __init__(self, project: Path, home: Path, password: str, locks: Sequence[int], plan: FarmPlan) -> None:
        self.api = get_current_settings().api.url or ""
        self.ui = self.api.removesuffix("/api")
        self._project, self._home, self._locks, self._plan = project, home, locks, plan
        host, port = own_address(self.api) if plan.has_server else (others_address(self.api)[0], 0)
        self._sockets = self._held_port(port) if plan.has_server else ()
        self._environment = {
            "PREFECT_HOME": str(home),
            "PREFECT_PROFILES_PATH": str(home / PROFILES),
            "PREFECT_API_URL": self.api,
            "PREFECT_API_AUTH_STRING": password,
            "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED": "true",
            **past_proxies(),
            "DO_NOT_TRACK": "1",
            "PREFECT_CLI_WRAP_LINES": "false",
        }
        services = (self._server_service(password, host, port), self._worker_service())
        self._services = tuple(service for service in services if service.name in {part.value for part in plan.parts})
        is_here = host in LOOPBACK
        settings = {"trust_env": False} if is_here else {}  # a proxy would read the password
        self._client = SyncPrefectClient(self.api, auth_string=password, httpx_settings=settings)
        self._caretaker = Caretaker(self._client, project, home, plan.worker if plan.has_worker else "", plan.parts)
        self._ending = EndingRuns(self._client, plan.worker)
        self._since: dict[str, float] = {}
        self._worker_since, self._drains = datetime.now(UTC), False
        self._died_at_once: Counter[str] = Counter()
        self._guard = threading.Thread(target=self._keep_alive, name="keeps the programs alive", daemon=True)
        self._is_stopping, self._done = threading.Event(), SimpleQueue[str]()
        self._fault: MachineError | OSError | None = None

    def deploy(self, backend: str | None, zone: str, *, was_open: bool) -> tuple[str, ...]:
        """Tell the server what a farm is, or join its work pool; then the worker takes runs. What was turned off for
        it, and what became of runs that an earlier farm left, in sentences."""
        if self._plan.has_server:
            environment = over(self._environment, os.environ)
            said = tell(self._client, self._project, backend, environment, zone=zone, has_farm=True, was_open=was_open)
            if self._plan.has_worker:
                said += admit(self._client, self._plan.worker)
            said += self._caretaker.begin()
        else:
            with asking(self.api):
                said = join_pool(self._client, self._project, self._plan.worker) + self._caretaker.begin()
        if self._plan.has_worker:
            self._start(self._services[-1])
        self._guard.start()
        return said

    def next_runs(self) -> tuple[str, ...]:
        """When each schedule starts next, in sentences."""
        return tuple(next_runs(self._client)) if self._plan.has_server else ()

    def look(self) -> Iterator[str]:
        """Look after the queue; what was done for it and for the programs, in sentences. Raises MachineError for a
        program that dies at once, OSError for one that cannot be started."""
        while not self._done.empty():
            yield self._done.get()
        if self._fault is not None:
            raise self._fault
        if self._plan.has_worker and is_draining(self._home) is not self._drains:
            self._drains = not self._drains
            yield "it drains: takes that have begun are finished" if self._drains else "it takes films again"
        yield from self._caretaker.look(self._worker_since)

    def _keep_alive(self) -> None:
        """Start programs again that died. In a thread of its own: the farm holds the server's port, so a request to a
        dead server is not refused, and the caretaker waits until the next server answers it."""
        try:
            while not self._is_stopping.wait(GUARD_SECONDS):
                for sentence in self._revive():
                    self._done.put(sentence)
        except (MachineError, OSError) as fault:
            self._fault = fault

    def _revive(self) -> Iterator[str]:
        for service in self._services:
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
            if self._plan.has_server:
                self._start(self._services[0])
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

    def _server_service(self, password: str, host: str, port: int) -> Service:
        closed = {
            "PREFECT_SERVER_API_AUTH_STRING": password,
            "PREFECT_SERVER_API_HOST": host,
            "PREFECT_SERVER_API_PORT": str(port),
            "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": ",".join(origins(port, self._plan.known_as)),
        }
        descriptors = [held.fileno() for held in self._sockets]
        names = [word for name in self._plan.known_as for word in ("--known-as", name)]
        return self._service("server", ("flows.serving.server", *map(str, descriptors), *names), closed, descriptors)

    def _worker_service(self) -> Service:
        return self._service("worker", ("flows.upkeep.farm_worker", "--name", self._plan.worker))

    def _service(
        self, name: str, arguments: Sequence[str], more: Mapping[str, str] | None = None, kept: Sequence[int] = ()
    ) -> Service:
        log = self._home / "logs" / f"{name}.log"
        return Service(name, arguments, log, {**self._environment, **(more or {})}, (*self._locks, *kept))

    def _held_port(self, port: int) -> tuple[socket.socket, ...]:
        further = self._plan.listen
        try:
            return listen(port, "" if not further or is_loopback(further) else further)
        except OSError as error:
            is_taken = error.errno == errno.EADDRINUSE
            raise MachineError(port_taken(self.api, port) if is_taken else port_refused(port, error)) from None

    def _start(self, service: Service) -> None:
        service.start()
        self._since[service.name] = time.monotonic()
        if service.name == FarmPart.WORKER.value:
            self._worker_since = datetime.now(UTC)
        write_processes(self._locks, [os.getpid(), *(each.pid for each in self._services if each.pid is not None)])

    def _wait_for_server(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._plan.has_server and not self._services[0].alive:
                raise _dead(self._services[0])
            if answers(self.api):
                return
            time.sleep(0.2)
        log = f"its log: {self._services[0].log}" if self._plan.has_server else "start it: wan-render farm up"
        raise MachineError(Problem("the server", f"does not answer after {START_SECONDS:.0f} s", remedy=log))

    def _stop(self) -> None:
        """Films first, while their worker can stop them; then the worker; the server last, when all is recorded. A
        farm that drains cancels nothing: what still runs waits in the queue again."""
        self._is_stopping.set()
        if self._guard.is_alive():
            self._guard.join()
        self._caretaker.stop()
        worker = self._services[-1]
        is_told = self._plan.has_worker and worker.alive and answers(self.api)
        drains = is_draining(self._home)
        if is_told and not drains:
            self._ending.cancel(CANCEL_SECONDS)
        if self._plan.has_worker:
            worker.stop(STOP_SECONDS)
        if is_told:
            self._ending.conclude(STOP_SECONDS, wait_again=drains)
        if self._plan.has_server:
            self._services[0].stop(STOP_SECONDS)
        for held in self._sockets:
            held.close()


def _dead(service: Service) -> MachineError:
    return MachineError(
        Problem(f"the {service.name}", "ended by itself", remedy=f"its log, {service.log}, ends:\n{service.tail()}")
    )
