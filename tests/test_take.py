"""Takes: the key is the hash of all fields; changes are told in words."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import pytest

from wan_render.keys import canonical
from wan_render.take import Bridge, FramePlate, Leg, Lora, Plate, Sampling, ShotKind, Size, Take, TakePart, short
from wan_render.take_changes import changes
from wan_render.take_fields import needs_of

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
        "through": (Leg(Plate("c" * 64, SIZE), 40, "山"),),
    },
    "Plate": {
        "picture": "d" * 64,
        "size": Size(16, 16),
        "focus": (Fraction(0), Fraction(1)),
        "conform": "cover/0",
        "fit": "blur",
    },
    "Sampling": {"steps": 1, "guidance": (5.0, 3.0), "shift": 3.0, "profile": "draft", "variant": "exact"}
    | {"guided_share": 0.75},
    "Lora": {"content": "d" * 64, "scale": 1.0, "expert": "high"},
    "FramePlate": {"take": "d" * 64, "frame": 1, "size": Size(16, 16), "conform": "frame/0"},
    "Leg": {"plate": Plate("d" * 64, SIZE), "frame": 44, "prompt": "湖"},
    "Size": {"width": 16, "height": 16},
}


def test_one_digest_is_pinned() -> None:
    assert TAKE.key == "7b86b4fe189c14e9d2286106cc27c1e3b502e4c3797b38b317d3ad5773bb556e"


BRIDGE = replace(TAKE, first=None, last=None, bridge=Bridge(TakePart("d" * 64, 60, 16), TakePart("e" * 64, 0, 17)))


@pytest.mark.parametrize("name", [field.name for field in fields(Take) if field.name != "bridge"])
def test_every_field_changes_the_key(name: str) -> None:
    assert replace(TAKE, **{name: OTHERS["Take"][name]}).key != TAKE.key


def test_a_bridge_is_part_of_the_key_and_needs_the_takes_on_both_sides() -> None:
    assert BRIDGE.bridge is not None
    others = (
        None,
        replace(BRIDGE.bridge, before=replace(BRIDGE.bridge.before, take="f" * 64)),
        replace(BRIDGE.bridge, before=replace(BRIDGE.bridge.before, first=61)),
        replace(BRIDGE.bridge, after=replace(BRIDGE.bridge.after, frames=16)),
    )

    assert len({BRIDGE.key, *(replace(BRIDGE, bridge=other).key for other in others)}) == 1 + len(others)
    assert BRIDGE.kind is ShotKind.BRIDGE
    assert BRIDGE.needs == needs_of(json.loads(json.dumps(canonical(BRIDGE)))) == ("d" * 64, "e" * 64)
    assert changes(canonical(BRIDGE), replace(BRIDGE, bridge=others[1])) == ("a shot that it bridges",)


def test_a_bridge_has_no_plates() -> None:
    with pytest.raises(ValueError, match="a bridge has no plates"):
        replace(BRIDGE, first=TAKE.first)
    with pytest.raises(ValueError, match="one frame or more"):
        TakePart("d" * 64, 3, 0)


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


@pytest.mark.parametrize("name", [field.name for field in fields(FramePlate)])
def test_every_field_of_a_frame_as_a_plate_changes_the_key(name: str) -> None:
    plate = FramePlate("e" * 64, 80, SIZE)
    begun = replace(TAKE, first=plate)
    assert begun.key != TAKE.key
    assert replace(TAKE, first=replace(plate, **{name: OTHERS["FramePlate"][name]})).key != begun.key


@pytest.mark.parametrize("name", [field.name for field in fields(Leg)])
def test_every_field_of_a_keyframe_on_the_way_changes_the_key(name: str) -> None:
    passing = replace(TAKE, through=OTHERS["Take"]["through"])
    other = replace(passing.through[0], **{name: OTHERS["Leg"][name]})
    assert replace(TAKE, through=(other,)).key != passing.key


def test_the_forms_of_frames_and_keyframes_on_the_way_are_pinned() -> None:
    begun = replace(TAKE, first=FramePlate("e" * 64, 80, SIZE))
    assert begun.key == "355f174e5e9deec622770f8191e849c2432268d7e466ec54326e3da7599dddcf"
    assert (
        replace(TAKE, through=OTHERS["Take"]["through"]).key
        == "98be5c301e2dcb18324e2bfaa1769135008c34692c0c3d900dd291b4d1cece7c"
    )


def test_segments_share_their_pictures_and_are_takes_like_any_other() -> None:
    plate = Plate("c" * 64, SIZE)
    passing = replace(TAKE, through=(Leg(plate, 32, "山"),))
    first, second = passing.segments
    assert first == replace(TAKE, last=plate, prompt="山", frames=33)
    assert second == replace(TAKE, first=plate, frames=49)
    assert passing.needs == (first.key, second.key)
    assert TAKE.segments == ()
    assert TAKE.needs == ()


def test_a_take_needs_those_that_its_plates_are_frames_of() -> None:
    begun = replace(TAKE, first=FramePlate("e" * 64, 80, SIZE), last=FramePlate("f" * 64, 0, SIZE))
    assert begun.needs == ("e" * 64, "f" * 64)
    passing = replace(begun, through=(Leg(FramePlate("d" * 64, 0, SIZE), 32, "山"),))
    for take in (TAKE, begun, passing):
        assert needs_of(json.loads(json.dumps(canonical(take)))) == take.needs
    with pytest.raises(ValueError, match="not a take"):
        needs_of({"backend": "wan/1"})


@pytest.mark.parametrize("frames", [(0,), (80,), (40, 40), (44, 40)])
def test_keyframes_on_the_way_are_passed_in_order(frames: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="in order"):
        replace(TAKE, through=tuple(Leg(Plate("c" * 64, SIZE), frame, "") for frame in frames))


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
        ({"first": FramePlate("d" * 64, 80, SIZE)}, ("first keyframe",)),
        ({"through": (Leg(Plate("c" * 64, SIZE), 40, "山"),)}, ("keyframes in between",)),
        ({"first": Plate("a" * 64, SIZE, (Fraction(0), Fraction(1)))}, ("focus of the first keyframe",)),
        (
            {"first": Plate("a" * 64, SIZE, conform="cover/2"), "last": Plate("b" * 64, SIZE, conform="cover/2")},
            ("reading of keyframes' colours",),
        ),
        ({"first": Plate("a" * 64, SIZE, fit="blur")}, ("fit of the first keyframe",)),
        ({"last": Plate("b" * 64, SIZE, fit="contain")}, ("fit of the last keyframe",)),
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


def test_another_take_to_begin_on_is_told_as_such() -> None:
    before = canonical(replace(TAKE, first=FramePlate("d" * 64, 80, SIZE)))
    assert changes(before, replace(TAKE, first=FramePlate("e" * 64, 80, SIZE))) == ("the take that it begins on",)


@pytest.mark.parametrize("name", [field.name for field in fields(Take) if field.name != "bridge"])
def test_no_change_goes_untold(name: str) -> None:
    assert told(replace(TAKE, **{name: OTHERS["Take"][name]})) != ()


def test_a_field_that_an_earlier_form_lacked_is_told() -> None:
    before = canonical(TAKE)
    del before["loras"]
    before["sharpness"] = 1
    assert changes(before, TAKE) == ("LoRAs", "sharpness")


def test_steps_without_guidance_are_half_of_the_work() -> None:
    sampling = Sampling(26, (5.0,), 5.0, guided_share=0.75)
    assert sampling.guided_steps == 20
    assert [sampling.done_after(share) for share in (0, 0.75, 1)] == [0, pytest.approx(1.5 / 1.75), 1]
    assert replace(sampling, guided_share=1.0).done_after(0.5) == 0.5
    assert replace(sampling, guidance=(1.0,)).done_after(0.5) == 0.5
    assert Sampling(1, (5.0,), 5.0, guided_share=0.1).guided_steps == 1
