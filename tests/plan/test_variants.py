"""One variant of a profile for a film, unless a take is there in another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.plan.conftest import HEAD
from tests.plan.test_loras import take_of
from wan_render.authored import Document
from wan_render.backend_contract import Variant
from wan_render.errors import StoryboardError
from wan_render.facts import FactCache
from wan_render.keys import canonical
from wan_render.model_card import Models
from wan_render.plan import FilmPlan, VariantChoice, make_plan
from wan_render.take import FramePlate, Take
from wan_render.take_changes import changes

Planned = Callable[..., FilmPlan]

WEAK = Variant("exact", "computed like exact: no float8 here", {"": "in float8"})
STRONG = Variant("", "", {"exact": "computed like exact"})
CHAIN = "shots: [{from: a, render: {profile: draft}}, {from: previous, render: {profile: draft}}]"


@pytest.fixture
def planned(document: Callable[[str], Document], models: Models, cache: FactCache) -> Planned:
    def plan(text: str, variant: Variant, there: tuple[str, ...] = (), *, draft: bool = False) -> FilmPlan:
        asked: list[str] = []

        def of(profile: str) -> Variant:
            asked.append(profile)
            return variant

        choice = VariantChoice(of, there.__contains__)
        film = make_plan(document(text), models=models, backend_id="wan/1", cache=cache, draft=draft, variants=choice)
        assert len(asked) == len({*asked})
        assert "exact" not in asked
        return film

    return plan


def in_variant(take: Take, name: str) -> Take:
    return replace(take, sampling=replace(take.sampling, variant=name))


def test_the_variant_is_in_the_key_and_the_first_one_leaves_keys_as_they_were(planned: Planned) -> None:
    strong, weak = (take_of(planned(CHAIN, variant)) for variant in (STRONG, WEAK))
    assert "variant" not in canonical(strong)["sampling"]
    assert canonical(weak)["sampling"]["variant"] == "exact"
    assert strong.key != weak.key
    assert changes(canonical(strong), weak) == ("variant",)


def test_other_profiles_are_not_asked_for(planned: Planned) -> None:
    film = planned("shots: [{from: a}, {from: b, render: {profile: exact}}]", WEAK)
    assert all(take.sampling.variant == "" for take in film.takes)


def test_the_choice_is_told_once_and_recorded_beside_every_take(planned: Planned) -> None:
    text = "defaults: {takes: 2, render: {profile: draft}}\nshots: [{from: a}, {from: b}]"
    film = planned(text, WEAK)
    assert [warning.where.rpartition(": ")[2] for warning in film.warnings if WEAK.note in warning.found] == [
        "defaults.render.profile"
    ]
    assert {take.key for take in film.takes} == {key for key, told in film.remarks.items() if WEAK.note in told}
    assert len([w for w in planned("shots: [{from: a}]", WEAK, draft=True).warnings if WEAK.note in w.found]) == 1
    assert not [w for w in planned(text, STRONG).warnings if "float8" in w.found]


@pytest.mark.parametrize(("here", "there"), [(STRONG, "exact"), (WEAK, "")])
def test_a_take_that_is_there_in_another_variant_counts_and_what_continues_it_agrees(
    planned: Planned, here: Variant, there: str
) -> None:
    first, second = (take_of(planned(CHAIN, here), shot) for shot in (0, 1))
    other = in_variant(first, there)
    film = planned(CHAIN, here, (other.key,))
    assert take_of(film, 0) == other
    going_on = take_of(film, 1)
    assert isinstance(going_on.first, FramePlate)
    assert going_on.first.take == other.key
    assert going_on.sampling.variant == second.sampling.variant == here.name
    assert any("in another variant" in note.found for note in film.notes)
    assert any("profile draft" in told for told in film.remarks[other.key])


def test_where_both_are_there_the_films_own_counts(planned: Planned) -> None:
    first = take_of(planned(CHAIN, WEAK))
    film = planned(CHAIN, WEAK, (first.key, in_variant(first, "").key))
    assert take_of(film) == first


def test_a_painted_keyframe_has_it_too(planned: Planned) -> None:
    keyframes = HEAD.replace("keyframes: keyframes/", "keyframes: {deer: {prompt: a deer}}")
    film = planned(keyframes + "defaults: {render: {profile: draft}}\nshots: [{from: deer}]", WEAK)
    assert {take.sampling.variant for take in film.takes} == {"exact"}
    first = take_of(film).first
    assert isinstance(first, FramePlate)
    assert first.take == film.paintings["deer"].key


SEVERAL = Variant("exact-attention", "", {"": "in float8", "exact": "like exact"})


@pytest.mark.parametrize(
    ("written", "name"), [("auto", "exact-attention"), ("float8", ""), ("exact", "exact"), ("exact-attention", None)]
)
def test_a_variant_can_be_asked_for(planned: Planned, written: str, name: str | None) -> None:
    """It is taken even where the store has another one."""
    text = f"shots: [{{from: a, render: {{profile: draft, variant: {written}}}}}]"
    take = take_of(planned(text, SEVERAL))
    assert take.sampling.variant == ("exact-attention" if name is None else name)
    if written != "auto":
        other = in_variant(take, "" if name else "exact")
        assert take_of(planned(text, SEVERAL, (other.key,))) == take


def test_a_variant_that_the_profile_does_not_have_is_a_mistake(planned: Planned) -> None:
    text = "shots: [{from: a, render: {profile: draft, variant: 8-bit-weights}}]"
    with pytest.raises(StoryboardError, match="profile draft has no variant 8-bit-weights; allowed: auto, exact-att"):
        planned(text, SEVERAL)


def test_a_profile_that_is_computed_in_one_way_has_none(planned: Planned) -> None:
    film = planned("shots: [{from: a, render: {variant: exact-attention}}]", SEVERAL)
    assert take_of(film).sampling.variant == ""
    assert any("no effect: profile exact is computed in one way" in str(warning) for warning in film.warnings)
