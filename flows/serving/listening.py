"""The port of a farm's server, held by the farm itself as long as it runs."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack

ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
"""Browsers try both for `localhost`: whoever has one of them is that page, with all that it has stored."""

NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""What a machine without IPv6 says."""


def listen(port: int) -> tuple[socket.socket, ...]:
    """Sockets that listen on this machine alone, for the server to inherit. So nobody else gets the port, and the
    password that is sent to it, before the server is ready or while it is started again. Raises OSError."""
    with ExitStack() as opened:
        held = []
        for family, address in ADDRESSES:
            try:
                held.append(opened.enter_context(_listening(family, address, port)))
            except OSError as error:
                if family is socket.AF_INET or error.errno not in NO_SUCH_ADDRESS:
                    raise
        opened.pop_all()
    return tuple(held)


def inherited(descriptors: Sequence[str]) -> list[socket.socket]:
    """The sockets that the farm has handed on, by their numbers."""
    return [socket.socket(fileno=int(descriptor)) for descriptor in descriptors]


def _listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    opened = socket.socket(family)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((address, port))
        opened.listen()
    except BaseException:
        opened.close()
        raise
    return opened
