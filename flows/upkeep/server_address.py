"""Where a farm's server is, and what answers there."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

import httpx

from flows.farm_home.home import LOOPBACK, RENEW
from flows.serving.gate import HTTP_PORT
from wan_render.errors import Problem, UsageError

UNPRIVILEGED, LAST_PORT = 1024, 65535
"""The first port that every user may have, and the last."""

EXAMPLE = "the farm's own server is on loopback: http://127.0.0.1:4200/api"


def own_address(api: str) -> tuple[str, int]:
    """The host and port at which this machine's server listens. Raises UsageError if it is elsewhere."""
    host, port = _parts(api)
    if urlsplit(api).scheme != "http" or host not in LOOPBACK:
        raise UsageError(
            Problem(
                "PREFECT_API_URL",
                f"names {api or 'no server'}, which is not on this machine",
                EXAMPLE,
                "unset it, or start a worker for that server instead: wan-render farm up --only worker",
            )
        )
    return host, port


def others_address(api: str) -> tuple[str, str]:
    """The host of the server that a worker works for, and a warning or "". Raises UsageError if none is named."""
    host, _ = _parts(api)
    if urlsplit(api).scheme not in {"http", "https"} or not host:
        raise UsageError(Problem("PREFECT_API_URL", f"names {api or 'no server'}", EXAMPLE))
    is_open = urlsplit(api).scheme == "http" and host not in LOOPBACK
    return host, f"warning: the password goes to {host} unencrypted; docs/server.md says how to use SSH" * is_open


def is_loopback(address: str) -> bool:
    """Whether an IP address is this machine's own. Raises UsageError if it is none."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        allowed = "an IP address of this machine: 192.168.1.5, or 0.0.0.0 for all"
        raise UsageError(Problem("--listen", f"{address} is no address", allowed)) from None


def own_names(address: str) -> tuple[str, ...]:
    """How others write an address at which the server listens; none for `0.0.0.0`, which is no name of it."""
    if not address or ipaddress.ip_address(address).is_unspecified:
        return ()
    return (f"[{address}]" if ":" in address else address,)


def past_proxies() -> dict[str, str]:
    """A proxy between the programs of one machine would read the password. Both spellings: some programs know one."""
    found = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = ",".join(filter(None, (found, "127.0.0.1", "localhost", "::1")))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def answers(api: str) -> bool:
    """Whether a Prefect server is there."""
    try:
        return httpx.get(f"{api}/health", timeout=2.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def port_taken(api: str, port: int) -> Problem:
    """What is said if another program listens at the port."""
    who = "a Prefect server that is not this farm's" if answers(api) else "another program"
    return Problem(
        f"port {port}",
        f"{who} listens there already",
        remedy=f"end it, or {_elsewhere(port)}. "
        f"If it is another user's, your browser may have sent it the password: {RENEW}",
    )


def port_refused(port: int, error: OSError) -> Problem:
    """What is said if the system lets no server listen at the port."""
    return Problem(f"port {port}", f"a server cannot listen there: {error.strerror}", remedy=_elsewhere(port))


def _elsewhere(port: int) -> str:
    other = f"http://127.0.0.1:{port + 1 if UNPRIVILEGED <= port < LAST_PORT else UNPRIVILEGED}/api"
    return f"take another port, here and wherever you type prefect: export PREFECT_API_URL={other}"


def _parts(api: str) -> tuple[str, int]:
    try:
        address = urlsplit(api)
        return address.hostname or "", address.port or HTTP_PORT
    except ValueError as error:
        raise UsageError(Problem("PREFECT_API_URL", f"{api} is no address: {error}", allowed=EXAMPLE)) from None
