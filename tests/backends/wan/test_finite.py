"""NaN and infinity end a take with a reason; none of them is kept, and none becomes a picture."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from tests.backends.wan.conftest import CPU, Tiny, nobody, plates_of
from tests.backends.wan.test_lora import own, saved
from tests.backends.wan.test_stages import Shelf
from tests.tiny_wan import card_of
from wan_render.backends.wan import BACKEND
from wan_render.errors import RenderError
from wan_render.render_values import Progress, Workspace
from wan_render.take import Lora, ShotKind, Take

pytestmark = pytest.mark.wan

Tinies = Callable[[str], Tiny]

NO_LORAS: Mapping[str, Path] = MappingProxyType({})
LAYER = "diffusion_model.blocks.0.self_attn.q"


def lora_of(folder: Path, value: float) -> tuple[Lora, Path]:
    """A LoRA of one layer, all of one value."""
    shapes = {"down": (1, 24), "up": (24, 1)}
    tensors = {f"{LAYER}.lora_{way}.weight": torch.full(shape, value) for way, shape in shapes.items()}
    return saved(folder / "look.safetensors", tensors)


def broken(model: Tiny, folder: Path, component: str, weight: str, value: float) -> Tiny:
    """A copy of a checkpoint in which one weight is of one value."""
    copy = Path(shutil.copytree(model.folder, folder / f"broken-{component}"))
    (file,) = (copy / component).glob("*.safetensors")
    tensors = load_file(file)
    name = next(name for name in tensors if name.endswith(weight))
    save_file(tensors | {name: torch.full_like(tensors[name], value)}, file, {"format": "pt"})
    return Tiny(model.kind, copy, card_of(copy))


def failure(
    model: Tiny, take: Take, shelf: Shelf, heard: list[Progress] | None = None, loras: Mapping[str, Path] = NO_LORAS
) -> str:
    """What a renderer says of a take that fails."""
    renderer = BACKEND.open(model.card, CPU, nobody, Workspace(shelf))
    plates = replace(plates_of(take), loras=loras)
    with pytest.raises(RenderError) as raised:
        renderer.render(take, plates, nobody if heard is None else heard.append)
    assert not raised.value.worth_retrying
    return str(raised.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_lora_with_non_finite_values_is_named_and_the_take_ends_at_its_first_step(
    tiny: Tinies, tmp_path: Path, value: float
) -> None:
    model, shelf, heard = tiny("flf2v-2.1"), Shelf(), list[Progress]()
    lora, file = lora_of(tmp_path, value)
    said = failure(model, replace(model.take(ShotKind.FLF2V), loras=(lora,)), shelf, heard, loras={lora.content: file})
    assert "step 1 of 4 gave values that are not finite" in said
    assert f"the LoRA look.safetensors holds such values, in {LAYER}.lora_" in said
    assert max(event.done for event in heard if event.phase == "step") == 0
    assert not any(what.startswith("latents") for what in shelf.what)


def test_a_finite_lora_that_is_too_strong_is_named(tiny: Tinies, tmp_path: Path) -> None:
    model, shelf = tiny("flf2v-2.1"), Shelf()
    lora, file = own(tmp_path)
    strong = replace(lora, scale=1e38)
    said = failure(model, replace(model.take(ShotKind.FLF2V), loras=(strong,)), shelf, loras={lora.content: file})
    assert f"the take uses {file.name} at 1e+38" in said
    assert "at a smaller scale" in said


def test_a_take_after_it_is_the_take(tiny: Tinies, tmp_path: Path) -> None:
    """A farm closes the renderer; what was kept of the failed take serves the next one."""
    model, shelf = tiny("flf2v-2.1"), Shelf()
    lora, file = lora_of(tmp_path, float("nan"))
    take = model.take(ShotKind.FLF2V)
    fresh = BACKEND.open(model.card, CPU, nobody).render(take, plates_of(take), nobody).pixels
    failure(model, replace(take, loras=(lora,)), shelf, loras={lora.content: file})
    found = BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).render(take, plates_of(take), nobody).pixels
    assert (found == fresh).all()


@pytest.mark.parametrize(
    ("component", "weight", "value", "said"),
    [
        ("transformer", "attn1.to_q.weight", float("nan"), "step 1 of 4 gave values that are not finite"),
        ("vae", "decoder.conv_out.bias", float("nan"), "decoding gave values that are not finite"),
        ("vae", "decoder.conv_out.bias", float("inf"), "decoding gave values that are not finite"),
        ("vae", "encoder.conv_in.bias", float("nan"), "the VAE gave values that are not finite"),
        ("text_encoder", "layer_norm.weight", float("nan"), "the text encoder gave values that are not finite"),
        ("image_encoder", "pre_layrnorm.weight", float("nan"), "the image encoder (CLIP) gave values"),
    ],
)
@pytest.mark.parametrize("fit", ["resident", "tiled"])
def test_a_damaged_component_is_named(
    tiny: Tinies,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    component: str,
    weight: str,
    value: float,
    said: str,
    fit: str,
) -> None:
    """Infinity, too, which a decoder clamps to white."""
    monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", fit)
    model, shelf = broken(tiny("flf2v-2.1"), tmp_path, component, weight, value), Shelf()
    found = failure(model, model.take(ShotKind.FLF2V), shelf)
    assert said in found
    assert weight in found
    assert "download the model again" in found
    assert all(torch.isfinite(tensor).all() for tensor in kept(shelf))


def kept(shelf: Shelf) -> list[torch.Tensor]:
    from safetensors.torch import load

    return [load(content)["stage"] for content in shelf.kept.values()]


def test_non_finite_stages_of_an_earlier_version_are_computed_again(tiny: Tinies) -> None:
    model, shelf = tiny("flf2v-2.1"), Shelf()
    take = model.take(ShotKind.FLF2V)
    fresh = BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).render(take, plates_of(take), nobody).pixels
    for key, tensor in zip(list(shelf.kept), kept(shelf), strict=True):
        shelf.kept[key] = save({"stage": torch.full_like(tensor, torch.nan)})
    found = BACKEND.open(model.card, CPU, nobody, Workspace(shelf)).render(take, plates_of(take), nobody).pixels
    assert (found == fresh).all()


def test_a_damaged_text_encoder_fails_each_take_at_its_own_turn(
    tiny: Tinies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAN_RENDER_MEMORY_FIT", "freed")
    model = broken(tiny("t2v-2.1"), tmp_path, "text_encoder", "layer_norm.weight", float("nan"))
    renderer = BACKEND.open(model.card, CPU, nobody, Workspace(Shelf()))
    renderer.prepare([model.take(ShotKind.T2V)], plates_of, nobody)


def test_the_first_block_cache_never_skips_on_non_finite_values() -> None:
    from wan_render.backends.wan.profiles.exchange import UNDIVIDED
    from wan_render.backends.wan.profiles.first_block import FirstBlock

    for before, after in ((torch.nan, 1.0), (1.0, torch.nan), (torch.inf, torch.inf), (0.0, 0.0)):
        cache = FirstBlock(contribution=torch.full((4,), before), rest=torch.ones(4))
        assert not cache.skips(torch.full((4,), after), 0.05, UNDIVIDED)
