"""Headers of safetensors files: broken ones are refused in words, and nothing is accepted that the library refuses."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.lora_files import entries, written
from wan_render.safetensors_header import BITS, NotSafetensors, TensorFacts, read_header

GOOD = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
TEXT = json.dumps({"__metadata__": {"format": "pt"}, **GOOD}).encode()


def test_a_header_tells_tensors_and_metadata(tmp_path: Path) -> None:
    written(tmp_path / "a", {"__metadata__": {"format": "pt"}, **entries({"a": (2, 3), "b": (), "c": (0,)}, "F16")}, 14)
    header = read_header(tmp_path / "a")
    assert header.tensors == {
        "a": TensorFacts("F16", (2, 3)),
        "b": TensorFacts("F16", ()),
        "c": TensorFacts("F16", (0,)),
    }
    assert header.metadata == {"format": "pt"}


def a(**changed: object) -> bytes:
    return json.dumps({"a": {**GOOD["a"], **changed}}).encode()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b"\x80\x04pickled", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"\\ud800": 1}', "is not JSON"),
        (a().replace(b"24]", b"1e999]"), "1e999 is not a whole number from 0"),
        (a().replace(b"24]", b"24.0]"), "24.0 is not a whole number from 0"),
        (a().replace(b"24]", b"-24]"), "-24 is not a whole number from 0"),
        (a().replace(b"24]", b"NaN]"), "NaN is not a whole number from 0"),
        (a().replace(b"24]", b"9" * 5000 + b"]"), "is not a whole number from 0"),
        (a(data_offsets=["0", "24"]), "has the offsets ['0', '24']"),
        (a(data_offsets=[0, 24, 24]), "has the offsets"),
        (a(data_offsets=[24, 0]), "takes -24 bytes"),
        (a(data_offsets=[0, 20]), "takes 20 bytes"),
        (a(data_offsets=[4, 28]), "begins at byte 4, not at 0"),
        (a(data_offsets=24), "has the offsets 24"),
        (a(shape=[2, True]), "has the shape [2, True]"),
        (a(shape=6), "has the shape 6"),
        (a(shape=[2**40, 2**40]), "has the shape [1099511627776, 1099511627776]"),
        (a(shape=[2**40, 2**40, 0], data_offsets=[0, 0]), "has the shape"),
        (a(dtype="F8"), "has the unknown type 'F8'"),
        (a(dtype=["F32"]), "has the unknown type"),
        (a(dtype=None), "has the unknown type"),
        (b'{"a": null}', "has no dtype, shape or data_offsets"),
        (b'{"a": [1]}', "has no dtype, shape or data_offsets"),
        (TEXT.replace(b'"pt"', b"1"), "its metadata is not text"),
        (TEXT.replace(b'{"format": "pt"}', b"[]"), "its metadata is not text"),
        (b'{"a": 1, "a": 2}', "it contains 'a' twice"),
        (json.dumps({**GOOD, "b": GOOD["a"]}).encode(), "'b' begins at byte 0, not at 24"),
    ],
)
def test_a_broken_header_is_refused_in_words(tmp_path: Path, header: bytes, found: str) -> None:
    written(tmp_path / "a", header, 24)
    with pytest.raises(NotSafetensors) as caught:
        read_header(tmp_path / "a")
    assert found in caught.value.found


@pytest.mark.parametrize("size", [0, 7, 8, 30, -1, 1])
def test_a_file_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    file = tmp_path / "a"
    written(file, TEXT, 24 + (size if size == 1 else 0))
    if size != 1:
        file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(NotSafetensors, match="cut off"):
        read_header(file)


@pytest.mark.wan
def test_what_is_accepted_opens_in_the_library(tmp_path: Path) -> None:
    from safetensors import safe_open

    file, dice, accepted = tmp_path / "a", random.Random(1), 0
    headers = [json.dumps({"a": {"dtype": d, "shape": [8], "data_offsets": [0, BITS[d]]}}).encode() for d in BITS]
    for header in [*headers, *(_damaged(TEXT, dice) for _ in range(600))]:
        written(file, header, 24 if header not in headers else BITS[json.loads(header)["a"]["dtype"]])
        try:
            read_header(file)
        except NotSafetensors:
            continue
        accepted += 1
        with safe_open(str(file), framework="np") as opened:
            assert list(opened.keys())
    assert accepted > 30


def _damaged(header: bytes, dice: random.Random) -> bytes:
    text = bytearray(header)
    for _ in range(dice.randint(1, 2)):
        text[dice.randrange(len(text))] = dice.choice(b'0123456789-.eE[]{}",:aFB \\truenl')
    return bytes(text)
