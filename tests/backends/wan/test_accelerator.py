"""What a renderer asks: forms of components, kernels, refusals; whole takes in float8, by the plain operations."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.backends.wan.conftest import CPU as CPU_DEVICE
from tests.backends.wan.conftest import Tiny, nobody, plates_of
from tests.backends.wan.forwards import attend_exactly, reference, relative_error
from tests.backends.wan.test_acceleration import HOPPER
from tests.backends.wan.test_stages import Shelf
from tests.tiny_wan import KINDS, card_of, save_tiny, with_sparse_linear
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.kernels import self_check
from wan_render.backends.wan.kernels.attention import SDPA
from wan_render.backends.wan.kernels.attention_choice import Shape
from wan_render.backends.wan.kernels.decoder import TorchVaeOperations
from wan_render.backends.wan.kernels.launches import USUAL, Launches
from wan_render.backends.wan.kernels.operations import TorchOperations
from wan_render.backends.wan.kernels.sparse_linear import attend_gathered
from wan_render.backends.wan.lora.applied_loras import CHANGEABLE
from wan_render.backends.wan.memory.offload_choice import MemoryFit, MemoryStep
from wan_render.backends.wan.pipeline import components
from wan_render.backends.wan.profiles import accelerator as module
from wan_render.backends.wan.profiles import first_block
from wan_render.backends.wan.profiles.accelerator import AS_LOADED, Accelerator, accelerated_bytes
from wan_render.backends.wan.profiles.render_profile import BALANCED, EXACT, FAST, Precision, Profile
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer, PatchBlock
from wan_render.backends.wan.profiles.weight_storage import WeightStorage
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.errors import DeviceError, MachineError
from wan_render.render_values import Phase, Progress, Workspace
from wan_render.take import Sampling, ShotKind, Size, Take

pytestmark = pytest.mark.wan

Tinies = Callable[[str], Tiny]
CPU = torch.device("cpu")
HERE = Shape(60, 2, 12)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_CACHE", str(tmp_path))
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))


@pytest.fixture
def hopper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU that passes for a Hopper, where the plain operations stand in for the fused ones."""
    monkeypatch.setenv("WAN_RENDER_KERNELS", "auto")

    def plain(
        transformer: Any,
        linears: Precision,
        _: torch.device,
        *,
        attending: Precision,
        patch_block: PatchBlock,
        storage: WeightStorage,
        launches: Launches,
    ) -> AcceleratedTransformer:
        assert launches == USUAL  # nothing is tuned on a CPU
        return reference(transformer, Profile("", linears, attending), attend_exactly, patch_block, storage)

    monkeypatch.setattr(module, "machine", lambda _: HOPPER)
    monkeypatch.setattr(module, "fused_operations", TorchOperations)
    monkeypatch.setattr(module, "fused_vae_operations", TorchVaeOperations)
    monkeypatch.setattr(module, "accelerated", plain)


def test_on_a_cpu_exact_is_left_to_diffusers(tmp_path: Path) -> None:
    accelerator = Accelerator(CPU, tmp_path)
    accelerator.require(EXACT)
    assert accelerator.transformer(EXACT, 24, 2) is AS_LOADED
    assert accelerator.vae(EXACT) is AS_LOADED
    accelerator.adopt(torch.nn.Linear(1, 1), EXACT, HERE)
    assert accelerator.facts()["transformer"] == "diffusers"


def test_other_profiles_are_refused_on_a_cpu_and_may_be_tried_on_another_device(tmp_path: Path) -> None:
    for profile in (FAST, BALANCED):
        with pytest.raises(DeviceError, match="the device is not an NVIDIA GPU"):
            Accelerator(CPU, tmp_path).require(profile)


@pytest.mark.usefixtures("hopper")
def test_stock_kernels_leave_everything_to_diffusers(tmp_path: Path) -> None:
    accelerator = Accelerator(CPU, tmp_path, "stock")
    accelerator.require(EXACT)
    assert accelerator.transformer(EXACT, 24, 2) is AS_LOADED
    assert accelerator.vae(EXACT) is AS_LOADED
    with pytest.raises(MachineError, match="WAN_RENDER_KERNELS"):
        accelerator.require(FAST)


@pytest.mark.usefixtures("hopper")
def test_kernels_that_err_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`exact` is then diffusers' own, `fast` is refused; both are said."""

    class Wrong(TorchOperations):
        def rms_rope(self, *asked: Any, **named: Any) -> torch.Tensor:
            return super().rms_rope(*asked, **named) * 1.02

    monkeypatch.setattr(module, "fused_operations", Wrong)
    accelerator = Accelerator(CPU, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert accelerator.transformer(EXACT, 24, 2) is AS_LOADED
    assert "RMS norm and rotation" in caplog.text
    with pytest.raises(MachineError, match="profile 'fast'"):
        accelerator.transformer(FAST, 24, 2)


@pytest.fixture
def sparse(tmp_path: Path) -> Tiny:
    """A model with sparse-linear attention."""
    kind = KINDS["t2v-2.1"]
    folder = with_sparse_linear(save_tiny(kind, tmp_path / "sparse"))
    return Tiny(kind, folder, card_of(folder))


@pytest.mark.usefixtures("hopper")
@pytest.mark.parametrize(("profile", "most"), [("exact", 1e-5), ("fast", 0.2)])
def test_sparse_linear_attention_has_a_kernel_in_every_profile(
    sparse: Tiny, profile: str, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With float8 attention, other products than those of the attention are rounded."""
    used = []

    def counted(*asked: torch.Tensor) -> torch.Tensor:
        used.append(asked)
        return attend_gathered(*asked)

    monkeypatch.setattr(module, "chosen_attention", lambda: counted)
    take = sparse.take(ShotKind.T2V, size=Size(128, 96), frames=17, sampling=Sampling(2, (1.0,), 5.0, profile=profile))
    renderer: Any = BACKEND.open(sparse.card, CPU_DEVICE, nobody)
    with torch.no_grad():
        found = renderer.latents(take, plates_of(take))
    facts = renderer.facts()
    assert facts["attention"] == "sparse-linear, 30 % of the keys, fused kernel"
    assert facts["transformer"] == "wan-render's forward, fused kernels"
    assert len(used) == 1 + 2 * 2  # the check, and two blocks in two steps
    monkeypatch.setenv("WAN_RENDER_KERNELS", "stock")
    stock: Any = BACKEND.open(sparse.card, CPU_DEVICE, nobody)
    exact = replace(take, sampling=replace(take.sampling, profile="exact"))
    with torch.no_grad():
        wanted = stock.latents(exact, plates_of(exact))
    assert stock.facts()["attention"] == "sparse-linear, 30 % of the keys, torch sdpa"
    assert relative_error(found, wanted) < most


@pytest.mark.usefixtures("hopper")
def test_a_kernel_of_sparse_linear_attention_that_errs_is_not_used(
    sparse: Tiny, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "chosen_attention", lambda: lambda *asked: 1.02 * attend_gathered(*asked))
    take = sparse.take(ShotKind.T2V, sampling=Sampling(1, (1.0,), 5.0))
    renderer: Any = BACKEND.open(sparse.card, CPU_DEVICE, nobody)
    with caplog.at_level(logging.WARNING), torch.no_grad():
        renderer.latents(take, plates_of(take))
    assert "attention to blocks of keys" in caplog.text
    assert renderer.facts()["attention"] == "sparse-linear, 30 % of the keys, torch sdpa"


@pytest.mark.usefixtures("hopper")
def test_a_decoders_kernels_that_err_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The precision stays the profile's: diffusers' own decoder computes in it, which is said."""

    class Wrong(TorchVaeOperations):
        def add(self, pixels: torch.Tensor, bias: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            return super().add(pixels, 1.1 * bias, other)

    assert Accelerator(CPU, tmp_path).vae(EXACT).form == "decoder of wan-render's passes, fused kernels"
    monkeypatch.setattr(module, "fused_vae_operations", Wrong)
    accelerator = Accelerator(CPU, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert accelerator.vae(FAST).form == "decoder of diffusers, bfloat16"
    assert "addition of 96 channels" in caplog.text
    assert accelerator.facts()["decoder"] == "diffusers, bfloat16"
    assert "encoder" not in accelerator.facts()  # nothing was encoded
    accelerator.vae(FAST, decodes=False)
    assert accelerator.facts()["encoder"] == "diffusers"
    accelerator.begin_take()
    assert "encoder" not in accelerator.facts()
    assert accelerator.vae(EXACT) is AS_LOADED


@pytest.mark.usefixtures("hopper")
def test_without_triton_exact_is_left_to_diffusers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def absent() -> None:
        raise ModuleNotFoundError("No module named 'triton'")

    monkeypatch.setattr(module, "fused_operations", absent)
    monkeypatch.setattr(module, "fused_vae_operations", absent)
    accelerator = Accelerator(CPU, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert accelerator.transformer(EXACT, 24, 2) is AS_LOADED
        assert accelerator.vae(EXACT) is AS_LOADED
    assert caplog.text.count("No module named 'triton'") == 2
    with pytest.raises(MachineError, match="profile 'fast'"):
        accelerator.transformer(FAST, 24, 2)


def test_a_decoders_plain_operations_pass_their_own_check() -> None:
    assert self_check.wrong_vae_operations(TorchVaeOperations(), CPU) == []


def test_kernels_that_cannot_be_run_err_too() -> None:
    class Broken(TorchOperations):
        def gelu_rows(self, numbers: torch.Tensor) -> Any:  # noqa: ARG002 - part of the seam
            raise RuntimeError("no ptxas")

    assert self_check.wrong_operations(Broken(), 32, 2, Precision.FLOAT8, CPU) == ["GELU to rows"]


@pytest.mark.parametrize("linears", Precision)
def test_the_plain_operations_pass_their_own_check(linears: Precision) -> None:
    assert self_check.wrong_operations(TorchOperations(), 32, 2, linears, CPU) == []


def open_renderer(model: Tiny) -> WanRenderer:
    renderer = BACKEND.open(model.card, CPU_DEVICE, nobody)
    assert isinstance(renderer, WanRenderer)
    return renderer


def take_of(model: Tiny, profile: str, steps: int = 4) -> Take:
    guidance = (1.0,) if profile == "draft" else (5.0,)
    return model.take(ShotKind.FLF2V, sampling=Sampling(steps, guidance, 5.0, profile))


@pytest.mark.usefixtures("hopper")
@pytest.mark.parametrize("profile", ["fast", "balanced", "draft"])
def test_a_take_of_each_profile_is_near_exact_and_says_how_it_was_made(tiny: Tinies, profile: str) -> None:
    model = tiny("flf2v-2.1")
    renderer = open_renderer(model)
    take = take_of(model, profile)
    plates = plates_of(take)
    found = renderer.render(take, plates, nobody).pixels.astype(np.float32)
    facts = renderer.facts()
    assert facts["profile"] == profile
    assert facts["linear layers"] == "float8 e4m3"
    exact = renderer.render(take_of(model, "exact"), plates, nobody).pixels.astype(np.float32)
    assert renderer.facts()["linear layers"] == "as loaded"
    if profile != "draft":  # which follows another schedule
        assert 0 < np.abs(found - exact).mean() < 8


@pytest.mark.usefixtures("hopper")
@pytest.mark.parametrize(("change", "skipped"), [(0.0, 6), (1.0, 0)])
def test_the_record_says_how_much_balanced_skipped(
    tiny: Tinies, monkeypatch: pytest.MonkeyPatch, change: float, skipped: int
) -> None:
    """Of four guided steps, so eight predictions: the first one with each text is always computed in full."""
    monkeypatch.setattr(first_block, "relative_change", lambda *_: change)
    model = tiny("flf2v-2.1")
    renderer = BACKEND.open(model.card, CPU_DEVICE, nobody, Workspace(Shelf()))
    for times in range(2):
        for prompt in ("a river", "a lake"):
            take = replace(take_of(model, "balanced"), prompt=prompt)
            renderer.render(take, plates_of(take), nobody)
            said = renderer.facts().get("first-block cache")
            assert said == (None if times else f"{skipped} of 8 predictions skipped"), "kept latents skip nothing"
    take = take_of(model, "fast")
    renderer.render(take, plates_of(take), nobody)
    assert "first-block cache" not in renderer.facts()


@pytest.mark.usefixtures("hopper")
def test_a_component_in_another_form_is_read_again_and_one_in_the_same_is_not(tiny: Tinies) -> None:
    model = tiny("flf2v-2.1")
    renderer = open_renderer(model)
    heard: list[Progress] = []

    def loaded(profile: str) -> bool:
        heard.clear()
        take = take_of(model, profile)
        renderer.render(take, plates_of(take), heard.append)
        return Phase.LOADING in {event.phase for event in heard}

    told = [loaded(name) for name in ("exact", "exact", "fast", "balanced", "draft", "exact")]
    assert told == [True, False, True, False, False, True]


@pytest.mark.usefixtures("hopper")
def test_exact_comes_out_the_same_before_and_after_fast(tiny: Tinies) -> None:
    model = tiny("flf2v-2.1")
    renderer = open_renderer(model)
    plates = plates_of(take_of(model, "exact"))
    before, _, after = (
        renderer.render(take_of(model, name), plates, nobody).pixels for name in ("exact", "fast", "exact")
    )
    assert np.array_equal(before, after)


@pytest.mark.usefixtures("hopper")
def test_two_takes_in_a_row_are_those_that_each_alone_gives(tiny: Tinies) -> None:
    """Nothing that a shot leaves behind — crossed words, the first block's cache — reaches the next."""
    model = tiny("flf2v-2.1")
    takes = [take_of(model, "balanced", steps) for steps in (4, 5)]
    alone = [open_renderer(model).render(take, plates_of(take), nobody).pixels for take in takes]
    renderer = open_renderer(model)
    for take, wanted in zip((*takes, takes[0]), (*alone, alone[0]), strict=True):
        assert np.array_equal(renderer.render(take, plates_of(take), nobody).pixels, wanted)


def test_the_size_of_a_float8_transformer_is_known_before_it_is_made(tiny: Tinies) -> None:
    from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
    from wan_render.backends.wan.checkpoint.loading import EXACT as PRECISION
    from wan_render.backends.wan.checkpoint.loading import FolderLoader

    loader = FolderLoader(read_checkpoint(tiny("flf2v-2.1").folder), PRECISION["cpu"])
    told = accelerated_bytes(loader.module("transformer"), FAST.linears)
    made = reference(loader.module("transformer"), FAST, attend_exactly)
    held = module.component_bytes(made)
    assert abs(told - held) < 0.03 * held


def test_the_kernel_of_a_transformer_follows_the_shape(tiny: Tinies, tmp_path: Path) -> None:
    from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
    from wan_render.backends.wan.checkpoint.loading import EXACT as PRECISION
    from wan_render.backends.wan.checkpoint.loading import FolderLoader

    loader = FolderLoader(read_checkpoint(tiny("t2v-2.1").folder), PRECISION["cpu"])
    made = reference(loader.module("transformer"), EXACT)
    accelerator = Accelerator(CPU, tmp_path)
    accelerator.adopt(made, BALANCED, HERE)
    assert made.attend.kernel is SDPA
    assert made.first_block_threshold == BALANCED.first_block_threshold
    accelerator.adopt(made, EXACT, HERE)
    assert made.first_block_threshold is None


@pytest.mark.usefixtures("hopper")
def test_loras_of_an_exact_transformer_can_be_changed_later(tmp_path: Path) -> None:
    """Its weights on the device are the loaded ones; otherwise a model is loaded again for other LoRAs."""
    accelerator = Accelerator(CPU, tmp_path)
    assert accelerator.transformer(EXACT, 24, 2).form in CHANGEABLE
    assert accelerator.transformer(FAST, 24, 2).form not in CHANGEABLE


FITS = {
    "streamed": MemoryFit(MemoryStep.STREAMED, frozenset({"transformer"})),
    "half": MemoryFit(MemoryStep.STREAMED, frozenset({"transformer"}), resident_blocks=1),
    "aside": MemoryFit(MemoryStep.FREED, aside=frozenset({"transformer"})),
}


@pytest.mark.usefixtures("hopper")
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(("profile", "variant"), [("exact", ""), ("fast", ""), ("fast", "8-bit-weights")])
def test_a_take_of_a_model_that_does_not_fit_is_the_same(
    tiny: Tinies, monkeypatch: pytest.MonkeyPatch, fit: str, profile: str, variant: str
) -> None:
    """Whatever waits in host memory: the forward and its rounding are those of a resident transformer."""
    model = tiny("flf2v-2.1")
    take = take_of(model, profile)
    take = replace(take, sampling=replace(take.sampling, variant=variant))
    plates = plates_of(take)
    wanted = open_renderer(model).render(take, plates, nobody).pixels
    monkeypatch.setattr(components, "choose", lambda *_, **__: FITS[fit])
    renderer = open_renderer(model)
    other = replace(take, prompt="a lake")
    for each in (take, other, take):
        found = renderer.render(each, plates, nobody).pixels
        assert np.array_equal(found, wanted) == (each is take)
    facts = renderer.facts()
    assert facts["memory fit"] == str(FITS[fit])
    assert facts["transformer"] == "wan-render's forward, fused kernels"


@pytest.mark.usefixtures("hopper")
def test_wrong_kernels_stream_diffusers_own_forward(
    tiny: Tinies, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "fused_operations", lambda: None)
    monkeypatch.setattr(components, "choose", lambda *_, **__: FITS["half"])
    model = tiny("flf2v-2.1")
    renderer = open_renderer(model)
    take = take_of(model, "exact")
    with caplog.at_level(logging.WARNING):
        renderer.render(take, plates_of(take), nobody)
    assert renderer.facts()["transformer"] == "diffusers"
    assert "these fused kernels give wrong results on this device" in caplog.text
