"""Takes: the key is the hash of all fields; changes are told in words."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import pytest

from wan_render.keys import canonical
from wan_render.take import Lora, Plate, Sampling, ShotKind, Size, Take, changes, short

SIZE = Size(832, 480)
TAKE = Take(
    backend="animatic/1",
    model="Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers@main",
    first=Plate("a" * 64, SIZE),
    last=Plate("b" * 64, SIZE),
    prompt="江河",
    negative="text",
    frames=81,
    size=SIZE,
    rate=Fraction(16),
    seed=4201,
    sampling=Sampling(steps=50, guidance=(5.0,), shift=16.0),
    loras=(Lora("c" * 64, 0.8),),
)
OTHERS: dict[str, dict[str, Any]] = {
    "Take": {
        "backend": "wan/1",
        "model": "sha256:1",
        "first": Plate("c" * 64, SIZE),
        "last": None,
        "prompt": "河",
        "negative": "",
        "frames": 85,
        "size": Size(480, 832),
        "rate": Fraction(24),
        "seed": 1,
        "sampling": Sampling(steps=4, guidance=(5.0,), shift=16.0),
        "loras": (),
    },
    "Plate": {"picture": "d" * 64, "size": Size(16, 16), "focus": (Fraction(0), Fraction(1)), "conform": "cover/0"},
    "Sampling": {"steps": 1, "guidance": (5.0, 3.0), "shift": 3.0, "profile": "draft"},
    "Lora": {"content": "d" * 64, "scale": 1.0},
    "Size": {"width": 16, "height": 16},
}


def test_one_digest_is_pinned() -> None:
    assert TAKE.key == "7b86b4fe189c14e9d2286106cc27c1e3b502e4c3797b38b317d3ad5773bb556e"


@pytest.mark.parametrize("name", [field.name for field in fields(Take)])
def test_every_field_changes_the_key(name: str) -> None:
    assert replace(TAKE, **{name: OTHERS["Take"][name]}).key != TAKE.key


@pytest.mark.parametrize("name", [field.name for field in fields(Plate)])
def test_every_field_of_a_plate_changes_the_key(name: str) -> None:
    assert TAKE.first is not None
    plate = replace(TAKE.first, **{name: OTHERS["Plate"][name]})
    assert replace(TAKE, first=plate).key != TAKE.key
    assert replace(TAKE, last=plate).key != replace(TAKE, first=plate).key


@pytest.mark.parametrize("name", [field.name for field in fields(Sampling)])
def test_every_resolved_setting_changes_the_key(name: str) -> None:
    sampling = replace(TAKE.sampling, **{name: OTHERS["Sampling"][name]})
    assert replace(TAKE, sampling=sampling).key != TAKE.key


@pytest.mark.parametrize("name", [field.name for field in fields(Lora)])
def test_every_field_of_a_lora_changes_the_key(name: str) -> None:
    lora = replace(TAKE.loras[0], **{name: OTHERS["Lora"][name]})
    assert replace(TAKE, loras=(lora,)).key != TAKE.key


@pytest.mark.parametrize("name", [field.name for field in fields(Size)])
def test_either_side_of_the_size_changes_the_key(name: str) -> None:
    assert replace(TAKE, size=replace(SIZE, **{name: OTHERS["Size"][name]})).key != TAKE.key


def test_equal_takes_share_their_key() -> None:
    assert replace(TAKE).key == TAKE.key
    assert short(TAKE.key) == TAKE.key[:8]


def test_the_kind_follows_from_the_plates() -> None:
    assert TAKE.kind is ShotKind.FLF2V
    assert replace(TAKE, last=None).kind is ShotKind.I2V
    assert replace(TAKE, first=None, last=None).kind is ShotKind.T2V


def test_a_take_cannot_end_on_a_plate_that_it_has_no_beginning_for() -> None:
    with pytest.raises(ValueError, match="first"):
        replace(TAKE, first=None)
    with pytest.raises(ValueError, match="frame"):
        replace(TAKE, frames=0)
    with pytest.raises(ValueError, match="positive"):
        Size(0, 480)


def told(after: Take) -> tuple[str, ...]:
    return changes(json.loads(json.dumps(canonical(TAKE))), after)


def test_nothing_changed_between_a_take_and_its_sidecar() -> None:
    assert told(TAKE) == ()


@pytest.mark.parametrize(
    ("edited", "words"),
    [
        ({"prompt": "x"}, ("prompt",)),
        ({"negative": "x"}, ("negative prompt",)),
        ({"seed": 2}, ("seed",)),
        ({"frames": 49}, ("frames",)),
        ({"backend": "wan/1", "model": "m"}, ("backend", "model")),
        ({"rate": Fraction(24)}, ("frame rate",)),
        ({"loras": ()}, ("LoRAs",)),
        ({"last": None}, ("last keyframe",)),
        ({"first": Plate("d" * 64, SIZE)}, ("first keyframe",)),
        ({"first": Plate("a" * 64, SIZE, (Fraction(0), Fraction(1)))}, ("focus of the first keyframe",)),
        (
            {"first": Plate("a" * 64, SIZE, conform="cover/2"), "last": Plate("b" * 64, SIZE, conform="cover/2")},
            ("fitting of keyframes",),
        ),
        (
            {
                "size": Size(1280, 720),
                "first": Plate("a" * 64, Size(1280, 720)),
                "last": Plate("b" * 64, Size(1280, 720)),
            },
            ("raster",),
        ),
        (
            {"sampling": Sampling(steps=4, guidance=(1.0,), shift=5.0, profile="draft")},
            ("steps", "guidance", "shift", "profile"),
        ),
    ],
)
def test_a_change_is_told_in_users_words(edited: dict[str, Any], words: tuple[str, ...]) -> None:
    after = replace(TAKE, **edited)
    assert sorted(told(after)) == sorted(words)


@pytest.mark.parametrize("name", [field.name for field in fields(Take)])
def test_no_change_goes_untold(name: str) -> None:
    assert told(replace(TAKE, **{name: OTHERS["Take"][name]})) != ()


def test_a_field_that_an_earlier_form_lacked_is_told() -> None:
    before = canonical(TAKE)
    del before["loras"]
    before["sharpness"] = 1
    assert changes(before, TAKE) == ("LoRAs", "sharpness")
