"""Machines that share an outputs folder and see none of each other's flocks: here, names that one process takes."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.no_space import no_space
from tests.store.values import A_TAKE, filled
from wan_render.errors import HeldElsewhereError, MachineError, UsageError
from wan_render.settings import machine_settings
from wan_render.store import FilmRecord, Store, leases
from wan_render.store.file_locks import if_free, is_still_held, lock_holder, locked
from wan_render.store.films import Films
from wan_render.store.leases import claim, lease_of
from wan_render.store.takes import Takes

On = Callable[[str], None]

LEASE = 36000
"""Seconds. So long that no heartbeat comes while a test runs."""


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> On:
    """What follows is done on the machine of this name."""
    monkeypatch.setenv("WAN_RENDER_FLOCK", "local")
    monkeypatch.setenv("WAN_RENDER_LEASE", str(LEASE))
    return lambda name: monkeypatch.setenv("WAN_RENDER_MACHINE", name)


def silent(lock: Path, seconds: float = 2 * LEASE) -> None:
    """Its holder has not touched the lease for so long."""
    past = time.time() - seconds
    os.utime(lease_of(lock), (past, past))


def test_what_another_machine_holds_is_held_until_it_is_silent(
    on: On, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = tmp_path / "lock"
    on("studio-a")
    assert claim(lock) is not None
    on("studio-b")
    silent(lock, LEASE * 0.9)
    with if_free(lock) as is_free:
        assert not is_free
    found = lock_holder(lock)
    assert found is not None
    assert found.words.startswith(f"studio-a (process {os.getpid()}, since ")
    silent(lock, LEASE * 1.1)
    assert lock_holder(lock) is None
    with caplog.at_level(logging.WARNING, "wan_render.store"), if_free(lock) as is_free:
        assert is_free
    assert f"was not heard of for {LEASE} s" in caplog.text


def test_who_was_replaced_does_not_publish(on: On, tmp_path: Path) -> None:
    takes, lock = Takes(tmp_path / "takes"), tmp_path / "takes" / ".locks" / A_TAKE.key
    on("studio-a")
    with takes.locks.claim(A_TAKE.key):
        silent(lock)
        on("studio-b")
        theirs = claim(lock)
        assert theirs is not None
        on("studio-a")
        assert not is_still_held(lock)
        with pytest.raises(HeldElsewhereError, match=r"is rendered by studio-b \(process \d+, since ") as refused:
            takes.publish(A_TAKE, filled())
        assert refused.value.machine == "studio-b"
    assert takes.find(A_TAKE.key) is None
    assert not list(takes.folder.glob(".part-*"))
    assert theirs.renew(), "the first one has let go, and the second still holds it"
    assert theirs.release()
    assert [path.name for path in lock.parent.iterdir()] == [f"{A_TAKE.key}@studio-a"], "it sees that in the next run"
    Store(tmp_path).prepare()
    assert not list(lock.parent.iterdir())


def test_a_film_is_not_published_by_who_was_replaced(on: On, tmp_path: Path) -> None:
    films = Films(tmp_path)
    on("studio-a")

    def fill(_folder: Path, _name: str) -> FilmRecord:
        silent(tmp_path / ".locks" / "river")
        on("studio-b")
        assert claim(tmp_path / ".locks" / "river") is not None
        on("studio-a")
        return FilmRecord("key", "river", "", 1, "16", (), {}, {}, {}, datetime.now(UTC), "0")

    with pytest.raises(MachineError, match=r"the film river: is made by studio-b \(process \d+, since .+\) now"):
        films.publish("river", fill)
    assert films.versions("river") == ()
    assert [path.name for path in (tmp_path / "river").iterdir()] == []


def test_who_was_silent_and_not_replaced_goes_on(on: On, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after Ctrl-Z, or on a laptop that was closed."""
    on("studio-a")
    lock = tmp_path / "lock"
    with locked(lock, lambda: None):
        before, now = lease_of(lock).read_bytes(), leases.steady_seconds()
        monkeypatch.setattr(leases, "steady_seconds", lambda: now + LEASE)
        silent(lock)
        assert is_still_held(lock)
        assert lease_of(lock).read_bytes() != before, "it was taken again, as another machine would have"
        on("studio-b")
        with if_free(lock) as is_free:
            assert not is_free
    assert not list(tmp_path.glob("lock*"))


def test_nothing_is_pruned_while_a_run_on_another_machine_uses_the_folder(on: On, tmp_path: Path) -> None:
    store, said = Store(tmp_path), list[str]()

    class WaitedError(Exception):
        """The other one would wait."""

    def waiting() -> None:
        raise WaitedError

    on("studio-a")
    with store.in_use(lambda: said.append("waits")):
        on("studio-b")
        with pytest.raises(WaitedError), store.alone(waiting):
            pass
        with store.in_use(waiting):
            pass
    with store.alone(waiting):
        on("studio-a")
        with pytest.raises(WaitedError), store.in_use(waiting):
            pass
    with store.in_use(waiting):
        pass
    assert not said


def test_of_many_one_takes_over(on: On, tmp_path: Path) -> None:
    on("studio-a")
    lock = tmp_path / "lock"
    assert claim(lock) is not None
    silent(lock)
    on("studio-b")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: claim(lock), range(8)))
    # A lease of this same machine without a flock is that of a killed run, so the last one who asks may have it.
    held = [lease for lease in found if lease is not None and lease.renew()]
    assert len(held) == 1


def test_a_new_lease_may_be_moved_away_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a run does that ends an older lease, and finds this one in its place."""
    lock, away, link = tmp_path / "lock", tmp_path / "away", leases._link

    def linked(part: Path, file: Path) -> bool:
        is_made = link(part, file)
        file.rename(away)
        return is_made

    monkeypatch.setattr(leases, "_link", linked)
    lease = claim(lock)
    away.rename(lease_of(lock))
    assert lease is not None
    assert lease.renew()


def test_a_killed_run_of_this_machine_leaves_nothing_that_is_waited_for(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert claim(lock) is not None
    with if_free(lock) as is_free:
        assert is_free
    assert not list(tmp_path.glob("lock*"))


@pytest.mark.parametrize("has_links", [True, False])
def test_nothing_is_left_of_a_lease_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(leases, "_link", lambda *_: False)
    with no_space(), pytest.raises(OSError, match="File too large"):
        claim(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []
    assert claim(tmp_path / "lock") is not None


def test_a_damaged_lease_is_over_when_it_is_old(on: On, tmp_path: Path) -> None:
    on("studio-a")
    lock = tmp_path / "lock"
    lease_of(lock).write_bytes(b"{")
    assert claim(lock) is None
    silent(lock)
    assert claim(lock) is not None


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MACHINE", "studio/a", "up to 64 letters, digits, dots, dashes and underscores"),
        ("FLOCK", "lokal", "did you mean 'local'?"),
        ("LEASE", "0", "a number from 1 on"),
    ],
)
def test_wrong_settings_are_refused(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str) -> None:
    monkeypatch.setenv(f"WAN_RENDER_{variable}", value)
    with pytest.raises(UsageError) as refused:
        machine_settings()
    assert words in str(refused.value)
