"""The port of a farm's server, held by the farm itself as long as it runs."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Sequence
from contextlib import ExitStack

ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
"""Browsers try both for `localhost`: whoever has one of them is that page, with all that it has stored."""

IPV4 = 4

NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""What a machine without IPv6 says."""


def listen(port: int, further: str = "") -> tuple[socket.socket, ...]:
    """Sockets that listen on this machine alone, for the server to inherit. So nobody else gets the port, and the
    password that is sent to it, before the server is ready or while it is started again. further: an IP address at
    which other machines reach this one. Raises OSError."""
    with ExitStack() as opened:
        held = []
        for family, address in _addresses(further):
            try:
                held.append(opened.enter_context(_listening(family, address, port)))
            except OSError as error:
                if family is socket.AF_INET or error.errno not in NO_SUCH_ADDRESS:
                    raise
        opened.pop_all()
    return tuple(held)


def _addresses(further: str) -> tuple[tuple[socket.AddressFamily, str], ...]:
    """Of one family, `any address` takes the place of loopback."""
    if not further:
        return ADDRESSES
    more = ipaddress.ip_address(further)
    family = socket.AF_INET if more.version == IPV4 else socket.AF_INET6
    kept = tuple(each for each in ADDRESSES if not (more.is_unspecified and each[0] is family))
    return ((family, further), *kept)


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
