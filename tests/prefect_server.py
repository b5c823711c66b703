"""A Prefect server for flows that run in the process of the tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

from tests.ports import free_port

START_SECONDS = 180


@dataclass(frozen=True)
class PrefectServer:
    """A server that stands still while no flows run at it: an idle one uses two hundredths of a core."""

    address: str
    process: psutil.Process

    @contextmanager
    def runs_flows(self) -> Iterator[None]:
        """The flows of this process are runs of that server."""
        self.process.resume()
        try:
            with temporary_settings({PREFECT_API_URL: self.address}):
                yield
                for worker in (APILogWorker, EventsWorker):
                    worker.drain_all()  # while it is that server
        finally:
            self.process.suspend()


@contextmanager
def running_server() -> Iterator[PrefectServer]:
    """It has a database of its own."""
    from prefect.server.api.server import SubprocessASGIServer  # takes seconds: only who uses it imports it

    with tempfile.TemporaryDirectory(prefix="prefect-server-") as folder:
        server = SubprocessASGIServer(port=free_port())
        with temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{folder}/prefect.db"}):
            server.start(timeout=START_SECONDS)
        assert server.server_process is not None
        process = psutil.Process(server.server_process.pid)
        try:
            process.suspend()
            yield PrefectServer(str(server.api_url), process)
        finally:
            process.resume()  # or it could not end
            server.stop()
