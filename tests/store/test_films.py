from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from wan_render.errors import MachineError, Problem
from wan_render.store import FilmRecord, Store, read_film

SPAWN = get_context("spawn")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs")


def film(key: str, video: bytes = b"film") -> Callable[[Path, str], FilmRecord]:
    """What fills the folder of a film with this key."""

    def fill(folder: Path, version: str) -> FilmRecord:
        (folder / "film.mp4").write_bytes(video)
        (folder / "review").mkdir()
        (folder / "review" / "page.txt").write_text(version)
        return FilmRecord(
            key=key,
            slug="river",
            title="River",
            frames=321,
            rate="16/1",
            takes=("aa", "bb"),
            slates={"1/020": "the device died"},
            files={},
            tags={"title": "River"},
            made=datetime.now(UTC),
            wan_render="0",
        )

    return fill


def test_versions_count_up_and_none_is_overwritten(store: Store) -> None:
    first = store.films.publish("river", film("k1", b"one"))
    second = store.films.publish("river", film("k2", b"two"))

    assert (first.name, second.name) == ("v001", "v002")
    assert first.video.read_bytes() == b"one"
    assert store.films.latest("river") == second
    assert [version.name for version in store.films.versions("river")] == ["v001", "v002"]
    assert (second.folder / "review" / "page.txt").read_text() == "v002"


def test_a_number_is_never_given_twice_even_when_its_version_was_deleted(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for key in ("k1", "k2"):
        shutil.rmtree(store.films.publish("river", film(key)).folder)
    third = store.films.publish("river", film("k3"))
    assert third.name == "v003"
    assert caplog.text == ""

    (third.folder.parent / "versions.json").write_text("{")
    assert store.films.publish("river", film("k4")).name == "v004"
    assert "versions.json cannot be read" in caplog.text


def test_a_number_is_not_lost_with_the_run_that_failed(store: Store) -> None:
    def fail(_folder: Path, _version: str) -> FilmRecord:
        raise MachineError(Problem("film", "broken"))

    with pytest.raises(MachineError):
        store.films.publish("river", fail)

    assert store.films.publish("river", film("k1")).name == "v001"


def test_a_film_is_read_back_as_it_was_published(store: Store) -> None:
    made = store.films.publish("river", film("k1"))

    assert (made.frames, made.seconds, made.reused) == (321, Fraction(321, 16), False)
    assert made.slates == {"1/020": "the device died"}
    record = read_film(made.folder)
    assert record.takes == ("aa", "bb")
    assert set(record.files) == {"film.mp4", "review/page.txt"}
    assert store.films.slugs() == ("river",)


def test_only_the_newest_version_can_be_the_unchanged_one(store: Store) -> None:
    first = store.films.publish("river", film("k1"))
    assert store.films.unchanged("river", "k1") == first
    assert store.films.unchanged("river", "k2") is None

    store.films.publish("river", film("k2"))
    assert store.films.unchanged("river", "k1") is None


def test_a_damaged_film_is_made_again_as_the_next_version(store: Store) -> None:
    first = store.films.publish("river", film("k1"))
    first.video.write_bytes(b"fiLm")

    assert store.films.unchanged("river", "k1") is None
    assert store.films.publish("river", film("k1")).name == "v002"


@pytest.mark.parametrize("rate", ["16/0", "1x"])
def test_a_version_whose_record_has_a_damaged_rate_is_none(store: Store, rate: str) -> None:
    version = store.films.publish("river", film("a"))
    record = version.folder / "film.json"
    record.write_text(re.sub('"rate": *"[^"]*"', f'"rate": "{rate}"', record.read_text()))
    assert store.films.latest("river") is None


def test_a_folder_that_somebody_made_is_left_alone(store: Store) -> None:
    mine = store.films.folder / "river" / "v007"
    mine.mkdir(parents=True)
    (mine / "notes.txt").write_text("mine")

    assert store.films.versions("river") == ()
    assert store.films.publish("river", film("k1")).name == "v008"
    assert (mine / "notes.txt").read_text() == "mine"


def test_a_failure_leaves_no_version(store: Store) -> None:
    def fail(folder: Path, version: str) -> FilmRecord:
        (folder / "film.mp4").write_bytes(version.encode())
        raise MachineError(Problem("ffmpeg", "ended with 1"))

    with pytest.raises(MachineError, match="ended with 1"):
        store.films.publish("river", fail)

    assert list((store.films.folder / "river").iterdir()) == []


def _publish_slowly(root: Path, inside: Event) -> None:
    def fill(folder: Path, version: str) -> FilmRecord:
        record = film("k1")(folder, version)
        inside.set()
        time.sleep(60)
        return record

    Store(root).films.publish("river", fill)


def test_a_run_killed_while_it_makes_a_film_leaves_no_version_and_is_swept(store: Store) -> None:
    inside = SPAWN.Event()
    process = SPAWN.Process(target=_publish_slowly, args=(store.root, inside))
    process.start()
    assert inside.wait(60)
    store.prepare()
    assert len(list((store.films.folder / "river").glob(".part-*"))) == 1
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    assert store.films.latest("river") is None
    store.prepare()
    assert list((store.films.folder / "river").iterdir()) == []


def _publish(root: Path, start: Event) -> None:
    start.wait(60)
    Store(root).films.publish("river", film("k1"))


def test_two_processes_never_get_one_version(store: Store) -> None:
    start = SPAWN.Event()
    processes = [SPAWN.Process(target=_publish, args=(store.root, start)) for _ in range(3)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert [version.name for version in store.films.versions("river")] == ["v001", "v002", "v003"]
