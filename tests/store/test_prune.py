from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from tests.store.values import filled, provenance, take
from wan_render.plan import FilmPlan, PlannedShot, PlannedTake, Rendered
from wan_render.render_values import Stage
from wan_render.store import FilmRecord, Store
from wan_render.store.prune import Kind, prunable, prune
from wan_render.take import Size


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs")


def plan_of(*seeds: int, pin: str | None = None, omitted: Sequence[str] = (), slug: str = "river") -> FilmPlan:
    """A film of one shot with one take for each seed."""
    content = Rendered(tuple(PlannedTake(seed, take(seed)) for seed in seeds), seeds[0], pin)
    return FilmPlan(
        title="River",
        slug=slug,
        file=Path("river.yaml"),
        backend="test/1",
        size=Size(64, 48),
        delivery=Size(64, 48),
        fit="cover",
        rate=Fraction(16),
        fade_in=0,
        fade_out=0,
        opening=(),
        shots=(PlannedShot("1/010", "1", "010", (0, 0), content, 0, 5, 0, None),),
        closing=(),
        omitted={shot: (0, place) for place, shot in enumerate(omitted, 1)},
        pictures={},
        models={},
        warnings=(),
    )


def rendered(store: Store, *seeds: int) -> None:
    for seed in seeds:
        store.publish(take(seed), filled(made=provenance(shot="1/010")))


def filmed(store: Store, slug: str, *seeds: int) -> None:
    """A version of a film that uses these takes."""
    store.films.publish(slug, _film(slug, [take(seed).key for seed in seeds]))


def _film(slug: str, keys: Sequence[str]) -> Callable[[Path, str], FilmRecord]:
    def fill(folder: Path, version: str) -> FilmRecord:
        (folder / "film.mp4").write_text(version)
        return FilmRecord(
            key="k",
            slug=slug,
            title=slug,
            frames=5,
            rate="16/1",
            takes=tuple(keys),
            slates={},
            files={},
            tags={},
            made=datetime.now(UTC),
            wan_render="0",
        )

    return fill


def listed(store: Store, plan: FilmPlan, keep: int, pins: Sequence[str] = ()) -> set[str]:
    return {found.key for found in prunable(plan, store, keep, pins)}


def keys(*seeds: int) -> set[str]:
    return {take(seed).key for seed in seeds}


def test_takes_of_the_plan_and_of_the_newest_films_stay(store: Store) -> None:
    rendered(store, 1, 2, 3, 4)
    for seed in (2, 3, 1):
        filmed(store, "river", seed)

    assert listed(store, plan_of(1), keep=1) == keys(2, 3, 4)
    assert listed(store, plan_of(1), keep=2) == keys(2, 4)
    assert listed(store, plan_of(1), keep=9) == keys(4)
    assert listed(store, plan_of(4), keep=0) == keys(1, 2, 3)


def test_takes_of_every_version_of_another_film_stay(store: Store) -> None:
    rendered(store, 1, 2, 3, 4)
    filmed(store, "lake", 2)
    filmed(store, "lake", 3)

    assert listed(store, plan_of(1), keep=1) == keys(4)


def test_takes_that_another_film_rendered_and_did_not_use_yet_stay(store: Store) -> None:
    rendered(store, 1, 2, 3)
    store.memory.remember("lake", {"1/010": {1: take(2)}})
    store.memory.remember("river", {"1/010": {1: take(3)}})

    assert listed(store, plan_of(1), keep=1) == keys(3)


def test_takes_of_omitted_shots_stay(store: Store) -> None:
    rendered(store, 1, 2, 3)
    store.memory.remember("river", {"1/020": {1: take(2)}})
    store.memory.remember("river", {"1/030": {1: take(3)}})

    assert listed(store, plan_of(1, omitted=("1/020",)), keep=1) == keys(3)


def test_a_pinned_clip_stays(store: Store) -> None:
    rendered(store, 1, 2, 3)

    assert listed(store, plan_of(1, pin=take(2).key[:8]), keep=1) == keys(3)
    assert listed(store, plan_of(1), keep=1, pins=[take(2).key[:6]]) == keys(3)


def test_listing_deletes_nothing_and_pruning_deletes_what_was_listed(store: Store) -> None:
    rendered(store, 1, 2)
    found = prunable(plan_of(1), store, 1)
    assert store.find(take(2).key) is not None
    assert found[0].what == "river 1/010 take 1"
    assert found[0].bytes > 0

    assert prune(plan_of(1), store, 1) == found

    assert store.find(take(2).key) is None
    assert store.verify(take(1).key) is not None
    assert [path.name for path in store.takes.folder.iterdir() if not path.name.startswith(".")] == [take(1).key]
    assert list(store.takes.folder.glob(".part-*")) == []


def test_damaged_takes_that_were_set_aside_go(store: Store) -> None:
    rendered(store, 1)
    (store.takes.folder / take(1).key / "clip.mkv").write_bytes(b"spoilt")
    assert store.verify(take(1).key) is None
    rendered(store, 1)

    (found,) = prune(plan_of(1), store, 1)

    assert found.what == "damaged, set aside"
    assert not found.folder.exists()
    assert store.find(take(1).key) is not None


def test_pruning_waits_for_runs_that_use_the_folder(store: Store) -> None:
    rendered(store, 1, 2)
    waited = threading.Event()
    pruning = threading.Thread(target=lambda: prune(plan_of(1), store, 1, waiting=waited.set))

    with store.in_use():
        pruning.start()
        assert waited.wait(60)
        assert store.find(take(2).key) is not None
    pruning.join(60)

    assert store.find(take(2).key) is None


def test_stages_go_with_their_takes_or_when_nothing_used_them_for_a_month(store: Store) -> None:
    rendered(store, 1)
    store.stages.keep(Stage("a" * 64, "latents of take 1", take=take(1).key), b"1")
    store.stages.keep(Stage("b" * 64, "latents of take 2", take=take(2).key), b"2")
    store.stages.keep(Stage("c" * 64, "text 'dawn'"), b"fresh")
    store.stages.keep(Stage("d" * 64, "text 'dusk'"), b"old")
    os.utime(store.stages.folder / ("d" * 64) / "stage.json", (1e9, 1e9))

    gone = prune(plan_of(1), store, 3)

    assert {(each.what, each.kind) for each in gone} == {
        ("latents of take 2", Kind.STAGE),
        ("text 'dusk'", Kind.STAGE),
    }
    assert {stage.what for stage in store.stages.kept()} == {"latents of take 1", "text 'dawn'"}
    assert prunable(plan_of(1), store, 3) == ()


def test_old_logs_are_listed_and_go_with_what_is_pruned(store: Store) -> None:
    logs = store.root / "logs"
    logs.mkdir(parents=True)
    for name, days in (("old", 31), ("new", 29)):
        (logs / f"{name}.log").write_text("printed")
        os.utime(logs / f"{name}.log", (time.time() - days * 86400,) * 2)
    (found,) = prunable(plan_of(1), store, 1)
    assert (found.what, found.kind, found.bytes) == ("old.log", Kind.LOG, 7)
    prune(plan_of(1), store, 1)
    assert [file.name for file in logs.iterdir()] == ["new.log"]


def test_a_run_removes_the_oldest_logs_beyond_a_number_but_none_of_today(store: Store) -> None:
    store.logs.folder.mkdir(parents=True)
    for number in range(6):
        file = store.logs.folder / f"{number}.log"
        file.write_text("x" * 10)
        os.utime(file, (time.time() - (5 - number) * 86400 * 0.9,) * 2)
    store.logs.sweep(most=4)
    assert [log.file.name for log in store.logs.kept()] == ["2.log", "3.log", "4.log", "5.log"]
    store.logs.sweep(most_bytes=15)
    assert [log.file.name for log in store.logs.kept()] == ["4.log", "5.log"], "4 may be a running take's"
