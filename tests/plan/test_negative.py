"""The negative prompt goes by the model, and is in the key only where the model reads it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.plan.conftest import Plan
from tests.plan.test_loras import take_of
from wan_render.backends.wan.models.official import NEGATIVE, NO_FLF2V_NEGATIVE
from wan_render.keys import canonical
from wan_render.take_changes import changes

UNUSED = "the negative prompt is not used"


@pytest.mark.parametrize(
    ("shot", "before"),
    [
        ("from: a, to: b", "镜头切换，镜头晃动，"),
        ("from: a", "镜头晃动，"),
        ("action: x", ""),
        ("from: a, to: b, render: {flf2v: {model: wan2.2-i2v-a14b}}", ""),
        ("from: a, render: {i2v: {model: wan2.2-i2v-a14b}}", ""),
        ("from: a, render: {i2v: {model: wan2.1-i2v-14b-720p}}", "镜头晃动，"),
        ("action: x, render: {t2v: {model: wan2.2-t2v-a14b}}", ""),
    ],
)
def test_the_official_one_is_the_models_own(plan: Plan, shot: str, before: str) -> None:
    assert take_of(plan(f"shots: [{{{shot}}}]")).negative == before + NEGATIVE


def test_that_none_is_published_is_said_where_it_is_used(plan: Plan) -> None:
    shots = "shots: [{{from: a, to: b, render: {{flf2v: {{model: {}}}{}}}}}]"
    told = [note.found for note in plan(shots.format("wan2.2-i2v-a14b", "")).notes]
    assert NO_FLF2V_NEGATIVE in told
    for others in (
        ("wan2.1-flf2v-14b", ""),
        ("wan2.2-i2v-a14b", ", negative: my own"),
        ("wan2.2-i2v-a14b", ", negative: none"),
    ):
        assert NO_FLF2V_NEGATIVE not in [note.found for note in plan(shots.format(*others)).notes]


@pytest.mark.parametrize("guidance", ["1", "0", "0.5", "[1, 1]", "[0, 1]"])
def test_one_that_nothing_reads_is_not_in_the_key(plan: Plan, guidance: str) -> None:
    text = "shots: [{{from: a, render: {{i2v: {{model: wan2.2-i2v-a14b, guidance: {}}}, negative: {}}}}}]"
    one, other = (take_of(plan(text.format(guidance, words))) for words in ("official", "no text"))
    assert one.negative == other.negative == ""
    assert one.key == other.key


@pytest.mark.parametrize("guidance", ["1.1", "[1, 3.5]", "[3.5, 1]"])
def test_one_that_any_expert_reads_is(plan: Plan, guidance: str) -> None:
    film = plan(f"shots: [{{from: a, render: {{i2v: {{model: wan2.2-i2v-a14b, guidance: {guidance}}}}}}}]")
    assert take_of(film).negative == NEGATIVE
    assert not [note for note in film.notes if UNUSED in note.found]


def test_words_that_were_written_for_nothing_are_a_warning_at_their_place(plan: Plan) -> None:
    film = plan("defaults: {render: {negative: no text, i2v: {guidance: 1}}}\nshots: [{from: a}, {from: b}]")
    (warning,) = [warning for warning in film.warnings if UNUSED in warning.found]
    assert warning.where.endswith("defaults.render.negative")
    film = plan("look: {avoid: text}\nshots: [{from: a, render: {i2v: {guidance: 1}}}]")
    assert any(UNUSED in warning.found for warning in film.warnings)


@pytest.mark.parametrize("render", ["{i2v: {guidance: 1}}", "{profile: draft}", "{profile: draft, negative: no text}"])
def test_what_nobody_chose_and_drafts_are_a_note(plan: Plan, render: str) -> None:
    film = plan(f"shots: [{{from: a, render: {render}}}]")
    assert not any(UNUSED in warning.found for warning in film.warnings)
    assert [UNUSED in note.found for note in film.notes] == [True]


def test_an_earlier_key_of_such_a_take_is_told_as_what_it_is(plan: Plan) -> None:
    take = take_of(plan("shots: [{from: a, render: {i2v: {guidance: 1}}}]"))
    before = json.loads(json.dumps(canonical(replace(take, negative=NEGATIVE))))
    assert changes(before, take) == ("negative prompt (no effect at guidance 1)",)
