"""What a night makes of its time: what comes first, and what is made when time is up."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.night.films import DAY, EVENING, Noted, held, hours, make_folder, request, states, write_film
from tests.upscale.networks import published
from wan_render.devices import cpu
from wan_render.errors import FfmpegError, Problem
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.night.film_tonight import WITHOUT_NETWORKS
from wan_render.night.night_record import FilmState
from wan_render.night.night_summary import film_line, summary
from wan_render.production import deliver


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for storyboards, with pictures; the machine's settings are its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("WAN_RENDER_LOCKS", str(tmp_path / "locks"))
    (tmp_path / "locks").mkdir()
    return make_folder(tmp_path / "films")


def test_films_without_time_are_made_of_what_exists(folder: Path, tmp_path: Path) -> None:
    file = write_film(folder, "River", DAY)
    outputs = tmp_path / "outputs"
    assert states(held(request(folder, outputs=outputs), hours())) == {"river": FilmState.DONE}

    write_film(folder, "River", DAY.replace("climbs", "falls"))  # nothing of the new film exists
    new = write_film(folder, "New", EVENING)
    part = write_film(folder, "Part", DAY + EVENING)
    night = held(request(file, new, part, outputs=outputs), hours(seconds=0))
    found = {film.slug: film for film in night.films}
    assert found["river"].state is FilmState.NOT_STARTED
    assert (found["river"].version, found["river"].is_new) == ("v001", False)
    assert found["new"].state is FilmState.PARTIAL, "it has no older version"
    assert [shot.slate for shot in found["new"].shots] == [f"not started: no time was left before {night.until:%H:%M}"]
    assert found["part"].state is FilmState.PARTIAL
    assert found["part"].hours_left > 0

    after = held(request(folder, outputs=outputs), hours())
    assert set(states(after).values()) == {FilmState.DONE}
    assert after.hours_left == 0


def test_a_take_that_two_films_share_is_counted_once(folder: Path, tmp_path: Path) -> None:
    both = [write_film(folder, name, DAY) for name in ("One", "Two")]
    late = held(request(*both, outputs=tmp_path / "outputs"), hours(seconds=0))
    assert (late.rendered, late.left, late.hours_left) == (0, 1, late.films[0].hours_left)
    night = held(request(*both, outputs=tmp_path / "outputs"), hours())
    assert (night.rendered, night.left, [film.rendered for film in night.films]) == (1, 0, [1, 1])
    assert "rendered: 1 take in" in "".join(summary(night, tmp_path))


def test_a_storyboard_that_cannot_even_be_read_shows_its_older_film(folder: Path, tmp_path: Path) -> None:
    file = write_film(folder, "River", DAY, slug="stream")
    held(request(file, outputs=tmp_path / "outputs"), hours())
    file.write_text("version: [1", encoding="utf-8")
    (film,) = held(request(file, outputs=tmp_path / "outputs"), hours()).films
    assert (film.state, film.version, film.is_new) == (FilmState.BROKEN, "v001", False)
    assert "films/stream/v001/" in film.poster


def test_files_of_other_folders_are_used_if_they_are_allowed(folder: Path, tmp_path: Path) -> None:
    elsewhere = make_folder(tmp_path / "elsewhere")
    file = write_film(folder, "River", DAY)
    file.write_text(
        file.read_text(encoding="utf-8").replace("keyframes/", str(elsewhere / "keyframes")), encoding="utf-8"
    )
    asked = request(file, outputs=tmp_path / "outputs")
    (refused,) = held(asked, hours()).films
    assert f"allow it with --allow {elsewhere}" in refused.message
    night = held(replace(asked, allow=(elsewhere,)), hours())
    assert states(night) == {"river": FilmState.DONE}
    assert night.command.endswith(f"--allow {elsewhere}")


def test_another_take_stands_in_for_the_circled_one(folder: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    write_film(folder, "River", DAY)
    held(request(folder, outputs=outputs), hours())
    circled = write_film(folder, "Circled", DAY.replace("}", ", takes: 2, circle: 2}"))
    (film,) = held(request(circled, outputs=outputs), hours(seconds=0)).films
    assert film.state is FilmState.PARTIAL
    (shot,) = film.shots
    assert (shot.take, shot.slate, shot.note) == (1, "", "take 1 is shown, because take 2 was not rendered")
    (whole,) = held(request(circled, outputs=outputs), hours()).films
    assert (whole.state, whole.version) == (FilmState.DONE, "v002")
    assert [(shot.take, shot.note) for shot in whole.shots] == [(2, "")]


def test_important_films_come_first_and_one_film_s_trouble_is_its_own(folder: Path, tmp_path: Path) -> None:
    write_film(folder, "A", DAY.replace("climbs", "one") + EVENING.replace("home", "one"))
    write_film(folder, "B", DAY.replace("climbs", "two"), priority=3)
    write_film(folder, "C", DAY.replace("climbs", "three"), slug="b")
    show = Noted()
    outputs = tmp_path / "outputs"
    (outputs / "films").mkdir(parents=True)
    (outputs / "films" / "a").write_text("a file where the film's folder should be")
    night = held(request(folder, outputs=outputs), hours(), show)
    assert states(night) == {"a": FilmState.FAILED, "b": FilmState.DONE, "c": FilmState.BROKEN}
    assert show.begun[0] == "b 1/010"
    assert "its slug 'b' is also that of" in next(
        film.message for film in night.films if film.slug == "b" and film.message
    )


def test_storyboards_are_read_again_at_the_start(folder: Path, tmp_path: Path) -> None:
    write_film(folder, "River", "  - {from: dawn, too: noon}\n")
    show = Noted()

    class Corrected(Noted):
        def countdown(self, left: object) -> None:
            write_film(folder, "River", DAY)
            show.waits.append(left)  # type: ignore[arg-type]  # only counted

    night = held(request(folder, outputs=tmp_path / "outputs"), hours(begins_in=0.5), Corrected())
    assert states(night) == {"river": FilmState.DONE}
    assert show.waits


def test_a_night_that_is_cancelled_before_its_start_leaves_no_record(folder: Path, tmp_path: Path) -> None:
    write_film(folder, "River", DAY)
    seen: list[int] = []

    class Impatient(Noted):
        def countdown(self, left: object) -> None:  # noqa: ARG002 - named by the caller
            seen.append(len(list((tmp_path / "outputs" / "nights").iterdir())))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        held(request(folder, outputs=tmp_path / "outputs"), hours(begins_in=60), Impatient())
    assert seen == [1], "until then there is one: it reports broken storyboards in the evening"
    assert not list((tmp_path / "outputs" / "nights").iterdir())


def test_a_device_that_is_never_free_does_not_keep_the_night(folder: Path, tmp_path: Path) -> None:
    write_film(folder, "River", DAY)
    lock = DeviceLock(Path(os.environ["WAN_RENDER_LOCKS"]), cpu())
    assert lock.acquire()
    try:
        night = held(request(folder, outputs=tmp_path / "outputs"), hours(seconds=2))
    finally:
        lock.release()
    assert states(night) == {"river": FilmState.PARTIAL}
    assert night.films[0].shots[0].slate == f"not started: no time was left before {night.until:%H:%M}"


@pytest.mark.wan
@pytest.mark.slow
def test_devices_are_free_at_the_end_although_a_film_is_not_upscaled(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path / "weights"))
    published(tmp_path / "weights", monkeypatch)
    asked = request(folder, outputs=tmp_path / "outputs")
    write_film(folder, "River", DAY)
    held(asked, hours())
    file = write_film(folder, "River", DAY, upscale="realesrgan")
    file.write_text(file.read_text(encoding="utf-8").replace("deliver: 64x64", "deliver: 128x128"), encoding="utf-8")
    show = Noted()
    (late,) = held(asked, hours(seconds=0), show).films
    assert (late.state, late.version, late.lacks) == (FilmState.PARTIAL, "v002", (WITHOUT_NETWORKS,))
    assert f"river: {WITHOUT_NETWORKS}" in show.said
    assert not list((tmp_path / "outputs" / "intermediates").rglob("intermediate.*"))
    (made,) = held(asked, hours()).films
    assert (made.state, made.version) == (FilmState.DONE, "v003")


def test_a_film_without_one_of_its_deliverables_is_made_and_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise FfmpegError(Problem("ffmpeg", "exited with code 1"))

    file, outputs = write_film(folder, "River", DAY, deliverables="[gif]"), tmp_path / "outputs"
    with monkeypatch.context() as patch:
        patch.setattr(deliver, "write_gif", fail)
        (film,) = held(request(file, outputs=outputs), hours()).films
    assert (film.state, film.version, film.is_new) == (FilmState.PARTIAL, "v001", True)
    assert film.message == "not made: deliverable gif: ffmpeg: exited with code 1"
    assert film_line(film) == f"river: partial: v001, {film.message}"
    (film,) = held(request(file, outputs=outputs), hours()).films
    assert (film.state, film.version) == (FilmState.UNCHANGED, "v001")
    assert (outputs / "films" / "river" / "v001" / "deliverables" / "river-v001-gif.gif").is_file()
