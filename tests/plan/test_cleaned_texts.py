"""Takes whose texts are cleaned once: texts that reach the model alike share a key, and clean ones keep theirs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lora_files import lora
from tests.plan.conftest import Plan
from wan_render.facts import FactCache
from wan_render.keys import canonical
from wan_render.model_card import Models
from wan_render.plan import FilmPlan, Rendered, make_plan
from wan_render.storyboard import read_storyboard
from wan_render.take import Take
from wan_render.take_changes import changes

CLEAN = """\
version: 1
film: {title: Harbour, raster: 832x480, deliver: 832x480}
look: {style: painterly, setting: dusk over the sea, avoid: [watermark, logo]}
keyframes:
  a: a.png
  b: b.png
  c: c.png
  painted: {prompt: a deer at the edge of a mountain road}
shots:
  - {from: a, to: b, action: the light climbs over the quay, size: CU, move: crane down}
  - {from: b, to: c, prompt: 江面上的晨雾慢慢散去，小船离开港口}
  - {from: c, action: boats come home, render: {negative: none}}
  - {action: "a storm rises, far out", duration: 2s, render: {negative: blurred and dark}}
  - {from: a, through: [{keyframe: b, action: up the stairs}, c], to: a, action: round the tower}
  - {from: a, to: c, action: the deer turns, render: {loras: anime.safetensors}}
  - {from: painted, to: b, action: it leaps}
"""
KEYS_OF_328B041 = {
    "wan/1 1/010": "91c3a1b23bb548c1bb670829b0cdc93ee5b8f475477905a4525863796757e5cd",
    "wan/1 1/020": "76ccdde8bd29161a65436f5bb9c828c562bba09dc67c1c416257cbf563585ebc",
    "wan/1 1/030": "723d49185cf610715981fc2fd2732aa6fd77d6fb90bc8b6e5050e71c7e3da488",
    "wan/1 1/040": "9fd9d7e93cac5352600c5d9ea608a691125c01b2e32d81d587331d3a77e0cde1",
    "wan/1 1/050": "546d2220c1d219ccb5a796df70d6839ae888736099e2a873b9116f3fa4d2cd41",
    "wan/1 1/060": "37677090651411c89a97e65ce6a3f2027d405bcfc6df9fcdfb0525445703c547",
    "wan/1 1/070": "1c707a8f298fb42fc20d25135a395f4f78675eb31abb3e172180e09941e67a6b",
    "wan/1 keyframe painted": "202f897984b223e7aedbe968af9aeb1c4b4259e61b69693a68b7b8c10cd11ee0",
    "animatic/1 1/010": "a72107656914fb753543d1898bbc5530431fd3b4af3ebb1fb4d25915182948e1",
    "animatic/1 1/020": "5bc1156bda87180dbc5b06a7530d8ec72dddc9a01b1417cd7bd950f0bcbd2c6e",
    "animatic/1 1/030": "ad501a7e1c7265a8f67497365e6f3d5de42ab7f127fe93885b8784a292f5c94c",
    "animatic/1 1/040": "4d77e84a3f5cbe35c9caf815b87d6612525d06596a22b1ff7c80ca3dda5eedc3",
    "animatic/1 1/050": "dfd0206d38844cfc905a8e8a5b60cb0a48a1d76474defcf8f3af715c1ceedc43",
    "animatic/1 1/060": "34e7c98488ba5e2e187c4f7be087603c5e566bc9c2502452cc6a89f6b52b7e8d",
    "animatic/1 1/070": "168f571727a7cdf26b2ca56c942448f261a03e60537e2a5e9b4951d8c120be29",
    "animatic/1 keyframe painted": "8d46fe99730dcbf81a29f85166898f793c75df6c81e1d6f0d8164db83c60e480",
}
"""The keys of CLEAN, as the last version before texts were cleaned gave them."""


def _png(file: Path, red: int) -> None:
    """64x48 of one colour, byte for byte the same with every library."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, 90, 120)) * 64) * 48
    header = struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def _keys(plan: FilmPlan) -> Iterator[tuple[str, str]]:
    for shot in plan.shots:
        assert isinstance(shot.content, Rendered)
        yield f"{plan.backend} {shot.id}", shot.content.takes[0].take.key
    for name, take in plan.paintings.items():
        yield f"{plan.backend} keyframe {name}", take.key


def test_a_clean_take_keeps_its_key(tmp_path: Path, cache: FactCache, models: Models) -> None:
    for at, name in enumerate("abc"):
        _png(tmp_path / f"{name}.png", 60 * at + 40)
    lora(tmp_path / "anime.safetensors")
    file = tmp_path / "film.yaml"
    file.write_text(CLEAN, encoding="utf-8")
    document = read_storyboard(file, models=models, cache=cache)
    found: dict[str, str] = {}
    for backend in ("wan/1", "animatic/1"):
        found |= _keys(make_plan(document, models=models, backend_id=backend, cache=cache))
    assert found == KEYS_OF_328B041


def _take(plan: FilmPlan, shot: int = 0) -> Take:
    content = plan.shots[shot].content
    assert isinstance(content, Rendered)
    return content.takes[0].take


@pytest.mark.parametrize(
    "other",
    [
        "|\n      the deer's\n      fog lifts",
        "the deer’s fog lifts",
        "the deer&#39;s  fog lifts",
        '"the deer\\u2019s\\u00a0fog\\tlifts "',
    ],
)
def test_an_action_that_reaches_the_model_alike_has_the_same_key(plan: Plan, other: str) -> None:
    one = _take(plan('shots: [{from: a, to: b, action: "the deer\'s fog lifts"}]\n'))
    assert _take(plan(f"shots:\n  - from: a\n    to: b\n    action: {other}\n")).key == one.key


def test_every_text_of_a_take_is_cleaned(plan: Plan) -> None:
    text = """\
look: {style: "oil   paint", setting: "a\u00a0quay", avoid: ["text  here", "logo\u2019s"]}
keyframes: {x: {prompt: "a  deer\u2019s head"}, a: keyframes/a.png, b: keyframes/b.png}
shots:
  - {from: a, through: [{keyframe: b, action: "up  the  stairs"}], to: a, action: "round\u00a0it", move: "crane  down"}
  - {from: x, to: a, render: {negative: "blurred  and\u00a0dark"}}
"""
    made = plan(f"version: 1\n{text}")
    ways = _take(made)
    assert ways.prompt == "oil paint, round it, a quay, camera cranes down"
    assert ways.through[0].prompt == "oil paint, up the stairs, a quay, camera cranes down"
    assert ways.negative.endswith("，text here，logo's")
    assert _take(made, 1).negative == "blurred and dark, text here, logo's"
    assert made.paintings["x"].prompt == "a deer's head"


def test_two_shots_that_differ_in_white_space_share_one_take(plan: Plan) -> None:
    made = plan('shots: [{from: a, to: b, prompt: "fog  lifts"}, {from: a, to: b, prompt: "fog lifts "}]\n')
    assert _take(made).key == _take(made, 1).key
    assert len(made.takes) == 1


def test_a_take_of_an_earlier_version_is_stale_for_its_cleaning(plan: Plan) -> None:
    now = _take(plan("shots: [{from: a, through: [b], to: c, prompt: fog lifts, render: {negative: dark}}]\n"))
    legs = tuple(replace(leg, prompt=leg.prompt.replace(" ", "  ")) for leg in now.through)
    assert changes(canonical(replace(now, prompt="fog\nlifts", through=legs)), now) == ("cleaning of the prompt",)
    assert changes(canonical(replace(now, negative="dark ")), now) == ("cleaning of the negative prompt",)
    assert changes(canonical(replace(now, prompt="fog falls")), now) == ("prompt",)
