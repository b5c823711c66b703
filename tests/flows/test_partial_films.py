"""The state of a run whose film exists and lacks something."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger

from flows.film import film_state
from flows.runs.night_tasks import state_of
from wan_render.errors import FfmpegError, Problem
from wan_render.night.night_record import FilmEntry, FilmState
from wan_render.store import FilmVersion

pytestmark = pytest.mark.prefect


def test_a_film_without_a_deliverable_is_partial_and_says_what_exists(tmp_path: Path) -> None:
    unmade = (FfmpegError(Problem("deliverable gif: ffmpeg", "exited with code 1")),)
    film = FilmVersion(tmp_path / "v001", 16, Fraction(1), {}, (), "", unmade=unmade)
    with disable_run_logger():
        state = film_state(film)
    assert (state.name, state.is_failed()) == ("Partial", True)
    assert state.message == f"{film.video}, not whole: not made: deliverable gif: ffmpeg: exited with code 1"


def test_in_a_night_it_says_the_same() -> None:
    entry = FilmEntry("river.yaml", state=FilmState.PARTIAL, version="v001", message="not made: deliverable gif: x: y")
    state = state_of(entry)
    assert (state.name, state.message) == ("Partial", "v001, not whole: not made: deliverable gif: x: y")
