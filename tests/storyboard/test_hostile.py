"""Any file at all ends as a Document or a StoryboardError with a clear message, after a bounded amount of work."""

from __future__ import annotations

import os
import random
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storyboard.conftest import NamedModels, Read
from tests.storyboard.test_corpus import GOOD
from tests.work import calls, ends
from wan_render.errors import StoryboardError
from wan_render.facts import FactCache
from wan_render.storyboard import read_storyboard
from wan_render.storyboard.source import LARGEST_BYTES, Source

MOST_CALLS = 10_000_000
"""Of functions, for one file: several seconds of work."""

FULL = LARGEST_BYTES - 200


def fill(piece: str) -> bytes:
    return (piece * (FULL // len(piece.encode()))).encode()


HOSTILE: dict[str, tuple[bytes, str]] = {
    "brackets": (b"[" * 200_000, "more than 64 deep"),
    "braces": (b"{" * 200_000, "more than 64 deep"),
    "questions": (b"? " * 200_000, "more than 64 deep"),
    "dashes": (b"- " * 200_000, "more than 64 deep"),
    "directives": (fill("%TAG !a! b\n"), "too many lines that begin with %"),
    "later directives": (b"a\n...\n" + fill("%TAG !a! b\n"), "too many lines that begin with %"),
    "anchors": (fill("- &a a\n"), "more than 100,000 values"),
    "aliases": (b"x: &a b\ny:\n" + fill("- *a\n"), "more than 100,000 values"),
    "merges": (
        "".join(f"x-{i}: &a{i} {{<<: *a{max(i - 1, 0)}, k{i}: v}}\n" for i in range(1, 40_000))
        .replace("*a0", "{}").encode(), "more than 100,000 values",
    ),
    "empty shots": (b"shots: [" + b"{}," * 600_000 + b"]", "more than 100,000 values"),
    "unknown keys": ("".join(f"sho{i}: 1\n" for i in range(45_000)).encode(), "there may be more"),
    "unknown names": (
        ("keyframes: {a: {prompt: b}}\nshots:\n" + "".join(f"- from: x{i}\n" for i in range(24_000))).encode(),
        "there may be more",
    ),
    "takes": (b"shots: [{action: a, ng: [" + b"x," * 90_000 + b"]}]", "there may be more"),
    "spaces": (b" " * FULL, "is empty"),
    "lines": (b"\n" * FULL, "is empty"),
    "comments": (fill("#\n"), "is empty"),
    "tabs": (b"\t" * FULL, "a tab"),
    "quotes": (b"'" * FULL, "expected a map of keys"),
    "open quote": (b"a: '" + b"x" * FULL, "never closed"),
    "bangs": (b"!" * FULL, "the tag"),
    "long anchor": (b"&" + b"a" * FULL, "expected a map of keys"),
    "long alias": (b"*" + b"a" * FULL, "is not defined above"),
    "long number": (b"shots: [{action: a, duration: " + b"9" * FULL + b"}]", "at most 200 characters"),
    "long gain": (b"shots: [{sound: {file: x, gain: '" + b" " * FULL + b"'}}]", "at most 200 characters"),
    "long time": (b"shots: [{duration: '1" + b" " * FULL + b"x'}]", "at most 200 characters"),
    "long path": (b"shots: [{clip: " + b"a/" * (FULL // 2) + b"}]", "too long for a path"),
    "empty": (b"", "is empty"),
    "only a mark": (b"\xef\xbb\xbf", "is empty"),
    "utf-16": ("shots: []".encode("utf-16"), "UTF-16"),
    "utf-16 without a mark": ("shots: []".encode("utf-16-le"), "UTF-16"),
    "utf-32": ("shots: []".encode("utf-32"), "UTF-16"),
    "gbk": ("# ok\nfilm: {title: 江河}".encode("gbk"), ":2:15: the byte 0xbd is not UTF-8"),
    "latin-1": (b"film: {title: caf\xe9}", "the byte 0xe9 is not UTF-8"),
    "nul": (b"film: {title: a\x00b}", ":1:16: the control character U+0000"),
    "escape": (b"film: {title: a\x1bb}", "the control character U+001B"),
    "mark within": ("film: {title: a\ufeffb}".encode(), "the control character U+FEFF"),
    "random": (random.Random(1).randbytes(100_000), "is not UTF-8"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not UTF-8"),
    "too large": (b"#" * (LARGEST_BYTES + 1), "is larger than 2 MiB"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_after_bounded_work(name: str, read: Read) -> None:
    data, words = HOSTILE[name]

    def refused() -> None:
        with pytest.raises(StoryboardError) as caught:
            read(data)
        assert words in str(caught.value)

    with ends():
        assert calls(refused) < MOST_CALLS


def refused(file: Path, cache: FactCache, words: str) -> None:
    with pytest.raises(StoryboardError) as caught:
        read_storyboard(file, models=NamedModels(), cache=cache)
    assert words in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path, cache: FactCache) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    refused(tmp_path, cache, "is a folder")
    refused(tmp_path / "pipe.yaml", cache, "is a pipe")
    refused(tmp_path / "loop.yaml", cache, "cannot be read")
    refused(tmp_path / "none.yaml", cache, "no such file")
    refused(tmp_path / "none" / "none.yaml", cache, "no such file")
    refused(tmp_path / ("x" * 300), cache, "cannot be read")
    refused(tmp_path / "a\0b", cache, "cannot be read")
    refused(Path("/dev/zero"), cache, "is a device")


def test_where_a_storyboard_may_be_instead_is_said(tmp_path: Path, cache: FactCache) -> None:
    (tmp_path / "river.yaml").write_text("shots: []")
    refused(tmp_path, cache, "there is river.yaml")
    refused(tmp_path / "rivr.yaml", cache, "there is river.yaml")


def test_a_yaml_file_that_is_no_storyboard_is_proposed_to_nobody(tmp_path: Path, cache: FactCache) -> None:
    for name, text in {"prefect.yaml": "name: x\n", "compose.yml": "services:\n  film:\n", "a.yaml": "\xff"}.items():
        (tmp_path / name).write_text(text)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(StoryboardError) as caught:
        read_storyboard(tmp_path / "none.yaml", models=NamedModels(), cache=cache)
    assert "there is" not in str(caught.value)
    (tmp_path / "river.yml").write_text("version: 1\nfilm: {title: x}\n")
    refused(tmp_path / "none.yaml", cache, "there is river.yml")


def test_a_file_of_fifty_megabytes_is_not_read(tmp_path: Path, cache: FactCache) -> None:
    file = tmp_path / "big.yaml"
    with file.open("wb") as stream:
        stream.truncate(50_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(file, cache, "is larger than 2 MiB")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_a_name_that_no_terminal_can_print_is_told(tmp_path: Path, cache: FactCache) -> None:
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml"))
    file.write_text("shots: [{action: a}]")
    document = read_storyboard(file, models=NamedModels(), cache=cache)
    document.where("scenes").encode()
    document.storyboard.film.title.encode()


FUZZ = settings(max_examples=150, suppress_health_check=list(HealthCheck), derandomize=True)
WORDS = st.sampled_from(
    [
        "shots", "scenes", "film", "keyframes", "from", "to", "action", "render", "seed", "circle", "sound", "x-a",
        "<<", "previous", ": ", "- ", "\n", "\n  ", "\n    ", "{", "}", "[", "]", ", ", "&a ", "*a", "!!str ", "#",
        " #1", "|\n", ">-\n", "'", '"', "? ", "---\n", "...\n", "%YAML 1.2\n", "\t", "\r\n", "：", "\u3000", "~",
        "null", "5s", "8f", "010", "\\0", "\u2028", "\x85", "😀",
    ]
)  # fmt: skip


def outcome(read: Read, data: str | bytes) -> None:
    try:
        with ends():
            document = read(data)
    except StoryboardError as error:
        assert all(problem.found and problem.where for problem in error.problems)  # noqa: PT017 - either is right
    else:
        assert document.storyboard.scenes


@FUZZ
@given(data=st.binary(max_size=400))
def test_any_bytes_end_well(read: Read, data: bytes) -> None:
    outcome(read, data)


@FUZZ
@given(pieces=st.lists(WORDS, max_size=40))
def test_any_yaml_ends_well(read: Read, pieces: list[str]) -> None:
    outcome(read, "".join(pieces))


@FUZZ
@given(file=st.sampled_from(GOOD), data=st.data())
def test_any_damage_to_a_good_file_ends_well(read: Read, file: Path, data: st.DataObject) -> None:
    text = file.read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    outcome(read, text[:start] + data.draw(st.one_of(WORDS, st.text(max_size=5))) + text[end:])


@given(text=st.text(alphabet=st.sampled_from("a😀\r\n\u2028"), max_size=50))
def test_marks_agree_with_the_lines_of_the_text(text: str) -> None:
    source = Source(Path("a.yaml"), text)
    for index, character in enumerate(text):
        line, column = source.mark(index)
        if character not in "\r\n":
            assert source.line(line)[column - 1] == character
