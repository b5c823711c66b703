"""A night in a terminal, as a user holds it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import environment, wan_render
from tests.night.films import DAY, EVENING, make_folder, states, write_film
from wan_render.night.night_record import FilmState, NightRecord, NightState, read_night

__all__ = ["wan_render"]

Run = Callable[..., subprocess.CompletedProcess[str]]

OPTIONS = ("--outputs", "outputs", "--backend", "animatic")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for storyboards, with pictures."""
    return make_folder(tmp_path / "films")


def nights(tmp_path: Path) -> list[NightRecord]:
    """The records of all nights, in order."""
    return [read_night(folder) for folder in sorted((tmp_path / "outputs" / "nights").iterdir())]


def spoil(folder: Path, film: Path, wan_render: Run, shot: str) -> None:
    """Let a shot of a film fail whenever it is rendered: a folder is where its take's lock should be."""
    plan = json.loads(wan_render("plan", film, *OPTIONS, "--json").stdout)
    key = next(take["key"] for each in plan["shots"] if each["id"] == shot for take in each["takes"])
    (folder.parent / "outputs" / "takes" / ".locks" / key).mkdir(parents=True)


def test_every_film_is_made_and_a_broken_one_is_reported(folder: Path, wan_render: Run) -> None:
    write_film(folder, "Good", DAY + EVENING)
    failing = write_film(folder, "Failing", DAY.replace("climbs", "goes") + EVENING.replace("home", "in"))
    spoil(folder, failing, wan_render, "1/020")
    write_film(folder, "Broken", "  - {from: dawn, too: noon, action: the light climbs}\n")
    done = wan_render("night", folder, *OPTIONS, "--until", "23:59")
    assert done.returncode == 1, done.stderr
    (night,) = nights(folder.parent)
    assert states(night) == {"broken": FilmState.BROKEN, "failing": FilmState.PARTIAL, "good": FilmState.DONE}
    found = {film.slug: film for film in night.films}
    first, second = found["failing"].shots
    assert (first.slate, first.take) == ("", 1)
    assert second.slate
    home = folder.parent / "outputs/nights" / night.start.date().isoformat()
    assert all((home / attempt.log).is_file() for attempt in second.attempts)
    assert {bool(attempt.error) for attempt in second.attempts} == {True}
    assert found["failing"].hours_left > 0
    assert night.state is NightState.ENDED
    assert night.ended is not None
    assert "broken.yaml:6:" in done.stderr
    assert "did you mean 'to'?" in done.stderr
    assert (home / found["good"].video).is_file()
    assert len(done.stdout.splitlines()) <= 5
    again = wan_render("night", folder / "good.yaml", folder / "good.yaml", *OPTIONS)
    assert again.returncode == 0, again.stderr
    assert states(nights(folder.parent)[1]) == {"good": FilmState.UNCHANGED}


def test_a_folder_of_broken_storyboards_is_wrong_input(folder: Path, wan_render: Run) -> None:
    write_film(folder, "Broken", "  - {from: nowhere, to: noon}\n")
    assert wan_render("night", folder, *OPTIONS).returncode == 2
    nothing = wan_render("night", folder / "keyframes", folder / "gone.yaml", "--outputs", "outputs")
    assert nothing.returncode == 2
    assert "no storyboards are there" in nothing.stderr
    assert "gone.yaml: no such file or folder" in nothing.stderr


@pytest.mark.slow
def test_ctrl_c_frees_the_devices_and_the_same_command_goes_on(folder: Path, wan_render: Run) -> None:
    write_film(folder, "Long", "".join(DAY.replace("climbs", f"climbs {number}") for number in range(24)))
    command = [sys.executable, "-m", "wan_render.cli", "night", "films", *OPTIONS]
    takes = folder.parent / "outputs" / "takes"
    with subprocess.Popen(
        command, cwd=folder.parent, env=environment(folder.parent), stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and len(list(takes.glob("*/take.json"))) < 3:
            time.sleep(0.05)
        devices = psutil.Process(process.pid).children(recursive=True)
        assert devices
        process.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs(devices, timeout=60)
        assert not alive
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    (stopped,) = nights(folder.parent)
    assert (stopped.state, states(stopped)) == (NightState.STOPPED, {"long": FilmState.RENDERING})
    assert 0 < stopped.films[0].rendered < 24
    done = wan_render("night", "films", *OPTIONS)
    assert done.returncode == 0, done.stderr
    assert states(nights(folder.parent)[1]) == {"long": FilmState.DONE}
    assert nights(folder.parent)[1].films[0].takes < 24
