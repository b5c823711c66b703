"""Films that are asked for while a night runs: it takes them out of the queue."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.flows.conftest import Farm, until
from tests.flows.films import write_film
from tests.flows.test_submit import Typed, queue, typed
from wan_render.night.night_record import FilmState, read_night

__all__ = ["typed"]

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


def test_a_night_renders_what_is_submitted_and_its_run_ends_with_its_film(
    farm: Farm, typed: Typed, tmp_path: Path
) -> None:
    write_film(tmp_path / "shift" / "long-film", shots=6, raster="416x240")
    night = farm.run("batch/overnight", folder=str(tmp_path / "shift"))
    farm.rendering(night)
    devices = farm.devices()
    for process in devices:  # the night goes on for as long as this takes, and needs no CPU
        process.suspend()
    guest = farm.run("film/now", storyboard=str(write_film(tmp_path / "guest", shots=1)), priority=7)
    gone = farm.run("film/now", storyboard=str(write_film(tmp_path / "gone", shots=3)))
    same = farm.run("film/now", storyboard=str(tmp_path / "shift" / "long-film" / "storyboard.yaml"))
    until(60, lambda: all(farm.state(run)["type"] == "RUNNING" for run in (guest, gone, same)))
    moved = typed("queue", "first", "guest")
    assert moved.code == 0, moved.err
    assert "gets the next device" in moved.out
    farm.ask("POST", f"/flow_runs/{gone}/set_state", state={"type": "CANCELLING"}, force=True)
    assert farm.ended(gone, 30)["name"] == "Cancelled"
    for process in devices:
        with suppress(psutil.NoSuchProcess):  # a farm on a busy machine may have replaced it
            process.resume()
    state = farm.ended(guest)
    assert (state["name"], state["message"]) == ("Completed", "v001")
    assert farm.ended(night)["name"] == "Completed"
    assert farm.ended(same, 30)["name"] == "Completed", "it ended with the film of the night"
    until(20, lambda: farm.open_runs().isdisjoint({guest, gone, same, night}))
    newest = max((farm.outputs / "nights").iterdir(), key=lambda folder: folder.stat().st_mtime)
    found = {film.slug: film for film in read_night(newest).films}
    assert {slug: film.state for slug, film in found.items()} == {
        "long-film": FilmState.DONE,
        "guest": FilmState.DONE,
    }
    assert found["guest"].priority == 7


def test_a_night_takes_single_shots_and_what_was_approved_and_says_what_waits_and_why(
    farm: Farm, typed: Typed, tmp_path: Path
) -> None:
    write_film(tmp_path / "round" / "host", shots=6, raster="416x240")
    night = farm.run("batch/overnight", folder=str(tmp_path / "round"))
    farm.rendering(night)
    devices = farm.devices()
    for process in devices:
        process.suspend()
    part = farm.run("film/now", storyboard=str(write_film(tmp_path / "part", shots=3)), only="1/020")
    asks = write_film(tmp_path / "asks", shots=1)
    said = typed("submit", asks, "--approval", "--outputs", farm.outputs, "--backend", "animatic")
    assert "the night round renders it, once it is approved" in said.out, said.err
    other = farm.run("film/now", storyboard=str(write_film(tmp_path / "other", shots=1)), backend="wan")
    until(60, lambda: queue(typed)["asks"]["state"] == "waits for approval")
    assert "the night by animatic" in until(60, lambda: queue(typed)["other"]["waits_for"])
    assert typed("queue", "cancel", "other").code == 0
    asked = queue(typed)["asks"]["run"]
    assert typed("approve", "asks").code == 0
    until(60, lambda: farm.state(part)["type"] == farm.state(asked)["type"] == "RUNNING")
    for process in devices:
        with suppress(psutil.NoSuchProcess):
            process.resume()
    assert farm.ended(part)["name"] == "Partial", "its other shots are slates"
    assert farm.ended(asked)["name"] == "Completed"
    assert farm.ended(night)["name"] == "Partial"
    assert farm.state(other)["name"] in ("Cancelled", "Cancelling")
    newest = max((farm.outputs / "nights").iterdir(), key=lambda folder: folder.stat().st_mtime)
    found = {film.slug: film for film in read_night(newest).films}
    assert (found["asks"].state, found["host"].state) == (FilmState.DONE, FilmState.DONE)
    assert [shot.take for shot in found["part"].shots] == [None, 1, None]
    assert found["part"].command.endswith("--only 1/020")


def test_films_of_a_night_that_was_killed_wait_again_and_are_made(farm: Farm, tmp_path: Path) -> None:
    write_film(tmp_path / "fatal" / "lost-film", shots=6, raster="416x240")
    night = farm.run("batch/overnight", folder=str(tmp_path / "fatal"))
    farm.rendering(night)
    farm.freeze()
    guest = farm.run("film/now", storyboard=str(write_film(tmp_path / "survivor", shots=1)))
    until(60, lambda: farm.state(guest)["type"] == "RUNNING")
    for process in farm.flows(night):
        process.kill()
    assert farm.ended(guest)["name"] == "Completed"
    assert "Crashed" not in farm.states(guest)
    assert farm.ended(night)["name"] == "Crashed"
