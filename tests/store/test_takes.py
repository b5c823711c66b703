from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from tests.store.values import A_TAKE, filled, provenance, take
from tests.work import opened_files
from wan_render.errors import DiskError, MachineError, Problem, RenderError
from wan_render.keys import canonical
from wan_render.store import Filled, Store
from wan_render.store.file_locks import at_most, locked
from wan_render.take import Size

SPAWN = get_context("spawn")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs")


def test_looking_at_a_store_makes_nothing(store: Store) -> None:
    assert store.find(A_TAKE.key) is None
    assert store.verify(A_TAKE.key) is None
    assert store.matching("a") == ()
    assert store.memory.remembered("river") == {}
    assert store.films.latest("river") is None
    assert not store.root.exists()


def test_a_published_take_is_found_with_everything_that_is_known_of_it(store: Store) -> None:
    clip = store.publish(A_TAKE, filled(b"frames"))

    assert clip.video.read_bytes() == b"frames"
    assert (clip.frames, clip.size, clip.rate) == (5, Size(64, 48), Fraction(16))
    assert clip.first is None
    assert store.find(A_TAKE.key) == store.verify(A_TAKE.key) == clip
    assert store.matching(A_TAKE.key[:8]) == (A_TAKE.key,)
    record = store.record(A_TAKE.key)
    assert record.take == canonical(A_TAKE)
    assert record.provenance == provenance()
    assert record.files["clip.mkv"].bytes == 6


def test_the_sidecar_is_json_that_people_read(store: Store) -> None:
    clip = store.publish(A_TAKE, filled())

    sidecar = json.loads(clip.sidecar.read_text(encoding="utf-8"))

    assert sidecar["version"] == 1
    assert sidecar["take"]["prompt"] == "白鸽 over a lake"
    assert "白鸽" in clip.sidecar.read_text(encoding="utf-8")
    assert sidecar["made"].endswith("Z")


def test_a_store_opened_anew_finds_what_another_one_published(store: Store) -> None:
    store.publish(A_TAKE, filled())

    assert Store(store.root).verify(A_TAKE.key) is not None


def test_a_whole_take_that_is_there_wins(store: Store) -> None:
    store.publish(A_TAKE, filled(b"first"))

    clip = store.publish(A_TAKE, filled(b"second"))

    assert clip.video.read_bytes() == b"first"
    assert _left_over(store) == []


def test_one_changed_byte_is_found_and_the_take_set_aside_and_named(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    clip = store.publish(A_TAKE, filled(b"frames"))
    _flip(clip.video)
    assert store.find(A_TAKE.key) is not None, "the cheap look does not read the bytes"

    with caplog.at_level(logging.WARNING, "wan_render.store"):
        assert store.verify(A_TAKE.key) is None

    assert A_TAKE.key[:8] in caplog.text
    assert "clip.mkv changed" in caplog.text
    aside = store.takes.damaged(A_TAKE.key)
    assert aside == store.root / "takes" / ".corrupt" / f"{A_TAKE.key}-1"
    assert aside is not None
    assert (aside / "clip.mkv").exists()


def test_a_take_that_was_verified_before_is_verified_again_when_it_was_touched(store: Store) -> None:
    clip = store.publish(A_TAKE, filled())
    assert store.verify(A_TAKE.key) is not None
    _flip(clip.preview)

    assert store.verify(A_TAKE.key) is None


def test_a_take_is_rendered_again_after_each_damage_and_every_damaged_one_is_kept(store: Store) -> None:
    for count in (1, 2):
        _flip(store.publish(A_TAKE, filled()).video)
        assert store.verify(A_TAKE.key) is None
        assert store.takes.damaged(A_TAKE.key) == store.root / "takes" / ".corrupt" / f"{A_TAKE.key}-{count}"

    assert store.publish(A_TAKE, filled()).video.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda folder: (folder / "take.json").write_bytes(b""), id="empty record"),
        pytest.param(lambda folder: (folder / "take.json").write_bytes(b"[1]"), id="other JSON"),
        pytest.param(lambda folder: (folder / "take.json").write_bytes(os.urandom(500)), id="noise"),
        pytest.param(lambda folder: (folder / "take.json").unlink(), id="no record"),
        pytest.param(lambda folder: (folder / "preview.mp4").unlink(), id="no preview"),
        pytest.param(lambda folder: (folder / "clip.mkv").write_bytes(b"fra"), id="short clip"),
    ],
)
def test_a_take_that_is_not_whole_is_not_found_and_makes_room(store: Store, spoil: Callable[[Path], object]) -> None:
    spoil(store.publish(A_TAKE, filled()).folder)

    assert store.find(A_TAKE.key) is None
    assert store.verify(A_TAKE.key) is None
    assert store.publish(A_TAKE, filled()).video.exists()


def test_a_take_in_its_place_that_is_not_whole_is_damaged_before_it_is_set_aside(store: Store) -> None:
    clip = store.publish(A_TAKE, filled())
    assert store.takes.damaged(A_TAKE.key) is None

    clip.video.write_bytes(b"fra")

    assert store.takes.damaged(A_TAKE.key) == clip.folder


def test_a_record_that_is_no_json_is_named_plainly(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.publish(A_TAKE, filled()).sidecar.write_bytes(b"")

    assert store.verify(A_TAKE.key) is None
    assert "its record is invalid: Invalid JSON" in caplog.text


def test_a_record_of_another_take_is_damage(store: Store) -> None:
    clip = store.publish(A_TAKE, filled())
    clip.folder.rename(clip.folder.with_name(take(2).key))

    assert store.find(take(2).key) is None
    assert store.verify(take(2).key) is None


def test_an_edited_record_is_damage(store: Store) -> None:
    clip = store.publish(A_TAKE, filled())
    clip.sidecar.write_text(clip.sidecar.read_text(encoding="utf-8").replace("lake", "hill"), encoding="utf-8")

    assert store.verify(A_TAKE.key) is None


def test_a_failure_while_a_take_is_written_leaves_nothing(store: Store) -> None:
    def fail(folder: Path) -> Filled:
        (folder / "clip.mkv").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskError, match="the disk is full"):
        store.publish(A_TAKE, fail)

    assert store.find(A_TAKE.key) is None
    assert _left_over(store) == []


def test_a_take_is_found_by_reading_its_record_alone(store: Store) -> None:
    """However many takes the store has: neither theirs nor any clip is opened."""
    clip = store.publish(A_TAKE, filled())
    record = json.loads(clip.sidecar.read_text(encoding="utf-8"))
    takes = {take(seed).key: take(seed) for seed in range(2, 102)}
    keys = list(takes)
    for key in keys:
        folder = clip.folder.with_name(key)
        folder.mkdir()
        for name in ("clip.mkv", "preview.mp4"):
            (folder / name).write_bytes((clip.folder / name).read_bytes())
        of_take = json.dumps({**record, "key": key, "take": canonical(takes[key])})
        (folder / "take.json").write_text(of_take, encoding="utf-8")

    for key in keys:
        opened = opened_files(partial(store.find, key))
        assert opened == [str(clip.sidecar).replace(A_TAKE.key, key)]
    assert all(store.find(key) for key in keys)


# Several processes


def _hold_while_publishing(root: Path, inside: Event) -> None:
    def fill(folder: Path) -> Filled:
        (folder / "clip.mkv").write_bytes(b"half")
        inside.set()
        time.sleep(60)
        return Filled(provenance())

    Store(root).publish(A_TAKE, fill)


def test_a_run_killed_while_it_publishes_leaves_nothing_half_seen_and_the_next_sweeps(store: Store) -> None:
    inside = SPAWN.Event()
    process = SPAWN.Process(target=_hold_while_publishing, args=(store.root, inside))
    process.start()
    assert inside.wait(60)

    assert store.find(A_TAKE.key) is None
    store.prepare()
    assert len(_left_over(store)) == 1, "what a living run writes is not swept"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()

    assert store.find(A_TAKE.key) is None
    assert len(_left_over(store)) == 1
    store.prepare()
    assert _left_over(store) == []
    assert store.publish(A_TAKE, filled()).video.exists()


def _publish_once(root: Path, start: Event, ran: str) -> None:
    store = Store(root)
    start.wait(60)
    with store.takes.locks.lock(A_TAKE.key, lambda: None):
        if store.verify(A_TAKE.key) is None:
            (root.parent / ran).touch()
            store.publish(A_TAKE, filled())


def test_of_several_processes_one_makes_a_take_and_the_others_find_it(store: Store, tmp_path: Path) -> None:
    start = SPAWN.Event()
    names = [f"ran-{number}" for number in range(4)]
    processes = [SPAWN.Process(target=_publish_once, args=(store.root, start, name)) for name in names]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0] * 4
    assert sum((tmp_path / name).exists() for name in names) == 1


def _hold(root: Path, inside: Event) -> None:
    with Store(root).takes.locks.lock(A_TAKE.key, lambda: None):
        inside.set()
        time.sleep(60)


def test_who_waits_says_so_and_a_killed_holder_is_no_longer_waited_for(store: Store) -> None:
    inside, said = SPAWN.Event(), threading.Event()
    process = SPAWN.Process(target=_hold, args=(store.root, inside))
    process.start()
    assert inside.wait(60)

    def kill() -> None:
        said.wait(60)
        process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with store.takes.locks.lock(A_TAKE.key, said.set):
        assert said.is_set()
    killer.join()
    process.join()


def test_nobody_waits_for_a_free_lock_and_its_holder_may_ask_for_it_again(store: Store) -> None:
    def never() -> None:
        raise AssertionError("nobody holds it")

    with store.takes.locks.lock(A_TAKE.key, never), store.takes.locks.lock(A_TAKE.key, never):
        pass
    with store.takes.locks.lock(A_TAKE.key, never):
        pass
    assert list((store.root / "takes" / ".locks").iterdir()) == [], "locks that nobody holds leave no files"


def test_two_threads_do_not_share_a_lock(store: Store) -> None:
    waited = threading.Event()

    def other() -> None:
        with store.takes.locks.lock(A_TAKE.key, waited.set):
            pass

    with store.takes.locks.lock(A_TAKE.key, lambda: None):
        thread = threading.Thread(target=other)
        thread.start()
        assert waited.wait(60)
    thread.join(60)
    assert not thread.is_alive()


def test_an_error_of_the_fill_passes_as_it_is(store: Store) -> None:
    def fail(_: Path) -> Filled:
        raise RenderError(Problem("take", "broken"))

    with pytest.raises(RenderError, match="broken"):
        store.publish(A_TAKE, fail)
    assert _left_over(store) == []


def _left_over(store: Store) -> list[str]:
    return [path.name for path in (store.root / "takes").glob(".part-*")]


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_a_lock_that_is_never_freed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_PATIENCE", "0.0001")
    notices: list[int] = []
    waiting = at_most(3600.0, lambda: notices.append(1), "take 1234")
    with (
        locked(tmp_path / "lock", lambda: None),
        ThreadPoolExecutor(1) as other,
        pytest.raises(MachineError, match=r"take 1234: another run has been busy with it for [\d.]+ s \(limit 0.4 s\)"),
    ):
        other.submit(locked(tmp_path / "lock", waiting).__enter__).result()
    assert len(notices) == 2


def test_the_log_of_the_last_attempt_is_found_by_its_take(store: Store) -> None:
    store.logs.folder.mkdir(parents=True)
    for age, name in enumerate(["-2.log", "-1.log", "-2-rank1.log"]):
        log = store.logs.folder / f"1-010-take1-{A_TAKE.key[:8]}{name}"
        log.touch()
        os.utime(log, (time.time() - age, time.time() - age))
    newest = store.logs.newest_of(A_TAKE.key)
    assert newest is not None
    assert newest.name.endswith("-2.log")
    assert store.logs.newest_of("f" * 64) is None


def test_a_flipped_letter_in_a_field_of_the_record_is_damage_for_everyone_who_reads_it(store: Store) -> None:
    clip = store.publish(A_TAKE, filled())
    clip.sidecar.write_text(clip.sidecar.read_text().replace('"frames":', '"fraMes":', 1))
    assert store.find(A_TAKE.key) is None
    assert store.verify(A_TAKE.key) is None
    assert [path.name for path in store.takes.set_aside()] == [f"{A_TAKE.key}-1"]


def test_locks_of_killed_runs_are_removed_and_those_of_live_ones_are_kept(store: Store) -> None:
    store.prepare()
    left = store.takes.folder / ".locks" / "a take that nobody wants any more"
    left.touch()
    with store.takes.locks.lock(A_TAKE.key, lambda: None):
        store.prepare()
        assert sorted(path.name for path in left.parent.iterdir()) == [A_TAKE.key, f"{A_TAKE.key}.lease"]
