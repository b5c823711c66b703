"""A Ray cluster on this machine for tests and benchmarks: a head that renders nothing, and nodes that can be killed."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

LOOPBACK = "127.0.0.2"
"""Ray replaces 127.0.0.1 by the machine's address in some places, but not in all."""

OBJECT_STORE_BYTES = 80_000_000
"""The least that Ray takes is 75 MB. Nothing large is kept there."""


class RayNodes:
    """Nodes by name. Each has the CPU as its device, with locks of its own, as a machine has."""

    def __init__(self, cluster: Any, folder: Path) -> None:
        self._cluster, self._folder = cluster, folder
        self._nodes: dict[str, Any] = {}

    def start(self, name: str, variables: Mapping[str, str] = MappingProxyType({}), gpus: int = 0) -> None:
        """variables: of the node's environment. gpus: how many Ray takes it to have."""
        given = {"WAN_RENDER_LOCKS": str(self._folder / f"locks-{name}"), **variables}
        self._nodes[name] = in_time(
            lambda: self._cluster.add_node(node_name=name, env_vars=given, num_gpus=gpus, **options(1))
        )

    def kill(self, name: str) -> None:
        """Without a word, as a machine whose power fails."""
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the nodes that live."""
        return tuple(self._nodes)


def options(cpus: int) -> dict[str, Any]:
    return {"num_cpus": cpus, "object_store_memory": OBJECT_STORE_BYTES, "node_ip_address": LOOPBACK}


def in_time(started: Callable[[], Any]) -> Any:
    """What was started. Ray gives up a node that takes 30 s, which happens on a machine that is busy."""
    for _ in range(3):
        with suppress(Exception):
            return started()
    return started()


@contextmanager
def ray_nodes() -> Iterator[RayNodes]:
    """A cluster with a token, on free ports of the loopback, that this process and its children use."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(20), "RAY_USAGE_STATS_ENABLED": "0"}
    settings["RAY_TMPDIR"] = str(folder)
    (folder / "ray").mkdir()  # Ray notes there which cluster is this machine's
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH", "")])))
        import ray
        from ray.cluster_utils import Cluster

        head = {"temp_dir": str(folder), "include_dashboard": False, "node_name": "head", **options(0)}
        cluster = in_time(lambda: Cluster(initialize_head=True, head_node_args=head))
        try:
            patch.setenv("RAY_ADDRESS", cluster.address)
            yield RayNodes(cluster, folder)
        finally:
            ray.shutdown()
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)
