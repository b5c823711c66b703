"""The farm: a server, and a worker on each machine. A film goes to one of them, and to the other one if it dies."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from benchmarks.machines.studio import BACKEND, MACHINES, PROJECT, Studio, signal_all, until
from flows.farm_home.home import PROFILES
from tests.flows.conftest import Farm, environment, start
from tests.ports import free_port

SITE = """\
import os
if "FAULTS_CONTROL" in os.environ:
    from benchmarks.machines.slow_program import prepare
    prepare()
"""
"""Every Python process of the farm gets the slow animatic."""

LONGEST_SECONDS = 1800.0


def by_farm(studio: Studio) -> None:
    """A film is rendered by the worker that comes first; that one's machine dies."""
    port, site = free_port(), studio.folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE, encoding="utf-8")
    server = _part(studio, "server", port, site, "--only", "server")
    workers: dict[str, Farm] = {}
    try:
        for name in MACHINES:
            (studio.folder / name / "farm").mkdir(mode=0o700, parents=True)
            shutil.copy(server.home / "farm" / PROFILES, studio.folder / name / "farm" / PROFILES)
            workers[name] = _part(studio, name, port, site, "--only", "worker", "--name", f"farm on {name}")
        run = server.run("film/now", storyboard=str(studio.storyboard), backend=BACKEND)
        until(120, lambda: any(worker.flows(run) for worker in workers.values()))
        (mine,) = (name for name, worker in workers.items() if worker.flows(run))

        def kill(_: str) -> None:
            for process in workers[mine].processes(""):
                signal_all(process.pid, signal.SIGKILL)

        with studio.accident(kill, mine):
            until(LONGEST_SECONDS, lambda: server.state(run)["type"] in ("COMPLETED", "FAILED", "CRASHED"))
        assert server.state(run)["name"] == "Completed", server.logs(run)
    finally:
        for farm in (*workers.values(), server):
            for process in farm.processes(""):
                process.kill()


def _part(studio: Studio, name: str, port: int, site: Path, *words: str) -> Farm:
    home = studio.folder / name
    variables = {**studio.environment(name), **environment(home, port)}
    variables |= {each: text for each, text in studio.environment(name).items() if each.startswith("WAN_RENDER")}
    variables["PYTHONPATH"] = os.pathsep.join((str(site), str(PROJECT)))
    variables["BACKEND"] = BACKEND
    return start(home, variables, *words)
