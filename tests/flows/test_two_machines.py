"""A server on PostgreSQL, and the workers of two machines, each part a process of its own, as systemd starts them. Here
both machines are one: each has a farm's folder and device locks of its own, and both share the outputs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.farm_home.home import PROFILES
from tests.flows.conftest import Farm, environment, start, until
from tests.flows.films import write_film, write_slow_film
from tests.flows.postgresql import postgresql
from tests.ports import free_port

pytestmark = [pytest.mark.prefect, pytest.mark.slow]

TAKES = 8


@dataclass
class Site:
    """The server and both workers."""

    server: Farm
    first: Farm
    second: Farm

    def worker(self, which: Farm) -> Farm:
        """Start it, or start it again."""
        home = which.home
        return start(home, which.environment, "--only", "worker", "--name", f"farm on {home.name}")

    def films(self) -> dict[str, str]:
        """What each worker renders."""
        status = json.loads(self.server.wan_render("farm", "status", "--json").stdout)
        return {machine["worker"].removeprefix("farm on "): machine["film"] for machine in status["machines"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    top, port = tmp_path_factory.mktemp("site"), free_port()
    with postgresql(free_port()) as database:
        variables = environment(top / "server", port)
        server = start(
            top / "server", {**variables, "PREFECT_SERVER_DATABASE_CONNECTION_URL": database}, "--only", "server"
        )
        workers = []
        try:
            for name in ("first", "second"):
                home = top / name
                shared = {**environment(home, port), "WAN_RENDER_OUTPUTS": variables["WAN_RENDER_OUTPUTS"]}
                (home / "farm").mkdir(mode=0o700)
                shutil.copy(server.home / "farm" / PROFILES, home / "farm" / PROFILES)
                workers.append(start(home, shared, "--only", "worker", "--name", f"farm on {name}"))
            yield Site(server, *workers)
        finally:
            for farm in (*workers, server):
                for process in farm.processes(""):
                    process.kill()


def take_states(farm: Farm, run: str) -> set[str]:
    """The states in which takes of a run have ended."""
    return {state for name, states in farm.tasks(run).items() if " take " in name for state in states}


def test_the_workers_take_a_film_each_and_a_killed_one_costs_no_take(site: Site, tmp_path: Path) -> None:
    server = site.server
    assert "2 films are made at a time now, one on each machine" in site.second.said
    assert not (server.home / "farm" / "prefect.db").exists(), "the database is PostgreSQL"
    folders = [tmp_path / name for name in ("one", "two")]
    runs = [server.run("film/now", storyboard=str(write_slow_film(folder, TAKES))) for folder in folders]
    until(60, lambda: all(site.films().get(name) for name in ("first", "second")))
    (killed,) = until(60, lambda: [run for run in runs if site.second.flows(run)])
    (other,) = (run for run in runs if run != killed)
    until(60, lambda: "Completed" in take_states(server, killed))
    site.second.kill()
    second = site.worker(site.second)
    assert "waits again: its process is gone: the farm was killed" in second.said
    assert server.ended(other)["name"] == "Completed"
    assert server.ended(killed)["name"] == "Completed"
    assert "Reused" in take_states(server, killed), "what was finished is not rendered again"
    assert server.takes() == 2 * TAKES
    site.second = second


@pytest.mark.thorough  # test_farm_control drains a farm in the same way, and its film goes on
def test_a_machine_that_is_stopped_hands_its_film_to_the_other(site: Site, tmp_path: Path) -> None:
    """As at a reboot: systemd runs `farm stop`. The film goes on where it was."""
    server, before = site.server, site.server.takes()
    run = server.run("film/now", storyboard=str(write_slow_film(tmp_path / "handed over", TAKES)))
    until(60, lambda: site.first.flows(run) or site.second.flows(run))
    mine, other = (site.first, site.second) if site.first.flows(run) else (site.second, site.first)
    until(60, lambda: server.takes() > before)
    stopped = mine.wan_render("farm", "stop", "--only", "worker")
    assert stopped.returncode == 0, stopped.stderr
    assert mine.process.wait(60) == 0
    assert mine.processes("") == []
    assert server.ended(run)["name"] == "Completed"
    assert "waits again: the farm was drained. Finished takes are kept" in server.logs(run)
    assert server.takes() == before + TAKES
    assert [states.count("Completed") for name, states in server.tasks(run).items() if " take " in name] == [1] * TAKES
    small = server.run("film/now", storyboard=str(write_film(tmp_path / "small", shots=1)))
    assert server.ended(small)["name"] == "Completed"
    assert other.wan_render("farm", "stop", "--now").returncode == 0
    assert server.wan_render("farm", "stop").returncode == 0
    assert server.process.wait(60) == 0
    assert server.processes("") == []
