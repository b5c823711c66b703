from __future__ import annotations

import errno
import pickle
import resource
import subprocess
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.store.values import A_TAKE, filled
from wan_render.errors import DiskError
from wan_render.store import Store
from wan_render.store.disk import disk_error, gigabytes, write_whole

SPAWN = get_context("spawn")
MEGABYTE = 1 << 20


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing_and_says_what_to_do(small_disk: Path) -> None:
    store = Store(small_disk / "outputs")

    with pytest.raises(DiskError) as caught:
        store.publish(A_TAKE, filled(b"x" * 9 * MEGABYTE))

    problem = caught.value.problems[0]
    assert problem.found == "the disk is full"
    assert all((problem.where, problem.found, problem.allowed, problem.remedy))
    assert store.find(A_TAKE.key) is None
    assert list((store.root / "takes").glob(".part-*")) == []
    assert store.publish(A_TAKE, filled(b"small")).video.exists(), "the room was given back"


def test_a_read_only_file_system_is_named(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)  # noqa: S607

    with pytest.raises(DiskError, match="read-only") as caught:
        Store(small_disk / "outputs").prepare()

    assert "--outputs" in caught.value.problems[0].remedy


def _publish_with_small_files(root: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE, MEGABYTE))
    try:
        Store(root).publish(A_TAKE, filled(b"x" * 2 * MEGABYTE))
    except DiskError as error:
        (root.parent / "error.pickle").write_bytes(pickle.dumps(error))


def test_a_file_that_may_not_grow_is_a_disk_error_that_pickles(tmp_path: Path) -> None:
    process = SPAWN.Process(target=_publish_with_small_files, args=(tmp_path / "outputs",))
    process.start()
    process.join(60)

    error = pickle.loads((tmp_path / "error.pickle").read_bytes())  # noqa: S301 - our own, of a moment ago
    assert isinstance(error, DiskError)
    assert error.problems[0].found == "the file would be larger than this system allows"
    assert Store(tmp_path / "outputs").find(A_TAKE.key) is None


def test_outputs_that_are_a_file_are_refused_in_four_parts(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("not a folder")

    with pytest.raises(DiskError) as caught:
        Store(tmp_path / "outputs").prepare()

    problem = caught.value.problems[0]
    assert problem.where == str(tmp_path / "outputs")
    assert problem.found == "there is a file where a folder is needed"
    assert problem.allowed
    assert problem.remedy.startswith("move the file away, or keep the outputs elsewhere: --outputs DIR")


def test_outputs_below_a_file_are_named_as_the_user_named_them() -> None:
    with pytest.raises(DiskError) as caught:
        Store(Path("/dev/null/films")).prepare()

    assert caught.value.problems[0].where == "/dev/null/films"
    assert caught.value.problems[0].found == "there is a file where a folder is needed"


def test_a_file_within_the_outputs_is_named_itself(tmp_path: Path) -> None:
    (tmp_path / "takes").touch()

    with pytest.raises(DiskError) as caught:
        Store(tmp_path).prepare()

    assert caught.value.problems[0].where == str(tmp_path / "takes")


def test_what_has_no_words_of_its_own_is_told_in_those_of_the_system(tmp_path: Path) -> None:
    error = disk_error(tmp_path, OSError(errno.ENOENT, "No such file or directory"))

    assert error.problems[0].found == "cannot be written: no such file or directory"


@pytest.mark.parametrize(("count", "said"), [(400_000, "0 MB"), (999_000_000, "999 MB"), (2_345_000_000, "2.3 GB")])
def test_amounts_are_told_in_the_unit_that_fits(count: int, said: str) -> None:
    assert gigabytes(count) == said


def test_more_than_is_free_is_refused_before_anything_starts(tmp_path: Path) -> None:
    store = Store(tmp_path / "outputs")
    store.need(1)

    with pytest.raises(DiskError) as caught:
        store.need(10**18)

    problem = caught.value.problems[0]
    assert "are free" in problem.found
    assert "1000000000.0 GB" in problem.allowed
    assert not store.root.exists()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    write_whole(file, b"before")
    with pytest.raises(TypeError):
        write_whole(file, "text")  # type: ignore[arg-type]

    assert file.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["memory.json"]
