"""What a farm comes to when its own programs die."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.serving.listening import listen
from flows.shown.markdown import plain
from tests.flows.conftest import BEFORE_PREFECT_KILLS, Farm, until
from tests.flows.films import write_film, write_slow_film

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@pytest.fixture(scope="module")
def waiting(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A film that waits for its approval while all this happens; its run."""
    storyboard = write_film(tmp_path_factory.mktemp("waiting") / "waiting", shots=1)
    run = farm.run("film/now", storyboard=str(storyboard), approval=True)
    farm.waits(run)
    yield run
    farm.end([run])


@pytest.fixture(scope="module")
def lost(farm: Farm, waiting: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A film whose worker was stopped as a service manager stops it; its run."""
    assert waiting
    folder = tmp_path_factory.mktemp("lost")
    run = farm.run("film/now", storyboard=str(write_slow_film(folder / "lost")))
    farm.rendering(run)
    farm.processes("farm_worker")[0].send_signal(signal.SIGTERM)
    until(5, lambda: not farm.devices(), BEFORE_PREFECT_KILLS)
    yield run
    farm.end([run])


def test_a_batch_survives_a_broken_storyboard_and_the_death_of_the_server(
    farm: Farm, lost: str, tmp_path: Path
) -> None:
    assert farm.ended(lost)["name"] == "Completed"  # it waited again, before the batch
    folder = tmp_path / "night"
    broken = folder / "a-broken.yaml"
    slow = write_slow_film(folder / "b-slow", shots=6)
    broken.write_text("version: 1\nfilm: {titel: x}\n", encoding="utf-8")
    (folder / "_defaults.yaml").write_text("not: a film\n", encoding="utf-8")

    run = farm.run("batch/overnight", folder=str(folder))
    farm.rendering(run)
    server = farm.processes("flows.serving.server")[0]
    server.suspend()
    time.sleep(3)  # by now the farm's own request waits on the port, which nobody answers
    server.kill()
    server.wait(60)
    port = int(farm.environment["PREFECT_API_URL"].rpartition(":")[2].removesuffix("/api"))
    with pytest.raises(OSError, match="in use"):  # while it is away, nobody else is sent the password
        listen(port)
    until(30, lambda: "the server had died and was started again" in farm.said)

    state = farm.ended(run)
    assert (state["type"], state["name"]) == ("FAILED", "Partial"), state["message"]
    assert state["message"].startswith(f"not whole: 1 of 2 films: {broken}: broken: ")
    assert f"{broken}:2:8: film.titel: unknown key; did you mean 'title'?" in state["message"]
    assert (farm.outputs / "films" / slow.parent.name / "v001" / "film.mp4").is_file()
    table = farm.artifact(
        run, "night-night"
    )  # the server that took its updates was another one than that which made it
    assert table.startswith("# night: 1 of 2 films complete\n")
    row = r'\| <img src="/outputs/\S+/1-middle.jpg" .* \| \[b-slow\]\(\S+\) \| Completed \| v001 \| 0 \|'
    assert re.search(row, table)
    assert "|  | a-broken | Failed |  |  |" in table
    assert f"Correct it, then type: wan-render submit {plain(str(broken))}" in table


def test_a_run_that_nobody_reports_waits_again(farm: Farm, lost: str) -> None:
    assert farm.ended(lost)["name"] == "Completed"
    assert "lost: waits again: its process is gone: it died, and its worker did not say so" in farm.said


def test_a_run_that_waits_for_approval_outlives_all_that(farm: Farm, waiting: str, lost: str) -> None:
    assert farm.ended(lost)["name"] == "Completed"  # it had no process either, but it ran
    assert farm.state(waiting)["name"] == "Suspended"
    farm.resume(waiting, render=True)
    assert farm.ended(waiting)["name"] == "Completed"
