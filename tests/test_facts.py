"""The cache of facts: by content, for several processes, and never in the way."""

from __future__ import annotations

import gc
import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from wan_render import facts
from wan_render.facts import FactCache, forget_digest

LONG_AGO = 1_600_000_000


def written(file: Path, data: bytes, when: int = LONG_AGO) -> Path:
    file.write_bytes(data)
    os.utime(file, (when, when))
    return file


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    file = written(tmp_path / "a", b"dawn")
    assert FactCache(tmp_path).digest(file) == hashlib.sha256(b"dawn").hexdigest()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change time cannot be set into the past as a modification time can: files count as settled at once."""
    monkeypatch.setattr(facts, "_SETTLED_NS", -1)


def in_place(file: Path, data: bytes) -> None:
    """Other bytes of the same size in the same inode with the same modification time, as `rsync --inplace -t`
    writes them."""
    before = file.stat()
    time.sleep(0.02)  # the kernel's clock for change times ticks every few milliseconds
    with file.open("r+b") as stream:
        stream.write(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_ino, after.st_mtime_ns) == (before.st_size, before.st_ino, before.st_mtime_ns)


@pytest.mark.usefixtures("settled")
def test_a_file_that_is_as_it_was_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(tmp_path / "a", b"dawn")
    first = FactCache(tmp_path).digest(file)
    monkeypatch.setattr(facts, "_hash", lambda path: pytest.fail(f"{path} is read again"))
    assert FactCache(tmp_path).digest(file) == first


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", ["bytes and size", "time", "inode", "in place"])
def test_a_changed_file_is_read_again(tmp_path: Path, change: str) -> None:
    file = written(tmp_path / "a", b"dawn")
    cache = FactCache(tmp_path)
    cache.digest(file)
    if change == "bytes and size":
        written(file, b"dusk!")
    elif change == "time":
        written(file, b"dusk", LONG_AGO + 1)
    elif change == "inode":
        written(tmp_path / "b", b"dusk").replace(file)
    else:
        in_place(file, b"dusk")
    right = hashlib.sha256(file.read_bytes()).hexdigest()
    assert cache.digest(file) == FactCache(tmp_path).digest(file) == right


@pytest.mark.usefixtures("settled")
def test_a_digest_that_was_found_wrong_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system keeps no change time of its own, the stamps of both are equal."""
    stamp = facts._stamp
    monkeypatch.setattr(facts, "_stamp", lambda found, path: (*stamp(found, path)[:2], 0, 0))
    file = written(tmp_path / "a", b"dawn")
    cache = FactCache(tmp_path)
    wrong = cache.digest(file)
    in_place(file, b"dusk")
    assert cache.digest(file) == FactCache(tmp_path).digest(file) == wrong
    forget_digest(tmp_path, file)
    cache.forget(file)
    right = hashlib.sha256(b"dusk").hexdigest()
    assert cache.digest(file) == FactCache(tmp_path).digest(file) == right


@pytest.mark.parametrize("is_closed", [False, True], ids=["forgotten", "closed"])
def test_the_database_is_closed_when_nobody_has_the_cache_any_more(tmp_path: Path, *, is_closed: bool) -> None:
    cache = FactCache(tmp_path)
    if is_closed:
        cache.close()
    database = cache._database
    assert database.execute("SELECT 1").fetchone() == (1,)
    del cache
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


def former_cache(folder: Path, file: Path, digest: str) -> None:
    """As a version without change times left it."""
    found = file.stat()
    database = sqlite3.connect(folder / "facts.sqlite")
    database.executescript(
        "CREATE TABLE digests (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, digest TEXT)"
        " WITHOUT ROWID;"
        "CREATE TABLE facts (kind TEXT, digest TEXT, value TEXT, PRIMARY KEY (kind, digest)) WITHOUT ROWID;"
    )
    row = (os.fsencode(file), found.st_size, found.st_mtime_ns, found.st_ino, digest)
    database.execute("INSERT INTO digests VALUES (?, ?, ?, ?, ?)", row)
    database.execute("INSERT INTO facts VALUES ('k', 'd', '1')")
    database.commit()
    database.close()


def test_the_cache_of_a_former_version_is_used(tmp_path: Path) -> None:
    """A file whose bytes nobody can have changed since is not read again: a model is tens of gigabytes."""
    file = tmp_path / "a"
    file.write_bytes(b"dawn")
    former_cache(tmp_path, file, "remembered")
    cache = FactCache(tmp_path)
    assert cache.digest(file) == "remembered"
    assert cache.get("k", "d") == 1


def test_what_a_former_version_remembered_may_have_changed_in_place(tmp_path: Path) -> None:
    file = written(tmp_path / "a", b"dawn")
    former_cache(tmp_path, file, "remembered")
    in_place(file, b"dusk")
    assert FactCache(tmp_path).digest(file) == hashlib.sha256(b"dusk").hexdigest()


def test_a_file_changed_just_now_is_never_taken_for_the_one_before(tmp_path: Path) -> None:
    cache = FactCache(tmp_path)
    file = tmp_path / "a"
    for data in (b"1", b"2", b"3"):
        file.write_bytes(data)
        assert cache.digest(file) == hashlib.sha256(data).hexdigest()


def test_what_is_put_is_there_for_the_next_process(tmp_path: Path) -> None:
    FactCache(tmp_path).put("picture/1", "d", {"width": 1, "notes": ["河"]})
    assert FactCache(tmp_path).get("picture/1", "d") == {"width": 1, "notes": ["河"]}
    assert FactCache(tmp_path).get("picture/2", "d") is None
    assert FactCache(tmp_path).get("picture/1", "e") is None


def test_the_last_value_counts(tmp_path: Path) -> None:
    cache = FactCache(tmp_path)
    cache.put("k", "d", 1)
    cache.put("k", "d", 2)
    assert cache.get("k", "d") == FactCache(tmp_path).get("k", "d") == 2


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = written(tmp_path / "a", b"dawn")
    cache = FactCache(tmp_path / "file" / "cache")
    cache.put("k", "d", [1])
    assert cache.get("k", "d") == [1]
    assert cache.digest(file) == cache.digest(file) == hashlib.sha256(b"dawn").hexdigest()


@pytest.mark.parametrize("junk", [b"not a database at all, but long enough to be taken for one" * 20, b"\0" * 8192])
def test_a_damaged_cache_is_begun_anew(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "facts.sqlite").write_bytes(junk)
    FactCache(tmp_path).put("k", "d", 1)
    assert FactCache(tmp_path).get("k", "d") == 1


def test_a_cache_that_is_deleted_meanwhile_is_no_error(tmp_path: Path) -> None:
    cache = FactCache(tmp_path / "c")
    cache.put("k", "d", 1)
    (tmp_path / "c" / "facts.sqlite").unlink()
    cache.put("k", "e", 2)
    assert (cache.get("k", "d"), cache.get("k", "e"), cache.get("k", "f")) == (1, 2, None)


def test_a_closed_cache_works_from_memory(tmp_path: Path) -> None:
    cache = FactCache(tmp_path)
    cache.put("k", "d", 1)
    cache.close()
    cache.put("k", "e", 2)
    assert (cache.get("k", "d"), cache.get("k", "e")) == (1, 2)
    assert FactCache(tmp_path).get("k", "e") is None


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_not_a_file_is_an_oserror_and_does_not_hang(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(OSError, match="x"):
        FactCache(tmp_path).digest(path)


def test_a_name_of_any_bytes_is_no_error(tmp_path: Path) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    file.write_bytes(b"dawn")
    os.utime(file, (LONG_AGO, LONG_AGO))
    cache = FactCache(tmp_path)
    assert cache.digest(file) == cache.digest(file) == hashlib.sha256(b"dawn").hexdigest()


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cache = FactCache(tmp_path)

    def work(name: int) -> None:
        for value in range(50):
            cache.put(f"k{name}", str(value), value)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = FactCache(tmp_path)
    assert all(fresh.get(f"k{name}", str(value)) == value for name in range(4) for value in range(50))


def test_processes_share_a_cache(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from wan_render.facts import FactCache; "
        "cache = FactCache(Path(sys.argv[1])); [cache.put(sys.argv[2], str(n), n) for n in range(100)]"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), f"k{name}"]) for name in range(3)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    fresh = FactCache(tmp_path)
    assert all(fresh.get(f"k{name}", str(value)) == value for name in range(3) for value in range(100))
