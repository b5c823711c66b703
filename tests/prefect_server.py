"""A Prefect server for flows that run in the process of the tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

from tests.ports import free_port

START_SECONDS = 180


@contextmanager
def running_server() -> Iterator[str]:
    """Its address, while it runs. With a database of its own."""
    from prefect.server.api.server import SubprocessASGIServer  # takes seconds: only who uses it imports it

    with tempfile.TemporaryDirectory(prefix="prefect-server-") as folder:
        server = SubprocessASGIServer(port=free_port())
        with temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{folder}/prefect.db"}):
            server.start(timeout=START_SECONDS)
        try:
            yield str(server.api_url)
        finally:
            server.stop()


@contextmanager
def flows_run_at(address: str) -> Iterator[None]:
    """The flows of this process are runs of that server."""
    with temporary_settings({PREFECT_API_URL: address}):
        yield
        for worker in (APILogWorker, EventsWorker):
            worker.drain_all()  # while it is that server
