"""Stages: what is in their keys, and that a take made from kept ones is the take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.backends.wan.conftest import CPU, Tiny, nobody, picture, plates_of
from tests.tiny_wan import KINDS
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.pipeline.stage_cache import (
    ConditionKey,
    LatentsKey,
    PairKey,
    PictureKey,
    StageCache,
    StageModel,
    TextKey,
)
from wan_render.backends.wan.pipeline.take_encodings import Encodings
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.errors import PictureError, Problem
from wan_render.keys import content_key
from wan_render.render_values import Phase, Progress, Stage, TakeInputs, Workspace
from wan_render.take import ShotKind, Take

pytestmark = pytest.mark.wan

Tinies = Callable[[str], Tiny]

SOURCE = StageModel("somebody/model@main", "0f3c", "bfloat16")
OTHER = replace(SOURCE, weights="77aa")

KEYS: Mapping[Any, Mapping[str, Any]] = {
    SOURCE: {"model": "another", "weights": "77aa", "dtype": "float32"},
    TextKey(SOURCE, "dawn"): {"source": OTHER, "text": "dusk"},
    PictureKey(SOURCE, "CLIPImageProcessor", "11"): {"source": OTHER, "processor": "another", "picture": "22"},
    PairKey(SOURCE, "CLIPImageProcessor", "11", "22"): {
        "source": OTHER,
        "processor": "another",
        "first": "33",
        "last": "33",
    },
    ConditionKey(SOURCE, "11", "22", 81): {"source": OTHER, "first": "33", "last": "", "frames": 77},
    LatentsKey("7f3a", (SOURCE,)): {"take": "8e4b", "sources": (SOURCE, OTHER)},
}


class Shelf:
    """Stages in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.what: list[str] = []

    def find(self, stage: Stage) -> bytes | None:
        return self.kept.get(stage.key)

    def keep(self, stage: Stage, content: bytes) -> None:
        self.kept[stage.key] = content
        self.what.append(stage.what)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: type(key).__name__)
def test_every_field_of_a_key_makes_another_one(key: Any) -> None:
    changes = KEYS[key]
    assert set(changes) == {field.name for field in fields(key)}, "a new field needs its line above"
    keys = {content_key("stage", replace(key, **{name: value})) for name, value in changes.items()}
    assert len(keys | {content_key("stage", key)}) == len(changes) + 1


def test_two_kinds_of_stage_never_share_a_key() -> None:
    tags = [kind.TAG for kind in (TextKey, PictureKey, PairKey, ConditionKey, LatentsKey)]
    assert len(set(tags)) == len(tags)


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, model in KINDS.items() for kind in model.kinds])
def test_a_take_from_kept_stages_is_bit_for_bit_the_take(
    tiny: Tinies, name: str, kind: ShotKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything kept nothing is loaded but what decodes; without the latents, the transformers as well."""
    model = tiny(name)
    take, shelf = model.take(kind), Shelf()
    plates = plates_of(take)
    fresh = BACKEND.open(model.card, CPU, nobody).render(take, plates, nobody).pixels
    BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).render(take, plates, nobody)
    loaded: list[str] = []
    real = FolderLoader.module

    def noted(self: FolderLoader, component: str) -> torch.nn.Module:
        loaded.append(component)
        return real(self, component)

    monkeypatch.setattr(FolderLoader, "module", noted)

    decoded = BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).render(take, plates, nobody).pixels
    assert np.array_equal(decoded, fresh)
    assert loaded == ["vae"]

    loaded.clear()
    shelf.kept = {key: value for key, value in shelf.kept.items() if key != _latents(shelf)}
    denoised = BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).render(take, plates, nobody).pixels
    assert np.array_equal(denoised, fresh)
    assert sorted(loaded) == [*["transformer", "transformer_2"][: model.kind.experts], "vae"]


def _latents(shelf: Shelf) -> str:
    """Its key: it is kept last."""
    assert shelf.what[-1].startswith("latents")
    return list(shelf.kept)[-1]


def test_a_second_take_encodes_nothing_and_another_prompt_its_own_words_only(tiny: Tinies) -> None:
    model, shelf = tiny("flf2v-2.1"), Shelf()
    renderer = BACKEND.open(model.card, CPU, nobody, Workspace(shelf))
    take = model.take(ShotKind.FLF2V)
    renderer.render(take, plates_of(take), nobody)
    assert [what.split()[0] for what in shelf.what] == ["text", "text", "CLIP's", "VAE's", "latents"]
    shelf.what.clear()

    again = replace(take, seed=5)
    renderer.render(again, plates_of(again), nobody)
    other = replace(take, prompt="a lake")
    renderer.render(other, plates_of(other), nobody)
    assert [what.split()[0] for what in shelf.what] == ["latents", "text", "latents"]


@pytest.mark.parametrize("as_stock", [False, True])
def test_a_keyframe_of_two_shots_is_seen_once_unless_the_pair_is_asked_for_as_in_stock(
    tiny: Tinies, *, as_stock: bool
) -> None:
    """On a GPU with kernels of ours each keyframe is a stage of its own."""
    model, shelf = tiny("flf2v-2.1"), Shelf()
    loader = FolderLoader(read_checkpoint(model.folder), EXACT["cpu"])
    encodings = Encodings(loader, lambda _: SOURCE, StageCache(shelf), torch.device("cpu"), as_stock=as_stock)
    a, b, c = (picture(model.kind.size, seed) for seed in (1, 2, 3))
    with torch.no_grad():
        views = [
            encodings.pictures(TakeInputs(*pair), lambda: loader.module("image_encoder")) for pair in ((a, b), (b, c))
        ]
    assert [view.shape[0] for view in views if view is not None] == [2, 2]
    assert len(shelf.what) == (2 if as_stock else 3)


def test_a_take_whose_latents_are_there_says_that_its_steps_are_done(tiny: Tinies) -> None:
    model, shelf = tiny("t2v-2.1"), Shelf()
    take = model.take(ShotKind.T2V)
    BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).render(take, plates_of(take), nobody)
    heard: list[Progress] = []
    BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).render(take, plates_of(take), heard.append)
    assert [event for event in heard if event.phase is Phase.STEP] == [Progress(Phase.STEP, 4, 4)]


def test_embeddings_are_kept_short_and_used_padded(tiny: Tinies) -> None:
    from safetensors.torch import load

    model, shelf = tiny("t2v-2.1"), Shelf()
    renderer = BACKEND.open(model.card, CPU, nobody, Workspace(shelf))
    assert isinstance(renderer, WanRenderer)
    take = model.take(ShotKind.T2V, prompt="a lake")
    with torch.no_grad():
        renderer.latents(take, plates_of(take))
        (embedding, _) = renderer._pipeline.encode_text(renderer._setup(take, plates_of(take)))
    kept = load(next(iter(shelf.kept.values())))["stage"]
    assert kept.shape[1] == len("a lake") + 1
    assert embedding.shape[1] == 512
    assert torch.equal(embedding[:, : kept.shape[1]], kept)
    assert not embedding[:, kept.shape[1] :].any()


def test_if_memory_is_short_all_takes_are_encoded_before_the_first(
    tiny: Tinies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", "freed")
    model, shelf = tiny("flf2v-2.1"), Shelf()
    renderer = BACKEND.open(model.card, CPU, nobody, Workspace(shelf))
    takes = [model.take(ShotKind.FLF2V, prompt=prompt) for prompt in ("a river", "a lake", "a river")]
    asked: list[str] = []

    def plates(take: Take) -> TakeInputs:
        asked.append(take.key)
        return plates_of(take)

    heard: list[Progress] = []
    renderer.prepare(takes, plates, heard.append)
    encodings = [event for event in heard if event.phase is Phase.ENCODING]
    assert len(set(encodings)) == encodings[0].total > len(takes), "each is progress: no watchdog is alarmed"
    renderer.prepare(takes[1:], plates, nobody)
    assert len(asked) == 2 * len(takes), "each is looked at once for each encoder, however often it is announced"
    # Two prompts and the negative one; the pictures are the same in all.
    assert [what.split()[0] for what in shelf.what] == ["text"] * 3 + ["CLIP's", "VAE's"]


def test_what_is_wrong_with_a_later_take_is_its_own_failure(tiny: Tinies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", "freed")
    model, shelf = tiny("i2v-2.1"), Shelf()
    good, bad = model.take(ShotKind.I2V), model.take(ShotKind.I2V, prompt="a lake")

    def plates(take: Take) -> TakeInputs:
        if take == bad:
            raise PictureError(Problem("lake.png", "is gone"))
        return plates_of(take)

    BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).prepare([bad, good], plates, nobody)
    assert [what.split()[0] for what in shelf.what] == ["text"] * 3 + ["CLIP's", "VAE's"]


def test_with_enough_memory_nothing_is_encoded_ahead(tiny: Tinies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", "resident")
    model, shelf = tiny("flf2v-2.1"), Shelf()
    take = model.take(ShotKind.FLF2V)
    BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).prepare([take], plates_of, nobody)
    assert shelf.what == []
