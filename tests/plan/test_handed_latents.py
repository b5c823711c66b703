"""`render: {previous: latents}`: which shots begin on latents, what is said of others, and which keys change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.plan.test_loras import take_of
from wan_render.authored import Document
from wan_render.facts import FactCache
from wan_render.keys import canonical
from wan_render.model_card import ModelCard, Models
from wan_render.plan import FilmPlan, PinnedClip, make_plan
from wan_render.plan.previous import PinnedClips, no_pinned_clips
from wan_render.take import FRAME_VERSION, LATENTS_VERSION, FramePlate, Size, Take
from wan_render.take_changes import changes

Planned = Callable[..., FilmPlan]

CHAIN = "shots: [{from: a}, {from: previous}, {from: previous}]"
ON = "defaults: {render: {previous: latents}}\n"


@pytest.fixture
def planned(document: Callable[[str], Document], models: Models, cache: FactCache) -> Planned:
    def plan(
        text: str,
        kept: PinnedClips = no_pinned_clips,
        hands: Callable[[ModelCard], bool] = lambda card: True,  # noqa: ARG005 - as the plan calls it
        *,
        draft: bool = False,
    ) -> FilmPlan:
        return make_plan(
            document(text),
            models=models,
            backend_id="wan/1",
            cache=cache,
            kept=kept,
            hands_latents=hands,
            draft=draft,
        )

    return plan


def begins(film: FilmPlan) -> list[str]:
    """How the second and later shots begin."""
    firsts = [take_of(film, at).first for at in range(1, len(film.shots))]
    return [first.conform for first in firsts if isinstance(first, FramePlate)]


def said(film: FilmPlan) -> str:
    return "\n".join(str(warning) for warning in film.warnings)


def clip(take: Take, *, has_latents: bool) -> PinnedClip:
    return PinnedClip(take.key, take.frames, take.size, has_latents)


def test_off_by_default_and_inherited_like_every_setting(planned: Planned) -> None:
    assert begins(planned(CHAIN)) == [FRAME_VERSION, FRAME_VERSION]
    assert begins(planned(ON + CHAIN)) == [LATENTS_VERSION, LATENTS_VERSION]
    one = "shots: [{from: a}, {from: previous, render: {previous: Latents}}, {from: previous}]"
    film = planned(one)
    assert begins(film) == [LATENTS_VERSION, FRAME_VERSION]
    assert film.handing_latents == {take_of(film, 0).key}
    off = "shots: [{from: a}, {from: previous, render: {previous: picture}}, {from: previous}]"
    assert begins(planned(ON + off)) == [FRAME_VERSION, LATENTS_VERSION]


def test_only_takes_that_begin_on_latents_get_other_keys(planned: Planned) -> None:
    without, picture, latents = (planned(text + CHAIN) for text in ("", ON.replace("latents", "picture"), ON))
    assert [take.key for take in without.takes] == [take.key for take in picture.takes]
    assert take_of(without, 0).key == take_of(latents, 0).key
    assert take_of(without, 1).key != take_of(latents, 1).key
    assert take_of(latents, 1).needs == (take_of(latents, 0).key,)
    assert changes(canonical(take_of(without, 1)), take_of(latents, 1)) == ("what the previous shot hands over",)


def test_the_plan_notes_which_shots_begin_on_latents(planned: Planned) -> None:
    film = planned(ON + CHAIN)
    assert [note.found for note in film.notes if "latents" in note.found] == [
        "1/020 begins on the latents of 1/010",
        "1/030 begins on the latents of 1/020",
    ]
    assert "latents" not in said(film)


def test_another_models_take_hands_over_its_picture(planned: Planned) -> None:
    film = planned(ON + "shots: [{from: a, to: b}, {from: previous}]")
    assert begins(film) == [FRAME_VERSION]
    assert "1/020 begins on the last picture of 1/010, not on its latents: wan2.1-flf2v-14b renders it, not" in said(
        film
    )


def test_a_joined_take_hands_over_its_picture(planned: Planned) -> None:
    text = "shots: [{from: a, through: [b], to: c, render: {MODEL}}, {from: previous, to: d}]".replace(
        "MODEL", "flf2v: {model: wan2.1-flf2v-14b}"
    )
    film = planned(ON + text)
    assert begins(film) == [FRAME_VERSION]
    assert "its take is joined from others" in said(film)


def test_a_take_in_the_store_hands_over_what_is_beside_its_clip(planned: Planned) -> None:
    first = take_of(planned(CHAIN), 0)
    for has_latents, begun in ((True, LATENTS_VERSION), (False, FRAME_VERSION)):
        found = clip(first, has_latents=has_latents)
        film = planned(ON + CHAIN, lambda digits, found=found: found if found.key.startswith(digits) else None)
        assert begins(film)[0] == begun
        assert ("was rendered without keeping them" in said(film)) is not has_latents


def test_a_pinned_clip_hands_over_its_picture(planned: Planned) -> None:
    first = take_of(planned(CHAIN), 0)
    old = replace(first, prompt="another")
    found = clip(old, has_latents=True)
    text = f"shots: [{{from: a, circle: 1@{old.key[:8]}}}, {{from: previous}}]"
    film = planned(ON + text, lambda digits: found if found.key.startswith(digits) else None)
    assert begins(film) == [FRAME_VERSION]
    assert "its clip is pinned" in said(film)


def test_a_backend_without_latents_notes_that_pictures_are_used(planned: Planned) -> None:
    film = planned(ON + CHAIN, hands=lambda card: False)  # noqa: ARG005 - as the plan calls it
    assert begins(film) == [FRAME_VERSION, FRAME_VERSION]
    assert "latents" not in said(film)
    assert "1/020 begins on the last picture of 1/010: wan/1 has no latents" in "\n".join(
        str(note) for note in film.notes
    )


def test_a_shot_that_continues_none_is_told_so(planned: Planned) -> None:
    film = planned("shots: [{from: a, render: {previous: latents}}]")
    assert "1/010 does not begin with `from: previous`" in said(film)
    assert "does not begin" not in said(planned(ON + "shots: [{from: a}]"))


def test_the_first_segment_of_a_shot_through_keyframes_begins_on_latents(planned: Planned) -> None:
    model = "render: {flf2v: {model: wan2.2-i2v-a14b}, i2v: {model: wan2.2-i2v-a14b}, previous: latents}"
    film = planned(f"defaults: {{{model}}}\nshots: [{{from: a}}, {{from: previous, through: [b], to: c}}]")
    joined = take_of(film, 1)
    assert not joined.continues_latents
    assert [segment.continues_latents for segment in joined.segments] == [True, False]
    assert film.handing_latents == {take_of(film, 0).key}


def test_the_size_of_kept_latents_is_part_of_the_forecast(planned: Planned) -> None:
    """21 latent frames of 104x60, 16 channels in float32."""
    from wan_render.status.forecast import take_bytes

    take = replace(take_of(planned(CHAIN), 0), size=Size(832, 480), frames=81)
    assert take_bytes(take, keeps_latents=True) - take_bytes(take) == 21 * 16 * 60 * 104 * 4
