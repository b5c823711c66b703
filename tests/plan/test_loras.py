"""LoRAs and profiles in a plan: by content, checked before anything is loaded; drafts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.lora_files import entries, pair, square, written
from tests.lora_files import lora as lora_file
from tests.plan.conftest import Mistakes, Plan
from wan_render.backends.wan.models import distilled, official
from wan_render.keys import canonical
from wan_render.plan import FilmPlan, Rendered
from wan_render.take import Lora, Sampling, Take
from wan_render.take_changes import changes

TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def lora(studio: Path, name: str, word: str = "q") -> str:
    return lora_file(studio / name, layer=f"self_attn.{word}")


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
        ("wan2.2-i2v-a14b", "high.safetensors", "high"),
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
        (b"\x80\x04pickled", b"", "is not a safetensors file"),
        ({"a.lora_A.weight": TENSOR}, b"\0", "is cut off"),
        ({"a.lora_A.weight": TENSOR}, b"\0" * 9, "longer than its header says"),
        ({"blocks.0.weight": TENSOR}, b"\0" * 4, "holds no LoRA"),
        ({"a.lora_A.weight": TENSOR, "a.dora_scale": TENSOR}, b"\0" * 4, "is a DoRA"),
        ({"a.hada_w1_a": TENSOR}, b"\0" * 4, "is a LoKr or LoHa"),
        ([], b"", "is not a safetensors file"),
    ],
)
def test_what_is_no_lora_is_a_mistake(
    mistakes: Mistakes, studio: Path, header: object, body: bytes, found: str
) -> None:
    written(studio / "bad.safetensors", header, len(body))
    (told,) = mistakes("shots: [{from: a, render: {loras: bad.safetensors}}]")
    assert "film.yaml:" in told
    assert f"bad.safetensors {found}" in told or found in told


def test_an_empty_file_is_no_lora(mistakes: Mistakes, studio: Path) -> None:
    (studio / "bad.safetensors").write_bytes(b"")
    (told,) = mistakes("shots: [{from: a, render: {loras: bad.safetensors}}]")
    assert "is not a safetensors file" in told


def test_a_profile_is_in_the_key_for_every_backend(plan: Plan) -> None:
    shots = "shots: [{from: a, render: {profile: NAME}}]"
    takes = [take_of(plan(shots.replace("NAME", name))) for name in ("exact", "fast")]
    assert [take.sampling.profile for take in takes] == ["exact", "fast"]
    assert len({take.key for take in takes}) == 2
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
    lora_file(studio / "other.safetensors", 5120)
    (told,) = mistakes(shots.replace("profile: draft", "profile: draft, loras: other.safetensors"))
    assert "does not fit wan2.1-t2v-1.3b" in told
    own = lora_file(studio / "own.safetensors", 1536)
    assert take_of(plan(shots.replace("profile: draft", "profile: draft, loras: own.safetensors"))).loras == (
        Lora(own, 1.0),
    )


A14B = "{model: wan2.2-i2v-a14b}"


def shot(loras: str, render: str = f"i2v: {A14B}") -> str:
    return f"shots: [{{from: a, render: {{{render}, loras: {loras}}}}}]"


def experts(film: FilmPlan) -> list[str]:
    return [each.expert for each in take_of(film).loras]


def told(film: FilmPlan, word: str) -> list[str]:
    return [str(warning).partition(": ")[2] for warning in film.warnings if word in str(warning)]


def test_what_is_written_decides_before_what_a_name_says(plan: Plan, studio: Path) -> None:
    lora(studio, "a_HIGH.safetensors")
    for written_expert in ("high", "LOW", "both"):
        film = plan(shot(f"[{{path: a_HIGH.safetensors, expert: {written_expert}}}]"))
        assert experts(film) == [written_expert.lower()]
    assert experts(plan(shot("a_HIGH.safetensors"))) == ["high"]


def test_the_nearest_folder_says_it_where_the_name_does_not(plan: Plan, studio: Path) -> None:
    lora(studio, "high_noise/style.safetensors")
    lora(studio, "high_noise/low/style.safetensors", "k")
    lora(studio, "low_noise/style_high.safetensors", "v")
    film = plan(
        shot("[high_noise/style.safetensors, high_noise/low/style.safetensors, low_noise/style_high.safetensors]")
    )
    assert experts(film) == ["high", "low", "high"]


def test_the_plan_lists_who_wears_what(plan: Plan, studio: Path) -> None:
    written(studio / "x_high.safetensors", entries(square(5120, ("self_attn.q", "self_attn.k"), blocks=40)))
    film = plan(shot("x_high.safetensors"))
    assert [(lora.path, lora.in_words) for lora in film.applied_loras] == [
        ("x_high.safetensors", "high-noise expert, 80 of 80 layers")
    ]
    assert not told(film, "x_high")


def test_a_name_that_says_nothing_is_told_where_there_are_two_experts(plan: Plan, studio: Path) -> None:
    lora(studio, "slow_noise.safetensors")
    film = plan(shot("slow_noise.safetensors"))
    assert experts(film) == ["both"]
    assert [lora.in_words for lora in film.applied_loras] == ["both experts, 1 of 1 layers"]
    (warning,) = told(film, "slow_noise")
    assert "used by both experts" in warning
    assert "write expert: high, low or both" in warning
    assert not told(plan(shot("{path: slow_noise.safetensors, expert: both}")), "slow_noise")
    assert not told(plan("shots: [{from: a, render: {loras: slow_noise.safetensors}}]"), "slow_noise")


def test_what_only_a_letter_says_is_told(plan: Plan, studio: Path) -> None:
    lora(studio, "Samuel_L_Harbour.safetensors")
    film = plan(shot("Samuel_L_Harbour.safetensors"))
    assert experts(film) == ["low"]
    (warning,) = told(film, "Samuel_L_Harbour")
    assert "is used by the low-noise expert: only the letter L says so; write expert: high, low or both" in warning
    assert not told(plan(shot("{path: Samuel_L_Harbour.safetensors, expert: low}")), "Samuel_L_Harbour")
    of_one_expert = "shots: [{from: a, render: {loras: Samuel_L_Harbour.safetensors}}]"
    assert not told(plan(of_one_expert), "Samuel_L_Harbour")  # an initial, most likely


def test_a_model_of_one_expert_wears_what_is_named_for_one_and_says_so(
    plan: Plan, mistakes: Mistakes, studio: Path
) -> None:
    lora(studio, "a_HIGH.safetensors")
    film = plan("shots: [{from: a, render: {loras: a_HIGH.safetensors}}]")
    assert experts(film) == ["both"]
    (warning,) = told(film, "a_HIGH")
    assert "high-noise expert, by its name; the only expert of wan2.1-i2v-14b-480p uses it" in warning
    (mistake,) = mistakes("shots: [{from: a, render: {loras: {path: a_HIGH.safetensors, expert: low}}}]")
    assert "film.yaml:4:" in mistake
    assert "loras[0].expert" in mistake
    assert "wan2.1-i2v-14b-480p has only one expert" in mistake


def test_a_file_of_both_experts_is_worn_by_part(plan: Plan, studio: Path) -> None:
    parts = {**pair("transformer.blocks.0.attn1.to_q", 5120), **pair("transformer_2.blocks.1.attn1.to_q", 5120)}
    digest = written(studio / "both_high_noise.safetensors", entries(parts))
    film = plan(shot("both_high_noise.safetensors"))
    assert take_of(film).loras == (Lora(digest, 1.0, "each"),)
    own = "1 of 1 layers of its own part"
    assert [lora.in_words for lora in film.applied_loras] == [f"high-noise expert, {own}; low-noise expert, {own}"]
    assert experts(plan(shot("{path: both_high_noise.safetensors, expert: low}"))) == ["low part"]
    film = plan("shots: [{from: a, render: {loras: both_high_noise.safetensors}}]")
    assert experts(film) == ["each"]
    (warning,) = told(film, "left out")
    assert "1 of 2 layers are left out: for a second expert, which this model does not have" in warning


def test_layers_that_are_left_out_are_told_and_recorded_beside_every_take(plan: Plan, studio: Path) -> None:
    written(studio / "a_low.safetensors", entries(square(5120, ("self_attn.q", "cross_attn.k_img"), blocks=3)))
    film = plan(
        f"shots: [{{from: a, to: c, through: b, takes: 2, render: {{flf2v: {A14B}, loras: a_low.safetensors}}}}]"
    )
    text = "a_low.safetensors: 3 of 6 layers are left out: for pictures that CLIP sees, which this model does not use"
    assert [lora.in_words for lora in film.applied_loras] == ["low-noise expert, 3 of 6 layers"]
    assert len(told(film, text)) == 1
    assert len(film.by_key) == 6  # two takes, each joined from two
    assert film.remarks == dict.fromkeys(film.by_key, (text,))


def test_a_painted_keyframes_loras_are_held_against_its_model(mistakes: Mistakes, studio: Path) -> None:
    lora_file(studio / "small.safetensors", 1536)
    (mistake,) = mistakes(
        "version: 1\nkeyframes: {a: {prompt: a deer, render: {loras: small.safetensors}}}\nshots: [{still: a}]"
    )
    assert "keyframes.a.render.loras[0]: small.safetensors does not fit wan2.1-t2v-14b" in mistake


def test_every_mistake_of_a_list_is_told_with_its_line(mistakes: Mistakes, studio: Path) -> None:
    lora_file(studio / "small.safetensors", 1536)
    written(studio / "broken.safetensors", b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 1e999]}}', 4)
    lora(studio, "good.safetensors")
    found = mistakes(
        "defaults:\n  render:\n    loras:\n      - small.safetensors\n      - good.safetensors\n"
        "      - broken.safetensors\nshots: [{from: a}, {from: b}]"
    )
    assert [each.split(": ", 1)[0] for each in found] == ["film.yaml:7:9", "film.yaml:9:9"]
    assert "(1536, 1536) for (5120, 5120)" in found[0]
    assert "1e999 is not a whole number from 0" in found[1]


def test_a_lora_that_is_listed_twice_or_without_strength_is_told(plan: Plan, studio: Path) -> None:
    lora(studio, "one.safetensors")
    lora(studio, "again.safetensors")
    film = plan("shots: [{from: a, render: {loras: [one.safetensors, {path: again.safetensors, scale: 0.5}]}}]")
    assert told(film, "listed twice: its scales add up")
    film = plan(shot("[{path: one.safetensors, expert: high}, {path: one.safetensors, expert: low, scale: 0.5}]"))
    assert not told(film, "listed twice")
    film = plan("shots: [{from: a, render: {loras: [{path: one.safetensors, scale: 0}]}}]")
    assert take_of(film).loras == ()
    assert told(film, "one.safetensors is not applied: its scale is 0")


def test_a_draft_that_brings_a_listed_lora_along_says_so(
    plan: Plan, studio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = lora(studio, "distilled.safetensors")
    own = replace(distilled.I2V_2_1[0], content=digest)
    monkeypatch.setitem(official.BY_NAME, "wan2.1-i2v-14b-480p", replace(official.I2V_14B_480P, distilled=(own,)))
    film = plan(shot("distilled.safetensors", "profile: draft, i2v: {model: wan2.1-i2v-14b-480p}"))
    assert told(film, "profile draft already uses a LoRA of wan2.1-i2v-14b-480p that is also listed")


def test_another_expert_is_why_a_take_is_stale(plan: Plan, studio: Path) -> None:
    lora(studio, "a.safetensors")
    before, after = (take_of(plan(shot(f"{{path: a.safetensors, expert: {name}}}"))) for name in ("both", "high"))
    assert changes(canonical(before), after) == ("experts of LoRAs",)
    assert before.key == replace(before, loras=(Lora(before.loras[0].content, 1.0),)).key, (
        "as before there was a choice"
    )


def test_a_draft_lists_what_it_brings_along_where_that_is_here(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published low-noise LoRA of Wan 2.2 is the one made for Wan 2.1, which sees pictures by CLIP."""
    shots = shot("[]", f"profile: draft, i2v: {A14B}")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path))
    before = plan(shots)
    assert (before.applied_loras, before.remarks) == ((), {})
    high, low = distilled.I2V_2_2
    folder = tmp_path / "Wan2.2-Distill-Loras"
    written(folder / high.file, entries(square(5120)))
    written(folder / low.file, entries(square(5120, ("self_attn.q", "cross_attn.k_img"))))
    film = plan(shots)
    assert [(lora.path, lora.in_words) for lora in film.applied_loras] == [
        (high.file, "high-noise expert, 1 of 1 layers"),
        (low.file, "low-noise expert, 1 of 2 layers"),
    ]
    (text,) = film.remarks[take_of(film).key]
    assert text.startswith(f"{low.file}: 1 of 2 layers are left out")
    assert [note.found for note in film.notes if "left out" in note.found] == [text]
    assert take_of(film).key == take_of(before).key
    (folder / low.file).write_bytes(b"cut")
    assert len(plan(shots).applied_loras) == 1
