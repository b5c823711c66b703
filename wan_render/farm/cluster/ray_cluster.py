"""The connection to a Ray cluster, and the nodes that it has. Only clusters with a token are used."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from wan_render.errors import MachineError, Problem, UsageError
from wan_render.settings import install_command

AUTH_MODE = "RAY_AUTH_MODE"
"""Ray's own setting. Ray reads it when it is imported."""

TOKEN = "token"  # noqa: S105 - a mode, not a token

ADDRESS = "RAY_ADDRESS"

WHERE = "the Ray cluster"

_HOW_TO_START = "docs/ray.md says how to start a cluster with a token"


@dataclass(frozen=True)
class ClusterNode:
    """A machine of the cluster that is alive.

    id: Ray's. name: its host name, or the one that Ray was started with; made unique. gpus, cpus: how many Ray gives
    out.
    """

    id: str
    name: str
    gpus: int
    cpus: int


def connect() -> None:
    """Connect this process to the cluster, unless it is connected. No cluster is ever started.

    Raises UsageError if the settings cannot be used, and MachineError if there is no cluster, or it does not answer.
    """
    if find_spec("ray") is None:
        raise MachineError(Problem("ray", "is not installed", remedy=install_command("ray")))
    _require_token_mode()
    address = os.environ.get(ADDRESS) or "auto"
    if "://" in address:
        raise UsageError(
            Problem(
                ADDRESS, f"{address!r} is for Ray's client", "HOST:PORT of the head node", f"unset it; {_HOW_TO_START}"
            )
        )
    import ray
    from ray.exceptions import RayError

    if ray.is_initialized():
        return
    try:
        with _our_signal_handlers():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        raise _unreachable(address, error) from error


def nodes() -> tuple[ClusterNode, ...]:
    """The nodes that are alive. `connect` comes first. Raises MachineError if the cluster does not answer."""
    import ray
    from ray.exceptions import RayError

    try:
        alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call] # Ray's
    except (RayError, RuntimeError, ConnectionError) as error:
        raise _unreachable("", error) from error
    names = [_own_name(node) for node in alive]
    counts = Counter(names)
    return tuple(
        ClusterNode(
            node["NodeID"],
            name if counts[name] == 1 else f"{name}-{node['NodeID'][:6]}",
            int(node["Resources"].get("GPU", 0)),
            int(node["Resources"].get("CPU", 0)),
        )
        for node, name in zip(alive, names, strict=True)
    )


def _own_name(node: dict[str, str]) -> str:
    given = node.get("NodeName") or ""
    return given if given and given != node["NodeManagerAddress"] else node["NodeManagerHostname"]


def _require_token_mode() -> None:
    """Everybody who reaches a cluster without a token can run programs on it. So this process asks for one."""
    mode = os.environ.setdefault(AUTH_MODE, TOKEN)
    if mode.lower() != TOKEN:
        raise UsageError(
            Problem(
                AUTH_MODE, f"{mode!r} lets anybody use the cluster", f"allowed: {TOKEN}", f"unset it; {_HOW_TO_START}"
            )
        )


@contextmanager
def _our_signal_handlers() -> Iterator[None]:
    """Ray replaces the handler of SIGTERM, which stops a run as Ctrl-C does."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if signal.getsignal(signal.SIGTERM) is not before:
        signal.signal(signal.SIGTERM, before)


def _unreachable(address: str, error: Exception) -> MachineError:
    said = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
    where = f"{WHERE} at {address}" if address not in ("", "auto") else WHERE
    return MachineError(
        Problem(
            where,
            f"cannot be used: {said}",
            "a cluster that this machine is a node of, and its token in ~/.ray/auth_token",
            _HOW_TO_START,
        )
    )
