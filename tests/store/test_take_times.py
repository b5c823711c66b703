from __future__ import annotations

import json
import logging
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.values import filled, provenance, take
from wan_render.store import Store
from wan_render.store.take_times import MOST_BYTES_OF_TIMES, TIMES


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs")


def rendered(store: Store, seed: int, seconds: float = 2.0) -> None:
    store.publish(take(seed), filled(made=provenance(seconds={"loading": 1.0, "step": seconds})))


def test_the_time_of_a_take_stays_when_the_take_is_pruned(store: Store) -> None:
    rendered(store, 1)
    store.publish(take(2), filled(made=replace(provenance(), device="cuda:0 + cuda:1", device_label="NVIDIA H200")))
    store.takes.delete(take(1).key, store.takes.folder / take(1).key)

    alone, group = store.take_times()
    assert (alone.key, alone.steps, alone.seconds) == (take(1).key, 4, {"loading": 1.0, "step": 2.0})
    assert (alone.device, alone.devices, alone.label) == ("cpu", 1, "a processor")
    assert (group.device, group.devices, group.label) == ("cuda", 2, "NVIDIA H200")


def test_the_share_of_guided_steps_is_remembered_and_lines_of_before_have_all_of_them(store: Store) -> None:
    whole = take(1)
    partly = replace(whole, sampling=replace(whole.sampling, guided_share=0.75))
    for each in (whole, partly):
        store.publish(each, filled(made=provenance(seconds={"step": 2.0})))
    file = store.root / TIMES
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    del lines[0]["guided_share"]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert {times.key: times.guided_share for times in store.take_times()} == {whole.key: 1.0, partly.key: 0.75}


def test_a_take_that_is_published_twice_counts_once(store: Store) -> None:
    rendered(store, 1)
    rendered(store, 1, seconds=99.0)

    assert [times.seconds["step"] for times in store.take_times()] == [2.0]


def test_a_store_of_an_earlier_version_is_read_and_remembered(store: Store) -> None:
    for seed in (1, 2):
        rendered(store, seed)
    (store.root / TIMES).unlink()
    assert len(store.take_times()) == 2, "from the takes; nothing is written"
    assert not (store.root / TIMES).exists()

    store.prepare()
    store.takes.delete(take(1).key, store.takes.folder / take(1).key)
    assert len(store.take_times()) == 2


def test_damaged_lines_are_skipped_and_reported(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    rendered(store, 1)
    line = json.loads((store.root / TIMES).read_text())
    huge = {
        "frames": 10**30,
        "width": 0,
        "made": "2026-11-27T12:00:00",
        "seconds": {"step": float("nan")},
        "guidance": [],
    }
    with (store.root / TIMES).open("a") as stream:
        stream.writelines(json.dumps(line | {name: value}) + "\n" for name, value in huge.items())
        stream.write("\x00\x00\n[]\n" + '{"version": 1, "key": "cut o')  # the disk was full
    rendered(store, 2)

    with caplog.at_level(logging.WARNING):
        assert [times.key for times in store.take_times()] == [take(1).key, take(2).key]
    assert f"{TIMES}: 8 damaged lines are skipped" in caplog.text


def test_a_file_that_grew_too_large_is_cut_to_its_newest_half(store: Store) -> None:
    rendered(store, 1)
    rendered(store, 2)
    first, last = (store.root / TIMES).read_text().splitlines()
    old = json.loads(first)
    count = MOST_BYTES_OF_TIMES // len(first) + 2
    lines = [json.dumps(old | {"key": f"{at:064}"}) for at in range(count)]
    (store.root / TIMES).write_text("\n".join([*lines, last]) + "\n")

    store.prepare()

    assert (store.root / TIMES).stat().st_size < 0.6 * MOST_BYTES_OF_TIMES
    assert store.take_times()[-1].key == take(2).key


def test_what_lies_in_its_place_is_neither_followed_nor_waited_for(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.root.mkdir()
    precious = store.root.parent / "precious"
    precious.write_text("mine")
    (store.root / TIMES).symlink_to(precious)
    rendered(store, 1)
    assert precious.read_text() == "mine"
    assert "was not added" in caplog.text
    assert store.take_times()[0].key == take(1).key, "from the takes"

    (store.root / TIMES).unlink()
    os.mkfifo(store.root / TIMES)
    rendered(store, 2)
    store.prepare()
    assert len(store.take_times()) == 2


def _many(root: Path, first: int) -> None:
    for seed in range(first, first + 20):
        rendered(Store(root), seed)


def test_processes_may_add_at_the_same_time(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_many, [store.root] * 4, (0, 20, 40, 60)))

    assert len(store.take_times()) == 80
    assert "damaged" not in caplog.text
