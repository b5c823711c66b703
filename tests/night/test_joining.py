"""A film that somebody asks for while a night runs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.night.films import DAY, EVENING, Noted, hours, make_folder, request, states, write_film
from wan_render.errors import StoryboardError
from wan_render.farm.attempt_events import Event
from wan_render.night.film_tonight import FilmTonight
from wan_render.night.night_record import FilmState
from wan_render.night.night_request import NightRequest, check_film_alone
from wan_render.night.whole_night import Night
from wan_render.production.render_order import RenderOrder


class Guests(Noted):
    """Asks for a film as soon as the night renders."""

    def __init__(self, asked: NightRequest, file: Path) -> None:
        super().__init__()
        self.asked, self.file = asked, file
        self.night: Night | None = None
        self.joined: FilmTonight | None = None
        self.thread: threading.Thread | None = None

    def event(self, order: RenderOrder, event: Event) -> None:
        super().event(order, event)
        if self.thread is None:
            self.thread = threading.Thread(target=self.join)
            self.thread.start()

    def join(self) -> None:
        assert self.night is not None
        assert self.night.running is not None
        self.joined = self.night.running.join(check_film_alone(self.asked, self.file, priority=9))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for storyboards, with pictures; the machine's settings are its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make_folder(tmp_path / "films")


def test_it_is_rendered_next_and_made_with_the_others(folder: Path, tmp_path: Path) -> None:
    host = write_film(folder, "Host", "".join(DAY.replace("climbs", f"climbs {number}") for number in range(12)))
    guest = write_film(folder, "Guest", EVENING)
    asked = request(host, outputs=tmp_path / "outputs")
    show = Guests(asked, guest)
    show.night = Night(asked, hours(), show)
    night = show.night.hold().night
    assert states(night) == {"host": FilmState.DONE, "guest": FilmState.DONE}
    assert show.begun.index("guest 1/010") < len(show.begun) - 1, "it does not wait for the end of the night"
    assert show.night.running is not None
    assert show.night.running.join(check_film_alone(asked, write_film(folder, "Late", EVENING))) is None
    broken = write_film(folder, "Broken", "  - {from: nowhere}\n")
    with pytest.raises(StoryboardError):
        show.night.running.join(check_film_alone(asked, broken))


def test_a_film_that_is_cancelled_leaves_the_night(folder: Path, tmp_path: Path) -> None:
    host = write_film(folder, "Host", "".join(DAY.replace("climbs", f"climbs {number}") for number in range(6)))
    guest = write_film(folder, "Guest", "".join(EVENING.replace("home", f"{number}") for number in range(40)))
    asked = request(host, outputs=tmp_path / "outputs")

    class Fickle(Guests):
        def join(self) -> None:
            super().join()
            assert self.joined is not None
            assert self.night is not None
            assert self.night.running is not None
            self.night.running.leave(self.joined)

    show = Fickle(asked, guest)
    show.night = Night(asked, hours(), show)
    night = show.night.hold().night
    assert states(night) == {"host": FilmState.DONE}
    assert night.messages == ("guest: was cancelled; finished takes are kept",)
    assert len([each for each in show.begun if each.startswith("guest")]) < 40
