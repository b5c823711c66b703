"""LoRAs and profiles in a plan: by content, checked before anything is loaded; drafts."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from tests.plan.conftest import Mistakes, Plan
from wan_render.backends.wan import distilled
from wan_render.plan import FilmPlan, Rendered
from wan_render.take import Lora, Sampling, Take

TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def written(file: Path, header: object, body: bytes = b"\0" * 4) -> str:
    """A safetensors file with this header; its SHA-256."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return sha256(file.read_bytes()).hexdigest()


def lora(studio: Path, name: str, word: str = "q") -> str:
    return written(studio / name, {f"blocks.0.{word}.lora_down.weight": TENSOR})


def take_of(plan: FilmPlan, shot: int = 0) -> Take:
    content = plan.shots[shot].content
    assert isinstance(content, Rendered)
    return content.takes[0].take


def test_loras_enter_a_take_by_their_content(plan: Plan, studio: Path) -> None:
    one, two = lora(studio, "one.safetensors"), lora(studio, "two.safetensors", "k")
    film = plan(
        "defaults: {render: {loras: one.safetensors}}\n"
        "shots:\n"
        "  - {from: a}\n"
        "  - {from: b, render: {loras: [{path: two.safetensors, scale: 0.8}, one.safetensors]}}\n"
        "  - {from: c, render: {loras: []}}\n"
    )
    assert take_of(film, 0).loras == (Lora(one, 1.0),)
    assert take_of(film, 1).loras == (Lora(two, 0.8), Lora(one, 1.0))
    assert take_of(film, 2).loras == ()
    assert film.loras == {one: (studio / "one.safetensors").absolute(), two: (studio / "two.safetensors").absolute()}


def test_a_renamed_lora_renders_nothing_and_another_one_does(plan: Plan, studio: Path) -> None:
    shots = "shots: [{from: a, render: {loras: NAME}}]"
    lora(studio, "old.safetensors")
    lora(studio, "new.safetensors")
    keys = {take_of(plan(shots.replace("NAME", name))).key for name in ("old.safetensors", "new.safetensors")}
    assert len(keys) == 1
    lora(studio, "new.safetensors", "v")
    assert take_of(plan(shots.replace("NAME", "new.safetensors"))).key not in keys


@pytest.mark.parametrize(
    ("model", "name", "expert"),
    [
        ("wan2.2-i2v-a14b", "style_high_noise.safetensors", "high"),
        ("wan2.2-i2v-a14b", "LOW-NOISE model.safetensors", "low"),
        ("wan2.2-i2v-a14b", "high.safetensors", "both"),
        ("wan2.1-i2v-14b-480p", "style_high_noise.safetensors", "both"),
    ],
)
def test_a_files_name_says_which_expert_wears_it(plan: Plan, studio: Path, model: str, name: str, expert: str) -> None:
    lora(studio, name)
    film = plan(f'shots: [{{from: a, render: {{i2v: {{model: {model}}}, loras: "{name}"}}}}]')
    assert [each.expert for each in take_of(film).loras] == [expert]


@pytest.mark.parametrize(
    ("header", "body", "found"),
    [
        (b"\x80\x04pickled", b"", "is no safetensors file"),
        ({"a.lora_A.weight": TENSOR}, b"\0", "is cut off"),
        ({"a.lora_A.weight": TENSOR}, b"\0" * 9, "longer than its header says"),
        ({"blocks.0.weight": TENSOR}, b"\0" * 4, "holds no LoRA"),
        ({"a.lora_A.weight": TENSOR, "a.dora_scale": TENSOR}, b"\0" * 4, "is a DoRA"),
        ({"a.hada_w1_a": TENSOR}, b"\0" * 4, "is a LoKr or LoHa"),
        ([], b"", "is no safetensors file"),
    ],
)
def test_what_is_no_lora_is_a_mistake(
    mistakes: Mistakes, studio: Path, header: object, body: bytes, found: str
) -> None:
    written(studio / "bad.safetensors", header, body)
    (told,) = mistakes("shots: [{from: a, render: {loras: bad.safetensors}}]")
    assert "film.yaml:" in told
    assert f"bad.safetensors {found}" in told or found in told


def test_an_empty_file_is_no_lora(mistakes: Mistakes, studio: Path) -> None:
    (studio / "bad.safetensors").write_bytes(b"")
    (told,) = mistakes("shots: [{from: a, render: {loras: bad.safetensors}}]")
    assert "is no safetensors file" in told


def test_a_profile_is_in_the_key_for_every_backend(plan: Plan) -> None:
    shots = "shots: [{from: a, render: {profile: NAME}}]"
    takes = [take_of(plan(shots.replace("NAME", name))) for name in ("exact", "fast", "balanced")]
    assert [take.sampling.profile for take in takes] == ["exact", "fast", "balanced"]
    assert len({take.key for take in takes}) == 3
    assert takes[0].key == take_of(plan("shots: [{from: a}]")).key


def test_a_draft_brings_its_own_numbers_and_loras(plan: Plan, studio: Path) -> None:
    style = lora(studio, "style.safetensors")
    film = plan("shots: [{from: a, to: b, render: {profile: draft, loras: style.safetensors}}, {from: b}, {action: x}]")
    take = take_of(film)
    assert take.sampling == Sampling(4, (1.0,), 5.0, "draft")
    (published,) = distilled.I2V_2_1
    assert take.loras == (Lora(published.content, 1.0), Lora(style, 1.0))
    film = plan("defaults: {render: {profile: draft, i2v: {model: wan2.2-i2v-a14b}}}\nshots: [{from: a}]")
    take = take_of(film)
    assert (take.sampling.guidance, [each.expert for each in take.loras]) == ((1.0, 1.0), ["high", "low"])


def test_numbers_beside_a_draft_are_told_to_be_idle(plan: Plan) -> None:
    idle = "profile draft renders with 4 steps, guidance 1, shift 5"
    film = plan("shots: [{from: a, render: {profile: draft, i2v: {steps: 30}}}]")
    assert idle in [warning.found for warning in film.warnings]
    film = plan("defaults: {render: {i2v: {steps: 30}}}\nshots: [{from: a, render: {profile: draft}}]")
    assert idle not in [warning.found for warning in film.warnings]


def test_a_model_without_a_distilled_lora_needs_one_for_a_draft(mistakes: Mistakes, plan: Plan, studio: Path) -> None:
    shots = "shots: [{action: x, render: {profile: draft, t2v: {model: wan2.1-t2v-1.3b}}}]"
    (told,) = mistakes(shots)
    assert "no 4-step LoRA is known for wan2.1-t2v-1.3b; a draft needs one; name one in render.loras" in told
    own = lora(studio, "own.safetensors")
    assert take_of(plan(shots.replace("profile: draft", "profile: draft, loras: own.safetensors"))).loras == (
        Lora(own, 1.0),
    )
