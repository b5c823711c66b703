"""An intermediate is published while the next one is made; errors arrive, and nothing half-written stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wan_render.errors import DiskError, Stopped
from wan_render.store.intermediates import Intermediates
from wan_render.store.publishing import publishing


def bytes_of(text: str) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        file.write_text(text)

    return write


def make_two(store: Intermediates, first: Callable[[Path], None], second: Callable[[Path], None]) -> list[Path]:
    with publishing(store) as each:
        made = [each.made("one", "first", ".txt", first), each.made("two", "second", ".txt", second)]
    return [each.result() for each in made]


def test_one_is_published_while_the_next_is_written(tmp_path: Path) -> None:
    store = Intermediates(tmp_path)

    def second(file: Path) -> None:
        while store.find("one") is None:
            assert threading.active_count() > 1, "nobody publishes the first one"
            time.sleep(0.001)
        file.write_text("2")

    made = make_two(store, bytes_of("1"), second)
    assert [file.read_text() for file in made] == ["1", "2"]
    assert [store.find("one"), store.find("two")] == made


def test_the_same_one_twice_is_made_once(tmp_path: Path) -> None:
    store = Intermediates(tmp_path)
    with publishing(store) as each:
        made = [each.made("one", "first", ".txt", bytes_of(text)) for text in "12"]
    assert [each.result().read_text() for each in made] == ["1", "1"]


@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt])
def test_what_was_written_before_a_stop_is_kept_and_no_part_of_the_next(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def stopped(file: Path) -> None:
        file.write_text("half")
        raise error("stop")

    store, threads = Intermediates(tmp_path), threading.active_count()
    with pytest.raises(error, match="stop"):
        make_two(store, bytes_of("1"), stopped)
    assert threading.active_count() == threads
    assert store.find("one") is not None
    assert [path.name for path in tmp_path.iterdir() if path.name != ".locks"] == ["one"]


def test_an_error_of_publishing_reaches_the_caller_and_leaves_nothing(tmp_path: Path) -> None:
    store = Intermediates(tmp_path)
    with pytest.raises(DiskError, match="one"):
        make_two(store, lambda file: file.with_name("intermediate.json").mkdir(), bytes_of("2"))
    assert [path.name for path in tmp_path.iterdir() if path.name != ".locks"] == ["two"]
    assert not list((tmp_path / ".locks").glob("one*"))
