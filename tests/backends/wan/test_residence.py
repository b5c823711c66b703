"""Memory fit: which step is chosen from estimates, and that none but the last changes a bit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from tests.backends.wan.conftest import CPU, Tiny, nobody, plates_of
from tests.backends.wan.forwards import attend_exactly, inputs_of, loaded, reference
from tests.tiny_wan import KINDS
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.memory.budget import Budget
from wan_render.backends.wan.memory.loaded_components import LoadedComponents
from wan_render.backends.wan.memory.offload_choice import (
    BLOCKS,
    MemoryFit,
    MemoryStep,
    Need,
    choose,
    host_bytes_of,
    kept_from,
)
from wan_render.backends.wan.memory.pinned import pinned
from wan_render.backends.wan.memory.streaming import StreamedBlocks, storage_of, streamed
from wan_render.backends.wan.profiles.accelerator import ComponentPlacement, accelerated_bytes, component_bytes
from wan_render.backends.wan.profiles.context import crossed
from wan_render.backends.wan.profiles.render_profile import EXACT as EXACT_PROFILE
from wan_render.backends.wan.profiles.render_profile import FAST, VARIANTS, Profile
from wan_render.errors import OutOfMemoryError
from wan_render.host_memory import HostMemory
from wan_render.render_values import Device, Pixels, Workspace
from wan_render.take import ShotKind

pytestmark = pytest.mark.wan

Tinies = Callable[[str], Tiny]

GB = 1_000_000_000
FLF2V = (
    Need("text_encoder", 114 * GB // 10, GB, can_stream=True),
    Need("image_encoder", 25 * GB // 10, GB, can_stream=False),
    Need("vae", GB // 2, 94 * GB // 10, can_stream=False),
    Need("transformer", 328 * GB // 10, 33 * GB // 10, can_stream=True),
)
"""FLF2V-14B at 832x480x81."""
T2V = (FLF2V[0], FLF2V[2], Need("transformer", 28 * GB // 10, GB, can_stream=True))
"""T2V-1.3B."""

EVERYTHING = frozenset({"text_encoder", "transformer"})


@pytest.mark.parametrize(
    ("needs", "free", "fit"),
    [
        (FLF2V, 140, MemoryFit(MemoryStep.RESIDENT, spare=764 * GB // 10)),
        (FLF2V, 48, MemoryFit(MemoryStep.FREED)),
        (FLF2V, 24, MemoryFit(MemoryStep.STREAMED, frozenset({"transformer"}))),
        (FLF2V, 12, MemoryFit(MemoryStep.STREAMED, EVERYTHING)),
        (T2V, 24, MemoryFit(MemoryStep.FREED)),
        (T2V, 8, MemoryFit(MemoryStep.STREAMED, frozenset({"text_encoder"}))),
        (T2V, 0, MemoryFit(MemoryStep.FREED)),
    ],
)
def test_the_first_step_that_fits_is_chosen(needs: tuple[Need, ...], free: int, fit: MemoryFit) -> None:
    assert choose(None, 0, needs, free * GB) == fit


def test_nothing_is_to_spare_where_a_step_was_named_that_does_not_fit() -> None:
    assert choose(MemoryStep.RESIDENT, 0, FLF2V, 48 * GB) == MemoryFit(MemoryStep.RESIDENT, spare=0)


def test_after_running_out_of_memory_the_next_lossless_step_comes_and_no_other() -> None:
    steps = [choose(None, tighter, FLF2V, 140 * GB) for tighter in range(5)]
    assert [fit.step for fit in steps] == [MemoryStep.RESIDENT, MemoryStep.FREED, *[MemoryStep.STREAMED] * 3]
    assert steps[2].streamed == EVERYTHING
    assert choose(None, 1, FLF2V, 24 * GB).streamed == EVERYTHING
    assert choose(MemoryStep.FREED, 1, FLF2V, 140 * GB).step is MemoryStep.STREAMED
    assert choose(MemoryStep.TILED, 1, FLF2V, 140 * GB).step is MemoryStep.TILED


def test_what_is_asked_for_by_name_is_done() -> None:
    for step in MemoryStep:
        assert choose(step, 0, FLF2V, 140 * GB).step is step
    assert choose(MemoryStep.STREAMED, 0, FLF2V, 140 * GB).streamed == EVERYTHING


def test_a_cpu_streams_nothing_by_itself() -> None:
    assert choose(None, 0, FLF2V, 12 * GB, may_stream=False) == MemoryFit(MemoryStep.FREED)


@pytest.mark.parametrize("name", KINDS)
def test_weights_are_estimated_from_their_headers_alone(tiny: Tinies, name: str) -> None:
    checkpoint = read_checkpoint(tiny(name).folder)
    loader = FolderLoader(checkpoint, EXACT["cpu"])
    model = tiny(name)
    for need in Budget(loader).needs(model.take(model.kind.kinds[0])):
        weights = sum(weight.nbytes for weight in loader.module(need.component).parameters())
        assert need.weights == pytest.approx(weights, rel=0.02), need.component
        assert need.working > 0
        assert need.can_stream is (need.component in BLOCKS)


@pytest.mark.parametrize("name", KINDS)
def test_results_that_are_kept_are_estimated(tiny: Tinies, name: str) -> None:
    """Keys and values of every cross-attention, for two texts; in bf16, where tiny models are float32."""
    model = tiny(name)
    loader = FolderLoader(read_checkpoint(model.folder), EXACT["cpu"])
    take = model.take(model.kind.kinds[0])
    config = loader.checkpoint.transformer
    pictures = 0 if config.image_dim is None else config.pos_embed_seq_len or 257
    words, shown = (torch.zeros(1, tokens, config.width) for tokens in (512, pictures))
    with torch.no_grad():
        transformer: Any = loader.module("transformer")
        blocks = [crossed(block.attn2, words, shown if pictures else None) for block in transformer.blocks]
    numbers = sum(part.numel() for block in blocks for pair in (block.words, block.pictures or ()) for part in pair)
    kept = {need.component: need.kept for need in Budget(loader).needs(take)}
    assert kept["transformer"] == 2 * 2 * numbers
    assert not any(size for component, size in kept.items() if not component.startswith("transformer"))
    balanced = replace(take, sampling=replace(take.sampling, profile="balanced"))
    assert Budget(loader).kept("transformer", balanced) > kept["transformer"], "and what a cache remembers"


def test_what_an_idle_expert_keeps_takes_room_from_the_other() -> None:
    experts = [Need(f"transformer{n}", 15 * GB, 2 * GB, can_stream=True, kept=GB) for n in ("", "_2")]
    assert choose(None, 0, experts, 36 * GB).step is MemoryStep.RESIDENT
    assert choose(None, 0, experts, 35 * GB).step is MemoryStep.FREED, "34 of them may be filled to 95 %"
    assert choose(None, 0, experts, 18 * GB).step is MemoryStep.STREAMED


def rendered(model: Tiny, kind: ShotKind, tighter: int = 0) -> Pixels:
    take = model.take(kind)
    renderer = BACKEND.open(model.card, CPU, nobody, Workspace(tighter=tighter))
    pixels = renderer.render(take, plates_of(take), nobody).pixels
    assert np.array_equal(pixels, renderer.render(take, plates_of(take), nobody).pixels), "a second take is the same"
    return pixels


LIKE_OTHERS = {"t2v-2.1", "i2v-2.1", "i2v-a14b"}
"""Kinds that have no component which none of the others has."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.thorough if name in LIKE_OTHERS else ()) for name in KINDS]
)
def test_every_lossless_step_has_the_same_pixels(tiny: Tinies, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny(name)
    kind = model.kind.kinds[-1]
    expected = rendered(model, kind)
    for step in ("freed", "streamed"):
        monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", step)
        assert np.array_equal(rendered(model, kind), expected)
        assert np.array_equal(rendered(model, kind, tighter=2), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pinned_memory_is_as_large_as_asked_for_and_is_unlocked_with_its_last_tensor() -> None:
    memory = pinned(1_000_003)
    assert memory.is_pinned()
    assert memory.numel() == 1_000_003
    part = memory[256:512]
    del memory
    assert part.is_pinned()
    assert torch.equal(part.fill_(7).to("cuda", non_blocking=True).cpu(), part)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kernels", ["stock", "auto"])
@pytest.mark.parametrize("name", KINDS)
def test_blocks_streamed_to_a_gpu_have_the_same_pixels(
    tiny: Tinies, name: str, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied on a stream of their own, while diffusers' own forward works, or wan-render's."""
    monkeypatch.setenv("WAN_RENDER_KERNELS", kernels)
    model = tiny(name)
    take = model.take(model.kind.kinds[-1])
    found = []
    for step in ("resident", "streamed", "streamed"):
        monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", step)
        renderer = BACKEND.open(model.card, Device("cuda:0", "a GPU", 0), nobody)
        found += [renderer.render(take, plates_of(take), nobody).pixels for _ in range(2)]
        renderer.close()
    assert all(np.array_equal(pixels, found[0]) for pixels in found)


def test_tiles_are_worked_on_only_where_they_are_asked_for(tiny: Tinies, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import AutoencoderKLWan

    used: list[MemoryStep] = []
    real = AutoencoderKLWan.decode

    def decode(self, *parts, **more):  # type: ignore[no-untyped-def]
        assert self.use_tiling
        used.append(step)
        return real(self, *parts, **more)

    monkeypatch.setattr(AutoencoderKLWan, "decode", decode)
    for step in MemoryStep:
        monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", step.value)
        model = tiny("t2v-2.1")
        take = model.take(ShotKind.T2V)
        BACKEND.open(model.card, CPU, nobody).render(take, plates_of(take), nobody)
    assert used == [MemoryStep.TILED]


@pytest.mark.parametrize("component", ["transformer", "text_encoder"])
def test_a_streamed_component_has_its_blocks_in_host_memory_between_uses(tiny: Tinies, component: str) -> None:
    """In one piece each, of which two are copied to slots in turn."""
    module = FolderLoader(read_checkpoint(tiny("t2v-2.1").folder), EXACT["cpu"]).module(component)
    before = {name: weight.clone() for name, weight in module.named_parameters()}
    placement = streamed(component)
    size = placement.size(module)
    placed = placement.place(module, torch.device("cpu"))
    blocks = placed.get_submodule(BLOCKS[component])
    assert isinstance(blocks, StreamedBlocks)
    for _ in range(2):
        for index, block in enumerate(blocks):
            here = {weight.untyped_storage().data_ptr() for weight in block.parameters()}
            assert here == {blocks._device_buffers[index % 2].memory.untyped_storage().data_ptr()}
            for name, weight in block.named_parameters():
                assert torch.equal(weight, before[f"{BLOCKS[component]}.{index}.{name}"])
    homes = [{weight.untyped_storage().data_ptr() for weight in block.parameters()} for block in blocks.children()]
    assert all(len(home) == 1 for home in homes)
    assert len(set.union(*homes)) == len(homes)
    assert all(torch.equal(weight, before[name]) for name, weight in placed.named_parameters())
    assert size == component_bytes(placed), "a tiny component's two blocks fill the two slots"


def test_what_float8_takes_could_be_had_too(tiny: Tinies) -> None:
    """Else a take of another length would be fitted into less than there is."""
    residence = LoadedComponents(
        FolderLoader(read_checkpoint(tiny("t2v-2.1").folder), EXACT["cpu"]), torch.device("cpu")
    )
    placement = ComponentPlacement("accelerated, float8 e4m3", lambda module, _: reference(module, FAST))
    placed = residence.module("transformer", 0, nobody, placement)
    assert residence.bytes == component_bytes(placed)


def test_the_choice_is_logged_and_recorded(
    tiny: Tinies, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    model = tiny("t2v-2.1")
    take = model.take(ShotKind.T2V)
    monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", "streamed")
    renderer = BACKEND.open(model.card, CPU, nobody)
    with caplog.at_level(logging.INFO, logger="wan_render"):
        renderer.render(take, plates_of(take), nobody)
        renderer.render(take, plates_of(take), nobody)
    said = [record.getMessage() for record in caplog.records if "memory fit" in record.getMessage()]
    assert len(said) == 1
    assert said[0].endswith("streamed (text_encoder, transformer), as WAN_RENDER_MEMORY_FIT")
    assert renderer.facts()["memory fit"] == "streamed (text_encoder, transformer)"


def test_running_out_of_memory_is_an_error_of_its_own(tiny: Tinies, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("wan_render.backends.wan.pipeline.wan_pipeline.decode_video", fail)
    model = tiny("t2v-2.1")
    take = model.take(ShotKind.T2V)
    with pytest.raises(OutOfMemoryError) as raised:
        BACKEND.open(model.card, CPU, nobody).render(take, plates_of(take), nobody)
    assert raised.value.worth_retrying


WAITING = {
    "streamed": storage_of("transformer", MemoryFit(MemoryStep.STREAMED, frozenset({"transformer"}))),
    "half": storage_of("transformer", MemoryFit(MemoryStep.STREAMED, frozenset({"transformer"}), resident_blocks=1)),
    "aside": storage_of("transformer", MemoryFit(MemoryStep.FREED, aside=frozenset({"transformer"}))),
}


@pytest.mark.parametrize("profile", [EXACT_PROFILE, FAST, VARIANTS["fast"]["8-bit-weights"]], ids=repr)
@pytest.mark.parametrize("name", WAITING)
@torch.no_grad()
def test_an_own_forward_computes_the_same_wherever_its_weights_wait(tiny: Tinies, name: str, profile: Profile) -> None:
    folder = tiny("flf2v-2.1").folder
    here = reference(loaded(folder), profile, attend_exactly)
    waiting = reference(loaded(folder), profile, attend_exactly, storage=WAITING[name])
    told = accelerated_bytes(loaded(folder), profile.linears, WAITING[name])
    inputs = [inputs_of(loaded(folder), seed) for seed in (1, 2)]
    for asked in (*inputs, *inputs):
        assert torch.equal(waiting(**asked)[0], here(**asked)[0])
    assert isinstance(waiting.cross_attentions, StreamedBlocks)
    assert not waiting.cross_attentions._device_buffers, "they are used once per text"
    assert isinstance(waiting.blocks, StreamedBlocks) == (name != "aside")
    in_host = component_bytes(waiting.cross_attentions)
    if isinstance(waiting.blocks, StreamedBlocks):
        sizes = [component_bytes(block) for index, block in enumerate(waiting.blocks.children())]
        stay = 1 if name == "half" else 0
        in_host += sum(sizes[stay:]) - 2 * max(sizes[stay:])
    assert told == pytest.approx(component_bytes(waiting) - in_host, rel=0.05)


@torch.no_grad()
def test_a_loop_over_streamed_blocks_may_end_early(tiny: Tinies) -> None:
    """As where the other blocks are skipped: the next loop finds every block as it is."""
    module = FolderLoader(read_checkpoint(tiny("t2v-2.1").folder), EXACT["cpu"]).module("transformer")
    before = {name: weight.clone() for name, weight in module.named_parameters()}
    placed = streamed("transformer").place(module, torch.device("cpu"))
    blocks = placed.get_submodule("blocks")
    assert isinstance(blocks, StreamedBlocks)
    next(iter(blocks))
    for index, block in enumerate(blocks):
        for name, weight in block.named_parameters():
            assert torch.equal(weight, before[f"blocks.{index}.{name}"])


def test_blocks_that_stay_are_spread_evenly() -> None:
    blocks = StreamedBlocks(torch.device("cpu"), 40, 13)
    assert len(blocks._resident) == 13
    gaps = [later - one for one, later in pairwise(sorted(blocks._resident))]
    assert set(gaps) <= {3, 4}


def with_blocks(need: Need) -> Need:
    """FLF2V-14B's transformer in bfloat16, as wan-render's own forward uses it."""
    return replace(need, aside=84 * GB // 10, blocks=(61 * GB // 100,) * 40)


OWN = (*FLF2V[:3], with_blocks(FLF2V[3]))


def test_keys_and_values_wait_in_host_memory_where_a_transformer_fits_without_them() -> None:
    fit = choose(None, 0, OWN, 32 * GB)
    assert fit == MemoryFit(MemoryStep.FREED, aside=frozenset({"transformer"}))
    assert str(fit) == "freed, keys and values of the cross-attention in host memory"
    assert host_bytes_of(OWN, fit) == OWN[3].aside
    assert choose(None, 0, OWN, 48 * GB) == MemoryFit(MemoryStep.FREED)
    assert choose(None, 0, FLF2V, 32 * GB).step is MemoryStep.STREAMED, "diffusers' forward uses them at every step"


@pytest.mark.parametrize(("host", "resident"), [(0, 0), (64, 0), (32, 5), (28, 12), (8, 19)])
def test_blocks_stay_on_the_device_if_host_memory_lacks_room_for_them(host: int, resident: int) -> None:
    """At most as many as fit besides what decodes, so that the next take need not load the model again."""
    fit = choose(None, 0, OWN, 24 * GB, host_free=host * GB)
    assert fit == MemoryFit(MemoryStep.STREAMED, frozenset({"transformer"}), resident_blocks=resident)
    assert host_bytes_of(OWN, fit) == 328 * GB // 10 - resident * OWN[3].blocks[0]
    assert choose(None, 1, OWN, 24 * GB, host_free=host * GB).resident_blocks == 0


EXPERTS = (FLF2V[0], FLF2V[2], OWN[3], replace(OWN[3], component="transformer_2"))
BOTH = frozenset({"transformer", "transformer_2"})


@pytest.mark.parametrize(
    ("host", "resident", "stays"),
    [(70, 0, 656), (64, 3, 619), (40, 0, 328), (30, 8, 279)],
)
def test_two_experts_take_turns_if_host_memory_has_no_room_for_both(host: int, resident: int, stays: int) -> None:
    """stays: bytes in host memory, in units of 0.1 GB."""
    by_turns = host < 60
    fit = choose(None, 0, EXPERTS, 24 * GB, host_free=host * GB)
    assert fit == MemoryFit(MemoryStep.STREAMED, BOTH, resident_blocks=resident, by_turns=by_turns)
    assert host_bytes_of(EXPERTS, fit) == pytest.approx(stays * GB / 10, rel=0.01)
    assert ("one at a time" in str(fit)) == by_turns


def test_experts_that_take_turns_render_the_same(tiny: Tinies, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("i2v-a14b")
    take = model.take(ShotKind.I2V)
    alone = BACKEND.open(model.card, CPU, nobody).render(take, plates_of(take), nobody).pixels
    monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", "streamed")
    monkeypatch.setattr("wan_render.backends.wan.pipeline.components.host_memory", lambda: HostMemory(1, 1))
    renderer: Any = BACKEND.open(model.card, CPU, nobody)
    for _ in range(2):
        assert np.array_equal(renderer.render(take, plates_of(take), nobody).pixels, alone)
        loaded = renderer._components._loaded._modules
        assert [name for name in loaded if name in BOTH | {"text_encoder"}] == ["transformer_2"]
    assert "one at a time" in renderer.facts()["memory fit"]


def test_what_is_loaded_is_kept_if_another_shot_could_have_more_of_it() -> None:
    few, many = (MemoryFit(MemoryStep.STREAMED, EVERYTHING, resident_blocks=count) for count in (3, 9))
    assert kept_from(few, many) == few
    assert kept_from(many, few) == few
    assert kept_from(many, replace(few, by_turns=True)) == few, "both are loaded, and fill host memory"
    aside, freed = MemoryFit(MemoryStep.FREED, aside=frozenset({"transformer"})), MemoryFit(MemoryStep.FREED)
    assert kept_from(aside, freed) == aside
    assert kept_from(freed, aside) == aside
    assert kept_from(many, freed) == freed
