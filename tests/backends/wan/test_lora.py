"""LoRAs: files of every naming, fused into tiny transformers, and taken out bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.backends.wan.conftest import CPU as DEVICE
from tests.backends.wan.conftest import Tiny, nobody, plates_of
from tests.backends.wan.forwards import reference
from tests.tiny_wan import KINDS, _transformer, diffusers
from wan_render.backend_contract import Renderer
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.kernels.attention import SDPA
from wan_render.backends.wan.lora import lora_location
from wan_render.backends.wan.lora.applied_loras import AppliedLoras, for_expert
from wan_render.backends.wan.lora.lora_file import read_changes
from wan_render.backends.wan.lora.patched import Changes, PatchedTransformer, changed
from wan_render.backends.wan.memory.streaming import streamed
from wan_render.backends.wan.models import distilled
from wan_render.backends.wan.pipeline.encode import encode_text
from wan_render.backends.wan.profiles.accelerator import AS_LOADED, Accelerator, ComponentPlacement
from wan_render.backends.wan.profiles.render_profile import EXACT, FAST, Profile
from wan_render.backends.wan.profiles.transformer import PatchBlock, no_patch
from wan_render.errors import InputError, RenderError, WeightsError
from wan_render.render_values import Phase, Pixels, Progress
from wan_render.take import Lora, ShotKind, Take

CPU = torch.device("cpu")
RANK = 3
WIDTH, WIDE = 24, 48

LAYERS = {
    "self_attn.q": "attn1.to_q",
    "self_attn.o": "attn1.to_out.0",
    "cross_attn.k": "attn2.to_k",
    "cross_attn.k_img": "attn2.add_k_proj",
    "cross_attn.v_img": "attn2.add_v_proj",
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
}
"""Wan's own names and diffusers'."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def tiny(kind: str = "flf2v-2.1", dtype: torch.dtype = torch.bfloat16) -> Any:
    torch.manual_seed(7)
    return _transformer(KINDS[kind]).to(dtype).eval()


def matrices(seed: int, layers: Mapping[str, str] = LAYERS) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """(down, up) of every layer, by Wan's own name of it in a block."""
    dice = torch.Generator().manual_seed(seed)
    into = {"ffn.2": WIDE}
    out = {"ffn.0": WIDE}
    return {
        name: (
            torch.randn(RANK, into.get(name, WIDTH), generator=dice),
            torch.randn(out.get(name, WIDTH), RANK, generator=dice),
        )
        for name in layers
    }


def saved(file: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> tuple[Lora, Path]:
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, str(file), metadata)
    return Lora(sha256(file.read_bytes()).hexdigest(), 1.0), file


def own(folder: Path, seed: int = 1, alpha: float | None = None, extra: dict[str, torch.Tensor] | None = None) -> Any:
    """A LoRA in Wan's own names for both blocks."""
    tensors: dict[str, torch.Tensor] = dict(extra or {})
    for block in (0, 1):
        for name, (down, up) in matrices(seed + block).items():
            stem = f"diffusion_model.blocks.{block}.{name}"
            tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
            if alpha is not None:
                tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    return saved(folder / f"own-{seed}-{alpha}-{len(tensors)}.safetensors", tensors)


def patched(loras: AppliedLoras, transformer: Any, *wanted: tuple[Lora, Path]) -> Any:
    placed = loras.with_loras(AS_LOADED, wanted).place(transformer, CPU)
    loras.apply(placed, wanted)
    return placed


def weights(transformer: Any) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in transformer.named_parameters()}


def differing(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in one if not torch.equal(one[name], other[name])}


def test_a_lora_is_added_in_float32_and_rounded_once(tmp_path: Path) -> None:
    lora, file = own(tmp_path, alpha=6.0)
    transformer = tiny()
    before = weights(transformer)
    after = weights(patched(AppliedLoras(), transformer, (replace(lora, scale=0.5), file)))
    assert differing(before, after) == {f"blocks.{b}.{name}.weight" for b in (0, 1) for name in LAYERS.values()}
    for block in (0, 1):
        for name, (down, up) in matrices(1 + block).items():
            weight = f"blocks.{block}.{LAYERS[name]}.weight"
            expected = before[weight].float() + 0.5 * (6.0 / RANK) * (up @ down)
            assert torch.equal(after[weight], expected.to(torch.bfloat16))


@pytest.mark.parametrize("is_roomy", [False, True])
def test_loras_are_changed_and_taken_out_bit_for_bit(tmp_path: Path, *, is_roomy: bool) -> None:
    transformer, loras = tiny(), AppliedLoras()
    before = weights(transformer)
    one, two = own(tmp_path, 1), own(tmp_path, 5)
    placed = patched(loras, transformer, one)
    only_one = weights(placed)
    assert loras.apply(placed, (one, two), is_roomy=is_roomy)
    assert loras.apply(placed, (two,), is_roomy=is_roomy)
    assert differing(weights(placed), only_one)
    assert loras.apply(placed, (one,))
    assert not loras.apply(placed, (one,)), "they are applied already"
    assert differing(weights(placed), only_one) == set()
    assert loras.apply(placed, ())
    assert differing(weights(placed), before) == set()


@pytest.mark.parametrize("alpha", [None, 6.0])
def test_it_is_what_diffusers_and_peft_make_of_it(tmp_path: Path, alpha: float | None) -> None:
    lora, file = own(tmp_path, alpha=alpha)
    mixin = diffusers().loaders.WanLoraLoaderMixin
    theirs = tiny(dtype=torch.float32)
    state, metadata = mixin.lora_state_dict(
        str(file.parent), weight_name=file.name, return_lora_metadata=True, local_files_only=True
    )
    mixin.load_lora_into_transformer(state, theirs, adapter_name="a", metadata=metadata)
    theirs.fuse_lora(lora_scale=0.7)
    ours = weights(patched(AppliedLoras(), tiny(dtype=torch.float32), (replace(lora, scale=0.7), file)))
    for name, weight in weights(theirs).items():
        mine = ours.get(name.replace(".base_layer", ""))
        if mine is not None:
            torch.testing.assert_close(mine, weight, atol=1e-5, rtol=1e-5)


def test_every_way_of_naming_says_the_same(tmp_path: Path) -> None:
    _, file = own(tmp_path, alpha=6.0)
    expected = read_changes(file)
    named: dict[str, dict[str, torch.Tensor]] = {"kohya": {}, "diffusers": {}, "peft": {}}
    for block in (0, 1):
        for name, (down, up) in matrices(1 + block).items():
            kohya = f"lora_unet_blocks_{block}_{name.replace('.', '_')}"
            named["kohya"] |= {f"{kohya}.lora_down.weight": down, f"{kohya}.lora_up.weight": up}
            named["kohya"][f"{kohya}.alpha"] = torch.tensor(6.0)
            theirs = f"transformer.blocks.{block}.{LAYERS[name]}"
            named["diffusers"] |= {f"{theirs}.lora_A.weight": down, f"{theirs}.lora_B.weight": up}
            peft = f"base_model.model.blocks.{block}.{LAYERS[name]}"
            named["peft"] |= {f"{peft}.lora_A.default.weight": down, f"{peft}.lora_B.default.weight": up}
    declared = {"lora_adapter_metadata": json.dumps({"transformer.r": RANK, "transformer.lora_alpha": 6.0})}
    for naming, tensors in named.items():
        _, other = saved(tmp_path / f"{naming}.safetensors", tensors, None if naming == "kohya" else declared)
        found = read_changes(other)
        assert found.keys() == expected.keys()
        for name, change in found.items():
            assert torch.equal(change.delta(CPU), expected[name].delta(CPU)), (naming, name)


def test_differences_of_biases_norms_and_tables_are_applied(tmp_path: Path) -> None:
    ones = torch.ones(WIDTH)
    extra = {
        "diffusion_model.blocks.0.self_attn.q.diff_b": ones,
        "diffusion_model.blocks.1.self_attn.norm_q.diff": ones,
        "diffusion_model.blocks.1.norm3.diff": ones,
        "diffusion_model.blocks.1.diff_m": torch.ones(1, 6, WIDTH),
        "diffusion_model.head.head.diff": torch.ones(64, WIDTH),
        "diffusion_model.head.diff_m": torch.ones(1, 2, WIDTH),
        "diffusion_model.time_projection.1.diff_b": torch.ones(6 * WIDTH),
    }
    transformer = tiny(dtype=torch.float32)
    before = weights(transformer)
    wanted = own(tmp_path, extra=extra)
    after = weights(patched(AppliedLoras(), transformer, wanted))
    for name in (
        "blocks.0.attn1.to_q.bias",
        "blocks.1.attn1.norm_q.weight",
        "blocks.1.norm2.weight",
        "blocks.1.scale_shift_table",
        "proj_out.weight",
        "scale_shift_table",
        "condition_embedder.time_proj.bias",
    ):
        assert torch.equal(after[name], before[name] + 1), name


def test_a_lora_of_a_model_that_sees_pictures_serves_one_that_does_not(tmp_path: Path) -> None:
    wanted = own(tmp_path)
    after = weights(patched(AppliedLoras(), tiny("i2v-a14b"), wanted))
    assert differing(weights(tiny("i2v-a14b")), after)


def test_a_faster_forward_sees_the_change(tmp_path: Path) -> None:
    """It takes diffusers' layers over; what is changed later is changed in it."""
    transformer, loras = tiny(dtype=torch.float32), AppliedLoras()
    placement = ComponentPlacement("accelerated, as loaded", lambda module, _: reference(module, EXACT))
    placed = loras.with_loras(placement, ()).place(transformer, CPU)
    before = weights(placed)
    assert loras.apply(placed, (own(tmp_path),))
    assert differing(before, weights(placed))
    assert loras.apply(placed, ())
    assert differing(before, weights(placed)) == set()


def test_what_is_quantised_is_fused_before(tmp_path: Path) -> None:
    seen: list[dict[str, torch.Tensor]] = []

    def quantised(module: torch.nn.Module, _: torch.device) -> torch.nn.Module:
        seen.append(weights(module))
        return module

    loras, wanted = AppliedLoras(), own(tmp_path)
    placement = loras.with_loras(ComponentPlacement("accelerated, float8 e4m3", quantised), (wanted,))
    assert wanted[0].content[:8] in placement.form
    placed = placement.place(tiny(), CPU)
    assert differing(seen[0], weights(tiny()))
    assert not loras.apply(placed, (wanted,))


def faster(folder: Path, profile: Profile) -> tuple[ComponentPlacement, Any, Any]:
    """A transformer as it arrives for a profile, and two LoRAs of which each changes what the other does not."""

    def place(module: Any, _: torch.device, patch_block: PatchBlock = no_patch) -> torch.nn.Module:
        return reference(module, profile, patch_block=patch_block)

    dice = torch.Generator().manual_seed(3)

    def extra(*shapes: tuple[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
        return {f"diffusion_model.{name}": torch.randn(shape, generator=dice) for name, shape in shapes}

    one = extra(
        ("blocks.0.cross_attn.o.diff_b", (WIDTH,)),
        ("blocks.1.cross_attn.o.diff", (WIDTH, WIDTH)),
        ("blocks.0.norm3.diff", (WIDTH,)),
        ("blocks.1.norm3.diff_b", (WIDTH,)),
        ("blocks.1.self_attn.norm_q.diff", (WIDTH,)),
        ("blocks.0.cross_attn.norm_k_img.diff", (WIDTH,)),
        ("blocks.0.diff_m", (1, 6, WIDTH)),
    )
    other = extra(
        ("head.head.diff", (64, WIDTH)),
        ("head.diff_m", (1, 2, WIDTH)),
        ("blocks.0.diff_m", (1, 6, WIDTH)),
        ("time_projection.1.diff_b", (6 * WIDTH,)),
    )
    placement = ComponentPlacement(f"accelerated, {profile.linears.value}", place, place_patched=place)
    return placement, own(folder, 1, extra=one), own(folder, 5, extra=other)


def float8(folder: Path) -> tuple[ComponentPlacement, Any, Any]:
    return faster(folder, FAST)


def bits(transformer: torch.nn.Module) -> dict[str, bytes]:
    return {
        name: part.detach().contiguous().view(torch.uint8).numpy().tobytes()
        for name, part in transformer.state_dict().items()
    }


@pytest.mark.parametrize("profile", [EXACT, FAST], ids=lambda profile: profile.name)
def test_a_faster_forward_changes_without_being_read_again(tmp_path: Path, profile: Profile) -> None:
    """To the same bits as one that was read with the LoRA on, of norms, tables and biases as well."""
    placement, one, other = faster(tmp_path, profile)
    read_with = replace(placement, form="read again for every LoRA")
    fresh = {
        wanted: bits(AppliedLoras().with_loras(read_with, wanted).place(tiny(), CPU))
        for wanted in ((), (one,), (other,), (one, other))
    }
    assert len({str(found) for found in fresh.values()}) == len(fresh)

    loras = AppliedLoras()
    form = loras.with_loras(placement, (one,), is_roomy=True).form
    placed = loras.with_loras(placement, (one,), is_roomy=True).place(tiny(), CPU)
    for wanted in ((one,), (other,), (), (one, other), (one,)):
        assert loras.with_loras(placement, wanted, is_roomy=True).form == form
        assert loras.apply(placed, wanted, is_roomy=True)
        assert bits(placed) == fresh[wanted]


def test_float8_that_no_lora_is_for_keeps_nothing(tmp_path: Path) -> None:
    placement, one, _ = float8(tmp_path)
    loras = AppliedLoras()
    assert loras.with_loras(placement, (), is_roomy=True) is placement
    assert loras.with_loras(placement, (one,), is_roomy=False).form.endswith(f"with LoRAs {one[0].content[:8]} at 1")
    assert loras.device_bytes == 0


def test_float8_is_read_again_for_any_other_strength(tmp_path: Path) -> None:
    placement, (lora, file), _ = float8(tmp_path)
    forms = {
        AppliedLoras().with_loras(placement, ((replace(lora, scale=scale), file),)).form
        for scale in (0.1, 0.1 + 1e-9, 1.0, 1)
    }
    assert len(forms) == 3


def test_the_device_computes_what_is_put_on_before_it_is_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does for a model that stays there: in host memory products are rounded otherwise."""
    device = torch.device("cpu", 0)  # told from the host by its number
    used: list[torch.device] = []

    def computed(original: torch.Tensor, changes: Changes, where: torch.device) -> torch.Tensor:
        used.append(where)
        return changed(original, changes, where)

    monkeypatch.setattr("wan_render.backends.wan.lora.applied_loras.changed", computed)
    wanted = own(tmp_path)
    placed = AppliedLoras().with_loras(streamed("transformer"), (wanted,)).place(tiny(), device)
    assert set(used) == {device}
    assert differing(weights(placed), weights(patched(AppliedLoras(), tiny(), wanted))) == set()


def test_what_float8_keeps_counts_as_its_own(tmp_path: Path) -> None:
    placement, one, _ = float8(tmp_path)
    loras, transformer = AppliedLoras(), tiny()
    coming = loras.with_loras(placement, (one,), is_roomy=True)
    size = coming.size(transformer)
    expected = placement.size(transformer)
    placed = coming.place(transformer, CPU)
    assert loras.device_bytes > 0
    assert size == expected + loras.device_bytes
    del placed
    assert loras.device_bytes == 0


def test_a_change_that_was_cut_short_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loras, wanted = AppliedLoras(), (own(tmp_path),)
    placed = loras.with_loras(AS_LOADED, wanted).place(tiny(), CPU)
    before = weights(placed)
    done: list[int] = []

    def failing(*given: Any) -> torch.Tensor:
        done.append(1)
        if len(done) == 5:
            raise RuntimeError("CUDA out of memory")
        return changed(*given)

    with monkeypatch.context() as patched:
        patched.setattr("wan_render.backends.wan.lora.patched.changed", failing)
        with pytest.raises(RuntimeError):
            loras.apply(placed, wanted)
    assert differing(before, weights(placed)), "it had begun"
    assert loras.apply(placed, ())
    assert differing(before, weights(placed)) == set()


def test_each_expert_uses_its_own_loras() -> None:
    both, high, low = Lora("a", 1.0), Lora("b", 1.0, "high"), Lora("c", 1.0, "low")
    files = {name: Path(name) for name in "abc"}
    wanted = {name: for_expert((both, high, low), files, name) for name in ("transformer", "transformer_2")}
    assert [lora for lora, _ in wanted["transformer"]] == [both, high]
    assert [lora for lora, _ in wanted["transformer_2"]] == [both, low]


def test_the_kernels_of_a_convolution_are_changed(tmp_path: Path) -> None:
    """As peft and Kohya's tools save the patch embedding: the kernel belongs to the first matrix."""
    transformer = tiny(dtype=torch.float32)
    name, weight = "patch_embedding.weight", dict(transformer.named_parameters())["patch_embedding.weight"]
    down, up = torch.randn(RANK, *weight.shape[1:]), torch.randn(WIDTH, RANK, 1, 1, 1)
    stem = "diffusion_model.patch_embedding"
    wanted = saved(tmp_path / "conv.safetensors", {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up})
    before = weights(transformer)
    after = weights(patched(AppliedLoras(), transformer, wanted))
    assert differing(before, after) == {name}
    expected = before[name] + torch.einsum("or,rikhw->oikhw", up[:, :, 0, 0, 0], down)
    torch.testing.assert_close(after[name], expected)


def test_each_expert_uses_its_own_part_of_a_file(tmp_path: Path) -> None:
    tensors: dict[str, torch.Tensor] = {}
    for prefix, seed in (("transformer", 1), ("transformer_2", 5)):
        down, up = matrices(seed)["self_attn.q"]
        stem = f"{prefix}.blocks.0.attn1.to_q"
        tensors |= {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}
    lora, file = saved(tmp_path / "both.safetensors", tensors)
    before = weights(tiny("i2v-a14b", torch.float32))
    name = "blocks.0.attn1.to_q.weight"
    for component, seed in (("transformer", 1), ("transformer_2", 5)):
        wanted = for_expert((replace(lora, expert="each"),), {lora.content: file}, component)
        after = weights(patched(AppliedLoras(), tiny("i2v-a14b", torch.float32), *wanted))
        down, up = matrices(seed)["self_attn.q"]
        assert differing(before, after) == {name}
        torch.testing.assert_close(after[name], before[name] + up @ down)
    only_low = (replace(lora, expert="low part"),)
    assert [len(for_expert(only_low, {lora.content: file}, name)) for name in ("transformer", "transformer_2")] == [
        0,
        1,
    ]


def test_a_file_that_fails_in_reading_is_named_with_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = own(tmp_path)

    def broken(*_: Any, **__: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("wan_render.backends.wan.lora.lora_file.safe_open", broken)
    with pytest.raises(RenderError) as caught:
        patched(AppliedLoras(), tiny(), wanted)
    assert caught.value.problems[0].where == f"the LoRA {wanted[1]}"
    assert "Input/output error" in caught.value.problems[0].found


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({"diffusion_model.blocks.9.self_attn.q.lora_down.weight": (3, 24)}, "has half of the change"),
        (
            {
                f"diffusion_model.blocks.9.self_attn.q.lora_{w}.weight": s
                for w, s in (("down", (3, 24)), ("up", (24, 3)))
            },
            "does not fit this model: blocks.9.attn1.to_q.weight",
        ),
        (
            {
                f"diffusion_model.blocks.0.self_attn.q.lora_{w}.weight": s
                for w, s in (("down", (3, 9)), ("up", (24, 3)))
            },
            "blocks.0.attn1.to_q.weight (24, 9) for (24, 24)",
        ),
        (
            {
                f"diffusion_model.blocks.0.self_attn.q.{w}": s
                for w, s in (("lora_down.weight", (3, 24)), ("lora_up.weight", (24, 3)), ("diff", (24, 24)))
            },
            "changes blocks.0.attn1.to_q in two ways",
        ),
        ({"diffusion_model.blocks.0.self_attn.q.hada_w1_a": (3, 9)}, "is a LoKr or LoHa"),
        ({"diffusion_model.blocks.0.self_attn.q.lora_mid.weight": (3, 9)}, "holds no LoRA"),
        ({"diffusion_model.blocks.0.self_attn.q.alpha": ()}, "holds no LoRA"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(tmp_path: Path, tensors: dict[str, Any], found: str) -> None:
    wanted = saved(tmp_path / "a.safetensors", {name: torch.ones(shape) for name, shape in tensors.items()})
    transformer = tiny()
    before = weights(transformer)
    with pytest.raises(InputError) as caught:
        patched(AppliedLoras(), transformer, wanted)
    assert found in str(caught.value)
    assert differing(before, weights(transformer)) == set()


def test_a_file_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    lora, file = own(tmp_path)
    with pytest.raises(RenderError, match="not the LoRA that was planned"):
        patched(AppliedLoras(), tiny(), (replace(lora, content="0" * 64), file))


def rendered(renderer: Renderer, take: Take, wanted: tuple[tuple[Lora, Path], ...]) -> tuple[Pixels, set[Phase]]:
    heard: list[Progress] = []
    take = replace(take, loras=tuple(lora for lora, _ in wanted))
    plates = replace(plates_of(take), loras={lora.content: file for lora, file in wanted})
    return renderer.render(take, plates, heard.append).pixels, {progress.phase for progress in heard}


@pytest.mark.wan
def test_shots_with_and_without_loras_share_a_loaded_model(tiny: Callable[[str], Tiny], tmp_path: Path) -> None:
    model = tiny("i2v-a14b")
    take = model.take(ShotKind.FLF2V)
    (lora, file), other = own(tmp_path, 1), own(tmp_path, 5)
    renderer = BACKEND.open(model.card, DEVICE, nobody)
    plain, _ = rendered(renderer, take, ())

    seen = [plain]
    for wanted in (
        ((lora, file),),
        ((replace(lora, expert="high"), file),),
        ((replace(lora, expert="low"), file), other),
    ):
        pixels, phases = rendered(renderer, take, wanted)
        assert Phase.LOADING not in phases
        assert all(not np.array_equal(pixels, earlier) for earlier in seen)
        seen.append(pixels)
    again, phases = rendered(renderer, take, ())
    assert np.array_equal(again, plain)
    assert Phase.LOADING not in phases

    fresh, _ = rendered(BACKEND.open(model.card, DEVICE, nobody), take, ((lora, file),))
    assert np.array_equal(fresh, seen[1]), "it does not matter what was wanted before"


@pytest.fixture
def float8_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renderer on a CPU has its transformers in float8, by the reference of our forward."""

    def attend(*given: Any) -> torch.Tensor:
        query, key, value = ((part.float() * s.view(1, 1, -1, 1)) for part, s in zip(given[:3], given[3], strict=True))
        return SDPA.attend(query, key, value)

    def place(module: Any, _: torch.device, patch_block: PatchBlock = no_patch) -> torch.nn.Module:
        return reference(module, FAST, attend, patch_block)

    placement = ComponentPlacement("accelerated, float8 e4m3", place, place_patched=place)
    monkeypatch.setattr(Accelerator, "transformer", lambda *_: placement)


@pytest.mark.wan
@pytest.mark.parametrize("expert", ["both", "high", "low"])
@pytest.mark.usefixtures("float8_here")
def test_float8_is_read_once_where_it_is_known_that_loras_follow(
    tiny: Callable[[str], Tiny], tmp_path: Path, expert: str
) -> None:
    model = tiny("i2v-a14b")
    take = model.take(ShotKind.FLF2V)
    lora, file = own(tmp_path)
    wanted = ((replace(lora, expert=expert), file),)
    renderer = BACKEND.open(model.card, DEVICE, nobody)
    patched = replace(take, loras=tuple(lora for lora, _ in wanted))
    renderer.prepare([take, patched], plates_of, nobody)
    plain, _ = rendered(renderer, take, ())
    changed, phases = rendered(renderer, take, wanted)
    assert Phase.LOADING not in phases
    for found, loras in ((plain, ()), (changed, wanted)):
        fresh, _ = rendered(BACKEND.open(model.card, DEVICE, nobody), take, loras)
        assert np.array_equal(found, fresh)


@pytest.mark.wan
def test_former_weights_make_room_before_anything_is_encoded(
    tiny: Callable[[str], Tiny], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A take for which the device is too small for them is fitted into it as if they were gone."""
    done: list[str] = []

    def made(transformer: PatchedTransformer) -> None:
        done.append("room")
        make_room(transformer)

    def encoded(*given: Any) -> torch.Tensor:
        done.append("words")
        return encode_text(*given)

    make_room = PatchedTransformer.make_room
    monkeypatch.setattr(PatchedTransformer, "make_room", made)
    monkeypatch.setattr("wan_render.backends.wan.pipeline.take_encodings.encode_text", encoded)
    model = tiny("t2v-2.1")
    take = model.take(ShotKind.T2V)
    wanted = (own(tmp_path),)
    renderer = BACKEND.open(model.card, DEVICE, nobody)
    rendered(renderer, take, wanted)
    done.clear()
    monkeypatch.setattr("wan_render.backends.wan.memory.loaded_components.free_device_bytes", lambda _: 1)
    rendered(renderer, replace(take, prompt="a hill", frames=take.frames + 4), wanted)
    assert done == ["room", "words"]


@pytest.mark.wan
def test_a_lora_without_a_file_is_reported(tiny: Callable[[str], Tiny]) -> None:
    model = tiny("i2v-a14b")
    take = replace(model.take(ShotKind.FLF2V), loras=(Lora("a" * 64, 1.0),))
    with pytest.raises(WeightsError, match="no file was given for the LoRA aaaaaaaa"):
        BACKEND.open(model.card, DEVICE, nobody).render(take, plates_of(take), nobody)


def test_a_published_lora_is_looked_for_where_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    published = distilled.I2V_2_1[0]
    problem = lora_location.missing_loras([published])
    assert problem is not None
    assert f"hf download {published.repository} {published.file} --revision {published.revision}" in problem.remedy
    (tmp_path / "Wan2.1-Distill-Loras").mkdir()
    file = tmp_path / "Wan2.1-Distill-Loras" / published.file
    file.touch()
    assert lora_location.lora_file(published) == file
    assert lora_location.missing_loras([published]) is None
