"""The progress of a job, from the server's websocket. It only informs: how a job ends is asked over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wan_render.backends.comfyui.server_jobs import Job
from wan_render.backends.comfyui.servers import ComfyServer
from wan_render.printable import logger
from wan_render.render_values import Phase, Progress

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

MOST_MESSAGE_BYTES = 8 << 20
"""Of one message. A preview of a sampler is far smaller."""

_OPEN_SECONDS = 5.0
_ENDS = ("execution_success", "execution_error", "execution_interrupted")

_log = logger(__name__)


class ProgressFeed:
    """What a server says of one job: steps of a sampler, and ENCODING for each node that begins. Without a connection
    it says nothing."""

    def __init__(self, job: Job, connection: ClientConnection | None) -> None:
        self._job, self._connection = job, connection

    def events(self, seconds: float) -> Iterator[Progress | None]:
        """The events of the next seconds; None when the job has ended, and then no more."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            message = self._message(left)
            if message is None:
                continue
            found = self._event(message)
            if found is not None:
                yield found
            elif message.get("type") in _ENDS:
                yield None
                return

    def _message(self, seconds: float) -> dict[str, Any] | None:
        """The next message about the job within some seconds; None if there is none."""
        if self._connection is None:
            time.sleep(seconds)
            return None
        try:
            received = self._connection.recv(timeout=seconds)
            found = json.loads(received) if isinstance(received, str) else None
        except TimeoutError:
            return None
        except (ValueError, RecursionError):
            return None
        except Exception as error:  # noqa: BLE001 - a lost connection, in the words of any version of websockets
            _log.info("no more progress is heard: %s", error)
            self._connection = None
            return None
        data = found.get("data") if isinstance(found, dict) else None
        is_ours = isinstance(data, dict) and data.get("prompt_id") in (self._job.id, None)
        return found if is_ours else None

    def _event(self, message: dict[str, Any]) -> Progress | None:
        data = message["data"]
        if message.get("type") == "progress":
            done, total = data.get("value"), data.get("max")
            if type(done) is int and type(total) is int and 0 <= done <= total <= 1_000_000:
                return Progress(Phase.STEP, done, total)
        if message.get("type") == "executing" and data.get("node") is not None:
            return Progress(Phase.ENCODING)
        return None


@contextmanager
def progress_feed(server: ComfyServer, job: Job) -> Iterator[ProgressFeed]:
    """Listen to the server while a job is rendered."""
    connection = _connected(server, job.client) if job.client else None
    try:
        yield ProgressFeed(job, connection)
    finally:
        if connection is not None:
            with suppress(Exception):
                connection.close()


def _connected(server: ComfyServer, client: str) -> ClientConnection | None:
    from websockets.sync.client import connect

    address = f"ws{server.base.removeprefix('http')}/ws?clientId={quote(client, safe='')}"
    try:
        return connect(address, open_timeout=_OPEN_SECONDS, close_timeout=1, max_size=MOST_MESSAGE_BYTES, proxy=None)
    except Exception as error:  # noqa: BLE001 - a server without websockets renders all the same
        _log.info("no progress is heard: %s", error)
        return None
