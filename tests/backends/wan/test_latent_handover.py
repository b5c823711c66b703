"""`render: {previous: latents}`: a take begins on the latents of the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.backends.wan.conftest import CPU, Tiny, nobody, picture, plates_of
from tests.production.storyboards import clip_of, pixels_of, take_of
from tests.reference import produce
from wan_render.backends import backend
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.models.catalogue import catalogue
from wan_render.backends.wan.pipeline.latent_handover import begun_on, handed_over, to_hand_over
from wan_render.backends.wan.pipeline.latents import decode_video
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.errors import RenderError
from wan_render.facts import FactCache
from wan_render.model_card import ModelCard
from wan_render.plan import FilmPlan, PinnedClip, make_plan
from wan_render.production.run import begin
from wan_render.render_values import TakeInputs
from wan_render.store import LATENTS, Store
from wan_render.store.record import Clip
from wan_render.storyboard import read_storyboard
from wan_render.take import LATENTS_VERSION, FramePlate, ShotKind, Take

pytestmark = pytest.mark.wan

KINDS = {"i2v-2.1": ShotKind.I2V, "flf2v-2.1": ShotKind.FLF2V, "ti2v-5b": ShotKind.I2V}


def continuing(take: Take) -> Take:
    """A take that begins on the latents of this one."""
    first = FramePlate(take.key, take.frames - 1, take.size, LATENTS_VERSION)
    return replace(take, first=first, seed=take.seed + 1, prompt="boats come home")


@pytest.mark.parametrize("kind", KINDS)
def test_the_frames_are_those_of_one_video_of_both_takes(tiny: Callable[[str], Tiny], kind: str) -> None:
    model = tiny(kind)
    renderer = BACKEND.open(model.card, CPU, nobody)
    assert isinstance(renderer, WanRenderer)
    before = model.take(KINDS[kind])
    shown = renderer.render(before, replace(plates_of(before), keeps_latents=True), nobody)
    take = continuing(before)
    last = picture(take.size, 5) if take.last is not None else None
    inputs = TakeInputs(shown.pixels[-1], last, latents=shown.latents)
    found = renderer.render(take, replace(inputs, keeps_latents=True), nobody)

    one = handed_over(take, shown.latents, (1, 16, 3, *_latent_size(take, kind)))
    own = handed_over(take, found.latents, (1, 16, 3, *_latent_size(take, kind)))
    assert one is not None
    assert own is not None
    assert torch.equal(own[:, :, 0], one[:, :, -1])
    vae: Any = FolderLoader(read_checkpoint(model.folder), EXACT["cpu"]).module("vae")
    with torch.no_grad():
        whole = decode_video(torch.cat([one, own[:, :, 1:]], dim=2), vae)
    assert np.array_equal(whole[: before.frames], shown.pixels)
    assert np.array_equal(whole[before.frames - 1 :], found.pixels)
    vae.use_tiling = True  # all frames come at once
    with torch.no_grad():
        assert np.array_equal(decode_video(own, vae, one[:, :, :-1]), found.pixels)

    by_picture = renderer.render(replace(take, first=before.first), TakeInputs(shown.pixels[-1], last), nobody)
    assert not np.array_equal(by_picture.pixels[1:], found.pixels[1:])
    assert by_picture.latents is None


def test_the_model_sees_the_last_latents_in_place_of_the_encoded_picture(tiny: Callable[[str], Tiny]) -> None:
    """Every other input stays: mask, and what a picture at the beginning makes of the latents after it."""
    model = tiny("i2v-2.1")
    renderer = BACKEND.open(model.card, CPU, nobody)
    assert isinstance(renderer, WanRenderer)
    take = continuing(model.take(ShotKind.I2V))
    handed = torch.randn(1, 16, 5, 6, 8, generator=torch.Generator().manual_seed(1))
    latents, encodings = (1, 16, 3, 6, 8), renderer._encodings
    inputs = TakeInputs(picture(take.size, 1), None)
    seen = [
        encodings.condition(take, inputs, latents, lambda: renderer._components.vae(renderer._setup(take, inputs)), at)
        .model_input(torch.zeros(latents))
        .squeeze(0)
        for at in (None, handed)
    ]
    assert torch.equal(seen[1][20:, 0], handed[0, :, -1])
    assert not torch.equal(seen[0][20:, 0], seen[1][20:, 0])
    assert torch.equal(seen[0][:20], seen[1][:20])
    assert torch.equal(seen[0][20:, 1:], seen[1][20:, 1:])


def test_latents_that_are_missing_broken_or_of_another_size_are_refused(tiny: Callable[[str], Tiny]) -> None:
    model = tiny("i2v-2.1")
    take = continuing(model.take(ShotKind.I2V))
    renderer = BACKEND.open(model.card, CPU, nobody)
    for latents, said in (
        (None, "are not there"),
        (b"no safetensors file", "cannot be read"),
        (to_hand_over(torch.zeros(1, 16, 3, 4, 8)), r"are \(1, 16, 3, 4, 8\); expected \(1, 16, any, 6, 8\)"),
    ):
        with pytest.raises(RenderError, match=said):
            renderer.render(take, replace(plates_of(take), latents=latents), nobody)


def test_a_take_without_handed_latents_keeps_its_own() -> None:
    latents = torch.randn(1, 16, 3, 6, 8)
    assert begun_on(None, latents) is latents


FILM = """\
version: 1
film: {title: Harbour, raster: 64x48, deliver: 64x48}
keyframes: keyframes/
defaults: {duration: 1s, render: {previous: latents, i2v: {model: boats, steps: 2}}}
shots:
  - {from: a, action: boats leave}
  - {from: previous, action: boats come home}
  - {from: previous, action: night}
"""


def _planned(folder: Path, store: Store, text: str = FILM) -> FilmPlan:
    file = folder / "harbour.yaml"
    file.write_text(text, encoding="utf-8")
    cache = FactCache(folder / "cache")
    models = catalogue(cache)

    def kept(digits: str) -> PinnedClip | None:
        found = store.find(digits)
        return None if found is None else PinnedClip(found.key, found.frames, found.size, found.latents is not None)

    return make_plan(
        read_storyboard(file, models=models, cache=cache),
        models=models,
        backend_id=backend("wan").id,
        cache=cache,
        kept=kept,
        hands_latents=BACKEND.hands_latents,
    )


@pytest.fixture
def harbour(tiny: Callable[[str], Tiny], tmp_path: Path) -> Path:
    copytree(tiny("i2v-2.1").folder, tmp_path / "boats")
    (tmp_path / "keyframes").mkdir()
    Image.fromarray(picture(tiny("i2v-2.1").kind.size, 1)).save(tmp_path / "keyframes" / "a.png")
    return tmp_path


def _first(plan: FilmPlan, shot: str) -> str:
    first = take_of(plan, shot).first
    assert isinstance(first, FramePlate)
    return first.conform


def test_a_film_hands_over_latents_and_resumes(harbour: Path) -> None:
    store = Store(harbour / "outputs")
    plan = _planned(harbour, store)
    version = produce(plan, backend("wan"), store, CPU)

    assert version.slates == {}
    takes = [take_of(plan, f"1/0{n}0") for n in (1, 2, 3)]
    shown = [pixels_of(store, take) for take in takes]
    assert np.array_equal(shown[1][0], shown[0][-1])
    clips: list[Clip] = [clip_of(store, take) for take in takes]
    assert [clip.latents is not None for clip in clips] == [True, True, False]
    assert LATENTS in store.record(takes[0].key).files
    made = store.record(takes[1].key).provenance
    assert made.keyframes == {"first": f"latents of take {takes[0].key[:8]}"}
    again = _planned(harbour, store)
    assert [take.key for take in again.takes] == [take.key for take in plan.takes]
    with begin(again, backend("wan"), store) as run:
        assert run.orders == ()


def test_a_take_that_was_rendered_without_its_latents_is_continued_by_its_picture(harbour: Path) -> None:
    store = Store(harbour / "outputs")
    produce(
        _planned(harbour, store, FILM.replace("previous: latents", "previous: picture")), backend("wan"), store, CPU
    )

    plan = _planned(harbour, store)
    assert [_first(plan, shot) for shot in ("1/020", "1/030")] == ["frame/1", "frame/1"]
    said = [warning.found for warning in plan.warnings]
    without = f"its take @{take_of(plan, '1/010').key[:8]} was rendered without keeping them"
    assert f"1/020 begins on the last picture of 1/010, not on its latents: {without}" in said
    with begin(plan, backend("wan"), store) as run:
        assert run.orders == ()


def _latent_size(take: Take, kind: str) -> tuple[int, int]:
    cell = 16 if kind == "ti2v-5b" else 8
    return take.size.height // cell, take.size.width // cell


def test_hands_latents_says_which_models_do(tiny: Callable[[str], Tiny]) -> None:
    cards: list[ModelCard] = [tiny(kind).card for kind in ("i2v-2.1", "t2v-2.1")]
    assert [BACKEND.hands_latents(card) for card in cards] == [True, False]
