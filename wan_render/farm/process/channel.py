"""Messages between a farm and a device process: pickles over a socket, each after its length.

Pickle is safe here: both ends are this package, run by the same user, and the socket has no address.
"""

from __future__ import annotations

import pickle
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wan_render.errors import WanRenderError
from wan_render.render_values import Device, Progress

_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True)
class Start:
    """To the child, once. handler: `module:function`, which makes an OrderHandler."""

    handler: str
    device: Device
    store: Path


@dataclass(frozen=True)
class OrderMessage:
    """To the child: make one attempt at an order. From now on the child prints to the file `log`.

    number: of the attempt in this process, from 1. One may be written while the next is rendered.
    """

    order: Any
    name: str
    log: Path
    number: int = 0


@dataclass(frozen=True)
class Ready:
    """From the child: it takes orders now."""


@dataclass(frozen=True)
class Logged:
    """From the child: a record of one of wan_render's loggers."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True)
class ProgressMessage:
    """From the child: an attempt's progress."""

    number: int
    progress: Progress


@dataclass(frozen=True)
class Done:
    """From the child: an attempt's result."""

    number: int
    result: Any


@dataclass(frozen=True)
class Failed:
    """From the child: an attempt's error. Number 0 means all its attempts: the child itself failed.

    usable: whether the child can be used again, because the failure had nothing to do with the device.
    """

    number: int
    error: WanRenderError
    usable: bool = False


class ClosedError(Exception):
    """The other end is gone, or this one was closed."""


class Channel:
    """One end of the connection. Any thread may call `send`; only one may call `receive`."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        """Raises OSError if the other end is gone. If the message cannot be pickled, nothing is sent."""
        self.send_bytes(pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))

    def send_bytes(self, body: bytes) -> None:
        """Send a message that is pickled already. Raises OSError if the other end is gone."""
        with self._sending:
            self._end.sendall(_LENGTH.pack(len(body)) + body)

    def receive(self) -> Any:
        """The next message. Raises ClosedError if none will come."""
        return pickle.loads(self.receive_bytes())  # noqa: S301 - from our own process, see above

    def receive_bytes(self) -> bytes:
        """The next message, not unpickled. Raises ClosedError if none will come."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return self._exactly(length)

    def close(self) -> None:
        """`receive` raises ClosedError: on this end at once, on the other after the messages that were sent."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

    def _exactly(self, count: int) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self._end.recv(min(count - len(parts), 1 << 20))
            except OSError:
                part = b""
            if not part:
                self._end.close()
                raise ClosedError
            parts += part
        return bytes(parts)
