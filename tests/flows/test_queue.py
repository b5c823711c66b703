"""The queue of a farm: order, names and mistakes while another film renders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.farm_queue.film_queue import Standing
from tests.flows.conftest import PROJECT, Farm, until
from tests.flows.films import write_film, write_slow_film

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@pytest.fixture(scope="module")
def long(farm: Farm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A film that holds the queue; its run."""
    storyboard = write_slow_film(tmp_path_factory.mktemp("long") / "long")
    run = farm.run("film/now", storyboard=str(storyboard))
    farm.freeze()
    yield run
    farm.end([run])


def test_a_mistake_is_told_while_another_film_renders(farm: Farm, long: str, tmp_path: Path) -> None:
    broken = write_film(tmp_path / "broken")
    broken.write_text(broken.read_text(encoding="utf-8").replace("duration", "duratoin"), encoding="utf-8")
    elsewhere = farm.run("film/now", storyboard="storyboard.yaml")
    empty = farm.run("batch/overnight", folder=str(tmp_path / "none"))
    told = farm.run("film/now", storyboard=str(broken))
    mistake = f"{broken}:3:12: defaults.duratoin: unknown key; did you mean 'duration'?"
    assert farm.ended(told, 30)["message"] == mistake
    until(10, lambda: farm.logs(told) == mistake)  # and no traceback; logs arrive after the end
    assert farm.tasks(told) == {}
    starts = f"relative paths start in the farm's folder {PROJECT}; name it from there, or with its whole path"
    assert farm.ended(elsewhere)["message"] == f"{PROJECT}/storyboard.yaml: no such file; {starts}"
    assert farm.ended(empty)["message"] == f"{tmp_path}/none: no such folder"
    assert farm.state(long)["type"] == "RUNNING"


def test_films_and_batches_start_in_the_order_in_which_they_were_asked_for(
    farm: Farm, long: str, tmp_path: Path
) -> None:
    write_film(tmp_path / "night" / "in-a-batch", shots=1)
    names = ["first", "next-draft", "night"]
    asked = [
        farm.run("film/now", storyboard=str(write_film(tmp_path / "first", shots=1))),
        farm.run("film/now", storyboard=str(write_film(tmp_path / "next", shots=1)), draft=True),
        farm.run("batch/overnight", folder=str(tmp_path / "night"), draft=True),
    ]
    until(60, lambda: [farm.ask("GET", f"/flow_runs/{run}")["name"] for run in asked] == names)
    running, *waiting = (film for film in farm.queue() if str(film.run) in {long, *asked})
    assert (str(running.run), running.standing) == (long, Standing.RUNNING)
    assert [(str(film.run), film.slug, film.standing) for film in waiting] == [
        (run, name, Standing.WAITING) for run, name in zip(asked, names, strict=True)
    ]
    (progress,) = until(30, lambda: farm.progress(long))
    assert progress["task_run_id"] is None, "it is of the whole film"
    assert re.match(r"\d+ of 12 takes; about .* left, until ... \d\d:\d\d", progress["description"])
    farm.ask("POST", f"/flow_runs/{long}/set_state", state={"type": "CANCELLING"}, force=True)
    for run in asked:
        state = farm.ended(run)
        assert state["name"] == "Completed", state["message"]
    runs = [farm.ask("GET", f"/flow_runs/{run}") for run in asked]
    assert sorted(runs, key=lambda run: str(run["start_time"])) == runs
    ends = [run["end_time"] for run in runs]
    assert all(run["start_time"] >= end for run, end in zip(runs[1:], ends, strict=False))
    assert "AwaitingConcurrencySlot" not in farm.states(asked[-1])
    assert farm.open_runs().isdisjoint(asked)
    drafts = [film.name for name in ("next", "in-a-batch") for film in farm.outputs.glob(f"films/{name}*")]
    assert drafts == ["next-draft", "in-a-batch-draft"], "a batch passes it on"
