"""The farm's link to a device process on a node of the cluster."""

from __future__ import annotations

import pickle
import uuid
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from wan_render.errors import WanRenderError
from wan_render.farm.process.channel import ClosedError, Start
from wan_render.farm.process.process_link import EXIT_SECONDS

ANSWER_SECONDS = 5.0
"""How long a living node may take to answer a short question."""


class HostedProcess:
    """A ProcessLink through a DeviceHost. The process starts while the farm goes on."""

    def __init__(self, host: Any, node: str, start: Start, log: Path) -> None:
        """host: the actor, a DeviceHost. node: its name."""
        self._host, self._node, self._key = host, node, uuid.uuid4().hex
        self._pid = host.start.remote(self._key, start, log)
        self._unread: deque[bytes] = deque()
        self._has_ended = False
        self._why = ""
        self.is_out_of_reach = False
        """See ProcessLink."""

    @property
    def pid(self) -> int:
        """See ProcessLink."""
        return int(_answer(self._pid, EXIT_SECONDS))

    @property
    def is_running(self) -> bool:
        """See ProcessLink."""
        return not self._has_ended

    def send(self, message: object) -> None:
        """See ProcessLink. If it ends now, `receive` says so."""
        body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        if self._has_ended:
            raise BrokenPipeError(f"the process on {self._node} has ended")
        self._host.send.remote(self._key, body)

    def receive(self) -> Any:
        """See ProcessLink. Raises ClosedError also if the node is lost."""
        while not self._unread:
            self._unread.extend(self._received())
        return pickle.loads(self._unread.popleft())  # noqa: S301 - from our own process, through Ray, which checks a token

    def kill(self) -> None:
        """See ProcessLink. What is out of reach dies with its host."""
        self._has_ended = True
        with suppress(RayError, RuntimeError):  # RuntimeError: Ray was shut down
            self._host.kill.remote(self._key)

    def dismiss(self) -> None:
        """See ProcessLink."""
        with suppress(RayError, RuntimeError):
            self._host.dismiss.remote(self._key)

    def wait(self) -> None:
        """See ProcessLink."""
        if not self._why:
            with suppress(RayError):
                _answer(self._host.wait.remote(self._key), EXIT_SECONDS + ANSWER_SECONDS)

    def death(self) -> str:
        """See ProcessLink."""
        if not self._why:
            try:
                self._why = str(_answer(self._host.death.remote(self._key), EXIT_SECONDS + ANSWER_SECONDS))
            except RayError as error:
                self._why = _in_words(error, self._node)
        return self._why

    def used_bytes(self) -> int | None:
        """See ProcessLink."""
        with suppress(RayError):
            used: int | None = _answer(self._host.used_bytes.remote(self._key), ANSWER_SECONDS)
            return used
        return None

    def _received(self) -> list[bytes]:
        try:
            _answer(self._pid)
            bodies: list[bytes] = _answer(self._host.receive.remote(self._key))
        except RayError as error:
            self.is_out_of_reach = isinstance(error, RayActorError)
            self._has_ended, self._why = True, _in_words(error, self._node)
            raise ClosedError from error
        if not bodies:
            self._has_ended = True
            raise ClosedError
        return bodies


def _answer(asked: Any, seconds: float | None = None) -> Any:
    """What a host answers. Raises RayError if it fails, is lost, or takes longer."""
    return ray.get(asked, timeout=seconds)


def _in_words(error: RayError, node: str) -> str:
    """What an error of Ray means for the process on a node."""
    if isinstance(error, RayActorError):
        return f"was lost with its node {node}: its machine, its Ray or the network failed"
    if isinstance(error, RayTaskError) and isinstance(error.cause, WanRenderError):
        return error.cause.problems[0].found
    return f"was lost, because its node {node} does not answer: {str(error).strip().splitlines()[0][:200]}"
