from __future__ import annotations

import errno
import json
import logging
import os
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.store.values import A_TAKE, take
from wan_render.errors import InputError
from wan_render.keys import canonical
from wan_render.store import Store

SPAWN = get_context("spawn")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs")


def storyboard(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_text("version: 1\n")
    return file


def test_what_was_rendered_last_under_a_shot_is_remembered(store: Store) -> None:
    store.memory.remember("river", {"1/010": {1: A_TAKE}})
    store.memory.remember("river", {"1/010": {2: take(2)}})
    store.memory.remember("river", {"1/010": {1: take(3)}})

    assert store.memory.remembered("river") == {"1/010": {1: canonical(take(3)), 2: canonical(take(2))}}
    assert store.memory.remembered("lake") == {}


def test_what_is_remembered_already_is_not_written_again(store: Store) -> None:
    store.memory.remember("river", {"1/010": {1: A_TAKE}, "1/020": {1: take(2)}})
    file = store.films.folder / "river" / "memory.json"
    before = file.stat().st_ino

    store.memory.remember("river", {"1/020": {1: take(2)}})

    assert file.stat().st_ino == before


def test_a_damaged_memory_costs_words_and_is_named(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.memory.remember("river", {"1/010": {1: A_TAKE}})
    for garbage in (b"", b"[]", b'{"shots": 3}', b"\xff\xfe"):
        (store.films.folder / "river" / "memory.json").write_bytes(garbage)
        with caplog.at_level(logging.WARNING, "wan_render.store"):
            assert store.memory.remembered("river") == {}
        assert "memory.json cannot be read" in caplog.text
        caplog.clear()

    store.memory.remember("river", {"1/010": {1: A_TAKE}})
    assert store.memory.remembered("river") == {"1/010": {1: canonical(A_TAKE)}}


def _remember_many(root: Path, first: int) -> None:
    store = Store(root)
    for number in range(first, first + 20):
        store.memory.remember("river", {f"1/{number:03}": {1: take(number)}})


def test_two_processes_forget_nothing(store: Store) -> None:
    processes = [SPAWN.Process(target=_remember_many, args=(store.root, first)) for first in (0, 20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0]
    assert len(store.memory.remembered("river")) == 40


def test_two_storyboards_with_one_slug_are_refused_in_four_parts(store: Store, tmp_path: Path) -> None:
    first, second = storyboard(tmp_path, "first.yaml"), storyboard(tmp_path, "second.yaml")
    store.memory.claim("river", first)

    with pytest.raises(InputError) as caught:
        store.memory.claim("river", second)

    problem = caught.value.problems[0]
    assert problem.where == str(second)
    assert str(first) in problem.found
    assert problem.allowed
    assert "slug" in problem.remedy
    store.memory.claim("river", first)
    with pytest.raises(InputError):
        store.memory.refuse_rival("river", second)


def test_a_storyboard_keeps_its_slug_by_any_path(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = storyboard(tmp_path, "river.yaml")
    store.memory.claim("river", file)
    monkeypatch.chdir(tmp_path)
    store.memory.claim("river", Path("river.yaml"))
    link = tmp_path / "link.yaml"
    link.symlink_to(file)

    store.memory.claim("river", link)


def test_a_storyboard_in_a_moved_folder_takes_its_film_over_and_the_log_says_so(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "project").mkdir()
    file = storyboard(tmp_path / "project", "river.yaml")
    store.memory.claim("river", file)
    assert (store.memory.succession("river", file), caplog.messages) == ("", [])
    moved = (tmp_path / "project").rename(tmp_path / "moved") / "river.yaml"

    said = store.memory.succession("river", moved)
    assert str(file) in said
    assert str(moved) in said
    store.memory.claim("river", moved)

    assert caplog.messages == [said]
    assert store.memory.succession("river", moved) == ""


def test_a_storyboard_that_may_not_be_looked_at_keeps_its_slug(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = storyboard(tmp_path, "river.yaml"), storyboard(tmp_path, "other.yaml")
    store.memory.claim("river", owner)
    really = Path.stat

    def closed(path: Path, **options: bool) -> os.stat_result:
        if path == owner:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return really(path, **options)

    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(InputError, match="already belongs to"):
        store.memory.claim("river", other)


def test_a_renamed_storyboard_is_not_locked_out(store: Store, tmp_path: Path) -> None:
    file = storyboard(tmp_path, "river.yaml")
    store.memory.claim("river", file)
    moved = file.rename(tmp_path / "moved.yaml")

    store.memory.claim("river", moved)

    with pytest.raises(InputError):
        store.memory.claim("river", storyboard(tmp_path, "river.yaml"))


def test_a_slug_that_its_storyboard_gave_up_is_free(store: Store, tmp_path: Path) -> None:
    first, second = storyboard(tmp_path, "first.yaml"), storyboard(tmp_path, "second.yaml")
    store.memory.claim("river", first)
    store.memory.claim("lake", first)

    store.memory.claim("river", second)

    with pytest.raises(InputError):
        store.memory.claim("lake", second)


def test_a_draft_belongs_to_the_storyboard_of_its_film(store: Store, tmp_path: Path) -> None:
    first, second = storyboard(tmp_path, "first.yaml"), storyboard(tmp_path, "second.yaml")
    store.memory.claim("river", first)
    store.memory.claim("river-draft", first)
    store.memory.claim("river", first)

    for slug in ("river", "river-draft"):
        with pytest.raises(InputError):
            store.memory.claim(slug, second)


def test_a_claim_that_cannot_be_read_locks_nobody_out(store: Store, tmp_path: Path) -> None:
    file = storyboard(tmp_path, "river.yaml")
    store.memory.claim("river", file)
    (store.films.folder / "river" / "storyboard.json").write_text("{")

    store.memory.claim("river", storyboard(tmp_path, "other.yaml"))

    claim = json.loads((store.films.folder / "river" / "storyboard.json").read_text())
    assert claim == {"version": 1, "file": str(tmp_path / "other.yaml")}
