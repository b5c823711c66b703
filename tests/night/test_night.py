"""A night in a terminal, as a user holds it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import wan_render
from wan_render.night.night_record import FilmState, NightRecord, NightState, read_night

__all__ = ["wan_render"]

Run = Callable[..., subprocess.CompletedProcess[str]]

HEAD = """\
version: 1
film: {FILM, raster: 64x64, deliver: 64x64}
defaults: {duration: 1s, render: {seed: 5}}
keyframes: keyframes/
shots:
"""
GOOD = "  - {from: dawn, to: noon, action: the light climbs}\n"
FAILING = "  - {from: noon, to: dusk, action: boats come home}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for storyboards, with pictures."""
    pictures = tmp_path / "films" / "keyframes"
    pictures.mkdir(parents=True)
    for name, colour in (("dawn", (200, 120, 60)), ("noon", (120, 160, 220)), ("dusk", (60, 40, 120))):
        Image.new("RGB", (96, 96), colour).save(pictures / f"{name}.png")
    return tmp_path / "films"


def write(folder: Path, title: str, shots: str, **film: object) -> Path:
    """A storyboard with this title."""
    keys = ", ".join(f"{key}: {value}" for key, value in {"title": title, **film}.items())
    file = folder / f"{title.lower()}.yaml"
    file.write_text(HEAD.replace("FILM", keys) + shots, encoding="utf-8")
    return file


def nights(tmp_path: Path) -> list[NightRecord]:
    """The records of all nights, in order."""
    return [read_night(folder) for folder in sorted((tmp_path / "outputs" / "nights").iterdir())]


def states(night: NightRecord) -> dict[str, FilmState]:
    """The state of each storyboard, by its file's name."""
    return {Path(film.storyboard).stem: film.state for film in night.films}


def test_every_film_is_made_and_a_broken_one_is_reported(folder: Path, wan_render: Run) -> None:
    write(folder, "Good", GOOD + FAILING)
    write(folder, "Broken", "  - {from: dawn, too: noon, action: the light climbs}\n")
    done = wan_render("night", folder, "--outputs", "outputs", "--backend", "animatic", "--until", "23:59")
    assert done.returncode == 1, done.stderr
    (night,) = nights(folder.parent)
    assert states(night) == {"broken": FilmState.BROKEN, "good": FilmState.DONE}
    assert night.state is NightState.ENDED
    assert night.ended is not None
    assert "broken.yaml:6:" in done.stderr
    assert "did you mean 'to'?" in done.stderr
    assert (folder.parent / "outputs/nights" / night.start.date().isoformat() / night.films[1].video).is_file()
    again = wan_render("night", folder / "good.yaml", "--outputs", "outputs", "--backend", "animatic")
    assert again.returncode == 0, again.stderr
    assert states(nights(folder.parent)[1]) == {"good": FilmState.UNCHANGED}


def test_a_folder_of_broken_storyboards_is_wrong_input(folder: Path, wan_render: Run) -> None:
    write(folder, "Broken", "  - {from: nowhere, to: noon}\n")
    assert wan_render("night", folder, "--outputs", "outputs", "--backend", "animatic").returncode == 2
    nothing = wan_render("night", folder / "keyframes", "--outputs", "outputs")
    assert nothing.returncode == 2
    assert "no storyboards are there" in nothing.stderr
