"""A take that fails its checks in a night."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.night.films import Noted, request
from tests.session.faulty_films import FaultyFilm
from wan_render.night.night_book import NightBook
from wan_render.night.night_folder import new_night_folder
from wan_render.night.night_record import FilmState, NightRecord, NightState
from wan_render.night.night_request import Candidate
from wan_render.night.night_run import NightRun


def test_it_is_rendered_again_before_its_film_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    film = FaultyFilm.made(tmp_path)
    session = film.session("shots: [{from: a, action: black1}, {from: b}]", retakes=1)
    candidate = Candidate(session.file, session, slug=session.slug)
    now, outputs = datetime.now(UTC), tmp_path / "outputs"
    night = NightRecord(now, None, "UTC", NightState.RENDERING, now)
    book = NightBook(
        new_night_folder(outputs, now.date()), request(session.file, outputs=outputs), night, ZoneInfo("UTC")
    )
    book.candidates([candidate])
    NightRun(book, Noted(), outputs).run([candidate])
    (made,) = book.night.films
    assert (made.state, made.version, made.takes, made.rendered) == (FilmState.DONE, "v001", 3, 3)
    first, second = made.shots
    assert (first.take, len(first.attempts), second.take) == (2, 2, 1)
    assert first.verdict in ("pass", "flag")
