"""A farm that was killed, all of it, and is started again: nothing of its queue is lost, nothing blocks it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.conftest import Farm, environment, start
from tests.flows.films import write_film, write_slow_film
from tests.ports import free_port

pytestmark = [pytest.mark.prefect, pytest.mark.slow, pytest.mark.thorough]


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wan-render-killed-") as folder:
        yield Path(folder)


def test_a_power_cut_loses_no_film_of_the_queue(home: Path) -> None:
    variables = environment(home, free_port())
    farm = start(home, variables)
    try:
        running, starting, stopping, waiting = _interrupted(farm, home)
        farm.kill()
        farm = start(home, variables)
        assert "waits again: its process is gone: the farm was killed" in farm.said
        assert farm.state(stopping)["name"] == "Cancelled"
        assert farm.ended(starting)["name"] == "Completed"
        assert farm.ended(waiting)["name"] == "Completed"
        assert farm.state(running)["name"] == "Completed", "it went on first"
        runs = [farm.ask("GET", f"/flow_runs/{run}") for run in (starting, waiting)]
        assert runs[0]["start_time"] < runs[1]["start_time"]
        assert farm.stop() == 0
    finally:
        farm.kill()


def _interrupted(farm: Farm, home: Path) -> tuple[str, str, str, str]:
    """Four runs: one that renders, one that its worker is starting, one that is being cancelled, one that waits."""
    running = farm.run("film/now", storyboard=str(write_slow_film(home / "long")))
    farm.freeze()
    farm.processes("farm_worker")[0].suspend()  # a worker that lives would start or end the others
    films = [str(write_film(home / name, shots=1)) for name in ("starting", "stopping", "waiting")]
    starting, stopping, waiting = (farm.run("film/now", storyboard=film) for film in films)
    for run, state in ((starting, "PENDING"), (stopping, "CANCELLING")):
        farm.ask("POST", f"/flow_runs/{run}/set_state", state={"type": state}, force=True)
    return running, starting, stopping, waiting
