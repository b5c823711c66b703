"""A take that another user rendered with umask 077: it exists, but this user may not read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import NOBODY, AsNobody
from tests.production.solid import CPU, Solid, a_take, film, rendered
from tests.reference import produce
from wan_render.errors import DiskError
from wan_render.plan.film_plan import StillPicture
from wan_render.session.forecast_text import forecast
from wan_render.status import State, status
from wan_render.store import Store
from wan_render.take import FramePlate

CLOSED, OPEN = a_take("dawn"), a_take("noon")

WORDS = "its take exists, but no permission to read: "


@pytest.fixture
def store(open_folder: Path) -> Iterator[Store]:
    """Of the user under test, with two takes; `CLOSED` is then closed by a test."""
    found = Store(open_folder / "outputs")
    produce(film(open_folder, {"1/010": CLOSED, "1/020": OPEN}), Solid(open_folder / "diary"), found, CPU)
    if os.geteuid() == 0:
        for path in (open_folder, *open_folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    yield found
    for path in (found.takes.folder, found.takes.folder / CLOSED.key):
        path.chmod(0o700)


def close(store: Store, what: str) -> str:
    """Make part of the take, or a folder above it, unreadable for the user under test. Returns the owner."""
    path = store.takes.folder / CLOSED.key / what
    if os.geteuid() == 0:
        os.chown(path, 0, 0)
        path.chmod(0o700 if path.is_dir() else 0o600)
        return f"{path.resolve()} belongs to root, mode 0{'7' if path.is_dir() else '6'}00"
    path.chmod(0)
    return "mode 0000"


@pytest.mark.parametrize("what", ["", "take.json", "clip.mkv"])
def test_it_is_neither_damaged_nor_rendered_and_blocks_no_other_take(
    store: Store, open_folder: Path, as_nobody: AsNobody, what: str
) -> None:
    keeper = close(store, what)
    new = a_take("dusk")

    def check() -> None:
        solid = Solid(open_folder / "diary2")
        plan = film(open_folder, {"1/010": CLOSED, "1/020": OPEN, "1/030": new})
        shot = status(plan, Store(store.root), solid).shots[0]
        assert shot.state is State.MISSING
        assert shot.why.startswith(WORDS)
        assert keeper in shot.why
        assert [take.prompt for take in status(plan, store, solid).to_render] == ["dusk"]
        alone = status(film(open_folder, {"1/010": CLOSED}), store, solid)
        assert forecast(alone, (), [CPU], "off") == "no take to render; missing: 1/010"
        version = produce(plan, solid, Store(store.root), CPU)
        assert version.slates == {"1/010": shot.why}
        assert (version.frames, solid.noted("begin")) == (15, 1)
        assert not (store.takes.folder / ".corrupt").exists()
        assert not any(word in shot.why for word in ("write", "delete", "damaged"))

    as_nobody(check)
    assert (store.takes.folder / CLOSED.key / "clip.mkv").exists()


def test_a_shot_that_needs_it_is_a_slate_that_says_so(store: Store, open_folder: Path, as_nobody: AsNobody) -> None:
    keeper = close(store, "clip.mkv")

    def check() -> None:
        plate = FramePlate(CLOSED.key, 4, CLOSED.size)
        begins = replace(a_take("dusk"), first=plate)
        plan = film(open_folder, {"0/000": CLOSED, "1/010": begins, "1/020": StillPicture(plate)})
        version = produce(plan, Solid(open_folder / "diary2"), Store(store.root), CPU)
        assert "a shot begins on it, but no permission to read: " in version.slates["1/010"]
        assert keeper in version.slates["1/010"]
        assert keeper in version.slates["1/020"]

    as_nobody(check)


def test_a_pinned_clip_that_cannot_be_read_is_named(store: Store, open_folder: Path, as_nobody: AsNobody) -> None:
    keeper = close(store, "")

    def check() -> None:
        kept = rendered(a_take("dusk"), pin=CLOSED.key[:8])
        (shot,) = status(film(open_folder, {"1/010": kept}), Store(store.root), Solid(open_folder / "d")).shots
        assert shot.why.startswith(f"circle: 1@{CLOSED.key[:8]}: {WORDS}")
        assert keeper in shot.why

    as_nobody(check)


def test_it_is_found_again_when_it_can_be_read(store: Store) -> None:
    close(store, "clip.mkv")
    (store.takes.folder / CLOSED.key / "clip.mkv").chmod(0o644)
    assert store.verify(CLOSED.key) is not None
    assert store.takes.unreadable(CLOSED.key) is None
    assert store.takes.unreadable(a_take("never").key) is None


@pytest.mark.parametrize("closed", ["outputs/films", "outputs/takes", "outputs/logs"])
def test_outputs_of_another_user_are_named_with_both_users(
    store: Store, open_folder: Path, as_nobody: AsNobody, closed: str
) -> None:
    folder = open_folder / closed
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, 0, 0)
        folder.chmod(0o755)
    else:
        folder.chmod(0o555)

    def check() -> None:
        with pytest.raises(DiskError, match=r"no permission to write: the user is .*, and .* belongs to .*, mode 0.55"):
            produce(film(open_folder, {"1/010": a_take("dusk")}), Solid(open_folder / "d"), Store(store.root), CPU)

    as_nobody(check)
    folder.chmod(0o755)


def test_takes_that_may_not_be_listed_are_an_error(store: Store, open_folder: Path, as_nobody: AsNobody) -> None:
    keeper = f"{store.takes.folder.resolve()} belongs to "
    if os.geteuid() == 0:
        os.chown(store.takes.folder, 0, 0)
    store.takes.folder.chmod(0o700 if os.geteuid() == 0 else 0)

    def check() -> None:
        (shot,) = status(film(open_folder, {"1/010": OPEN}), Store(store.root), Solid(open_folder / "d")).shots
        assert shot.why.startswith("its take may exist, but no permission to read: ")
        assert keeper in shot.why

    as_nobody(check)
