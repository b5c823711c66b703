"""TurboDiffusion's models: from their files to frames, with the attention that they were trained with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.backends.wan.conftest import CPU, Tiny, nobody, plates_of
from tests.backends.wan.forwards import inputs_of, reference, relative_error
from tests.backends.wan.other_layouts import build, save_wans_own, spiece, turbo_transformer
from tests.backends.wan.test_layouts import Parts, Said, request, tokenizer
from tests.backends.wan.test_sparse_linear import dense_formula
from tests.tiny_wan import KINDS, card_of, diffusers, save_tiny, with_sparse_linear
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.checkpoint_folder import SPARSE_LINEAR_WEIGHTS, read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader, LoadForm
from wan_render.backends.wan.checkpoint.sparse_loading import SparseLinearLoader
from wan_render.backends.wan.kernels.sparse_linear import SparseLinearAttention
from wan_render.backends.wan.layouts.import_model import import_model
from wan_render.backends.wan.memory.budget import Budget
from wan_render.backends.wan.memory.offload_choice import MemoryFit, MemoryStep
from wan_render.backends.wan.memory.streaming import storage_of, streamed
from wan_render.backends.wan.models.fine_tuned import ATTENDED_SHARE
from wan_render.backends.wan.models.local_folder import resembled
from wan_render.backends.wan.models.step_schedule import StepSchedule
from wan_render.backends.wan.models.transformer_shapes import is_sparse_linear
from wan_render.backends.wan.profiles.render_profile import EXACT as EXACT_PROFILE
from wan_render.backends.wan.profiles.render_profile import VARIANTS, Profile
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.cli import main
from wan_render.errors import InputError, UsageError, WeightsError
from wan_render.model_weights import ImportRequest
from wan_render.take import Sampling, ShotKind, Size, Take

pytestmark = pytest.mark.wan

__all__ = ["tokenizer"]  # a fixture

LATENTS = (9, 12, 16)
"""Of a forward: 432 tokens, in four blocks of queries and seven of keys, of which one is chosen."""

NAMED = "TurboWan2.1-T2V-1.3B-480P.pth"


@pytest.fixture(scope="module")
def parts() -> Parts:
    """A model from words."""
    found = build()
    transformer = diffusers().WanTransformer3DModel(
        num_attention_heads=1, text_dim=32, freq_dim=64, ffn_dim=48, num_layers=2
    )
    return {**found, "transformer": transformer.to(torch.bfloat16)}


def turbo_files(parts: Parts, folder: Path, weights: Mapping[str, Any] | None = None) -> Path:
    save_wans_own(parts, folder)
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "models_t5_umt5-xxl-enc-bf16.pth").unlink()
    words = {name: each.clone() for name, each in parts["text_encoder"].state_dict().items()}
    save_file(words | {"spiece_model": spiece(folder)}, folder / "umt5_xxl.safetensors")
    torch.save(dict(weights or turbo_transformer(parts)), folder / NAMED)
    return folder


@pytest.fixture(scope="module")
def imported(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    root, said = tmp_path_factory.mktemp("turbo"), Said()
    made = import_model(ImportRequest((turbo_files(parts, root / "files"),), root / "weights", "mine"), said)
    assert any("from words (T2V), with sparse-linear attention (TurboDiffusion): 2 layers" in s for s in said.lines)
    return Tiny(replace(KINDS["t2v-2.1"], heads=1), made.folder, card_of(made.folder))


def take_of(model: Tiny, **changes: Any) -> Take:
    """With 240 tokens: two blocks of queries, and four of keys."""
    asked = {"size": Size(128, 96), "frames": 17, "sampling": Sampling(2, (1.0,), 5.0)} | changes
    return model.take(ShotKind.T2V, **asked)


def loaded(model: Tiny, precision: LoadForm = EXACT["cpu"]) -> Any:
    return SparseLinearLoader(read_checkpoint(model.folder), precision).module("transformer")


def compute_densely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse-linear attention is the formula meanwhile, token by token."""

    def dense(self: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        found = dense_formula(query, key, value, self.project.weight, self.project.bias, self.share)
        return found.to(query.dtype)

    monkeypatch.setattr(SparseLinearAttention, "forward", dense)


def test_the_files_become_a_model_with_its_own_steps(imported: Tiny, parts: Parts) -> None:
    """Told by its tensors: no name and no --like is needed. The projections stay as they are, but for bfloat16."""
    checkpoint = read_checkpoint(imported.folder)
    assert resembled(checkpoint).name == "wan2.1-t2v-1.3b-turbo"
    assert (checkpoint.step_schedule, checkpoint.transformer.attended_share) == (StepSchedule.RCM, ATTENDED_SHARE)
    assert imported.card.kinds[ShotKind.T2V].sampling == Sampling(4, (1.0,), 5.0)
    kept = load_file(imported.folder / "transformer" / SPARSE_LINEAR_WEIGHTS)
    given = {name: each for name, each in turbo_transformer(parts).items() if "proj_l" in name}
    assert len(kept) == len(given) == 4
    assert all(is_sparse_linear(name) for name in kept)
    for (name, found), (_, each) in zip(sorted(kept.items()), sorted(given.items()), strict=True):
        assert torch.equal(found, each.bfloat16()), name
    assert imported.folder / "transformer" / SPARSE_LINEAR_WEIGHTS in checkpoint.files()


def test_diffusers_reads_the_folder_without_a_warning(imported: Tiny, caplog: pytest.LogCaptureFixture) -> None:
    library = __import__("logging").getLogger("diffusers")
    library.addHandler(caplog.handler)
    FolderLoader(read_checkpoint(imported.folder), EXACT["cpu"]).module("transformer")
    library.removeHandler(caplog.handler)
    assert not caplog.records


@torch.no_grad()
def test_a_forward_is_that_of_the_formula(imported: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse, full = loaded(imported), FolderLoader(read_checkpoint(imported.folder), EXACT["cpu"]).module("transformer")
    asked = inputs_of(sparse, latents=LATENTS)
    found = sparse(**asked)[0]
    compute_densely(monkeypatch)
    wanted = sparse(**asked)[0]
    assert relative_error(found, wanted) < 1e-5
    assert relative_error(full(**asked)[0], wanted) > 0.01


VARIED = [EXACT_PROFILE, *VARIANTS["fast"].values()]


@pytest.mark.parametrize("profile", VARIED, ids=["exact", "fast", *filter(None, VARIANTS["fast"])])
@torch.no_grad()
def test_our_forward_attends_alike_in_every_precision(imported: Tiny, profile: Profile) -> None:
    """Attention stays as loaded, also where the profile has it in float8; products are rounded, so they differ."""
    stock = loaded(imported)
    asked = inputs_of(stock, latents=LATENTS)
    wanted = stock(**asked)[0]
    found = reference(copy.deepcopy(stock), profile, attend_float8=None)(**asked)[0]
    assert relative_error(found, wanted) < (2e-5 if profile is EXACT_PROFILE else 0.15)


@torch.no_grad()
def test_a_streamed_transformer_attends_alike(imported: Tiny) -> None:
    stock = loaded(imported)
    asked = inputs_of(stock, latents=LATENTS)
    wanted, ours = stock(**asked)[0], reference(copy.deepcopy(stock), EXACT_PROFILE)(**asked)[0]
    fit = MemoryFit(MemoryStep.STREAMED, frozenset({"transformer"}))
    storage = storage_of("transformer", fit)
    assert torch.equal(reference(copy.deepcopy(stock), EXACT_PROFILE, storage=storage)(**asked)[0], ours)
    assert torch.equal(streamed("transformer").place(stock, torch.device("cpu"))(**asked)[0], wanted)


def test_a_take_is_that_of_the_formula(imported: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    take = take_of(imported)
    renderer: Any = BACKEND.open(imported.card, CPU, nobody)
    with torch.no_grad():
        found = renderer.latents(take, plates_of(take))
    assert renderer.render(take, plates_of(take), nobody).pixels.shape == (17, 96, 128, 3)
    assert renderer.facts()["attention"] == "sparse-linear, 15 % of the keys, torch sdpa"
    compute_densely(monkeypatch)
    with torch.no_grad():
        wanted = BACKEND.open(imported.card, CPU, nobody).latents(take, plates_of(take))  # type: ignore[attr-defined]
    assert relative_error(found, wanted) < 1e-4


def test_its_attention_counts_in_the_memory_that_a_take_needs(imported: Tiny, tmp_path: Path) -> None:
    full = save_tiny(KINDS["t2v-2.1"], tmp_path / "full")
    sparse = with_sparse_linear(save_tiny(KINDS["t2v-2.1"], tmp_path / "sparse"))
    take = take_of(imported, size=Size(1280, 720))
    more, less = (
        Budget(FolderLoader(read_checkpoint(folder), EXACT["cuda"])).working("transformer", take)
        for folder in (sparse, full)
    )
    assert more - less == 8 * 24 * 5 * 45 * 80  # bytes, features, and tokens: frames, rows and columns


def test_a_take_in_the_precision_of_cuda(imported: Tiny) -> None:
    """In bfloat16 it is near float32: its blocks are chosen in float32."""
    take = take_of(imported)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        loader = SparseLinearLoader(read_checkpoint(imported.folder), LoadForm(dtype, dtype, *[torch.float32] * 2))
        with torch.no_grad():
            found.append(WanRenderer(imported.card, loader, torch.device("cpu"), {}).latents(take, plates_of(take)))
    assert 0 < relative_error(found[1].float(), found[0]) < 0.1


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (Path.unlink, r"has no sparse_linear_attention\.safetensors"),
        (lambda file: file.write_bytes(file.read_bytes()[:-4]), "is cut off"),
    ],
)
def test_a_folder_without_its_projections_is_refused(harm: Callable[[Path], None], told: str, tmp_path: Path) -> None:
    folder = with_sparse_linear(save_tiny(KINDS["t2v-2.1"], tmp_path / "tiny"))
    read_checkpoint(folder)
    harm(folder / "transformer" / SPARSE_LINEAR_WEIGHTS)
    with pytest.raises(InputError, match=told):
        read_checkpoint(folder)


def test_projections_of_another_build_are_refused(tmp_path: Path) -> None:
    folder = with_sparse_linear(save_tiny(KINDS["t2v-2.1"], tmp_path / "tiny"))
    file = folder / "transformer" / SPARSE_LINEAR_WEIGHTS
    for weights in ({"a": torch.zeros(2)}, {name: each[:3] for name, each in load_file(file).items()}):
        save_file({name: each.contiguous() for name, each in weights.items()}, file)
        with pytest.raises(WeightsError, match=r"does not fit its transformer: .*import the model again"):
            SparseLinearLoader(read_checkpoint(folder), EXACT["cpu"]).module("transformer")


def test_the_experts_of_wan_2_2_have_steps_of_their_own(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    """They begin at sigma 200, and are for shots with a first keyframe."""
    experts = {
        name: {
            **parts,
            "transformer": diffusers()
            .WanTransformer3DModel(
                num_attention_heads=1, in_channels=36, text_dim=32, freq_dim=64, ffn_dim=48, num_layers=2
            )
            .bfloat16(),
        }
        for name in ("high", "low")
    }
    files = turbo_files(parts, tmp_path / "files")
    (files / NAMED).unlink()
    for name, each in experts.items():
        torch.save(turbo_transformer(each), files / f"TurboWan2.2-I2V-A14B-{name}-720P.pth")
    made = import_model(request([files], tmp_path, tokenizer), Said())
    checkpoint = read_checkpoint(made.folder)
    assert checkpoint.sparse_linear == ("transformer", "transformer_2")
    assert (resembled(checkpoint).name, checkpoint.step_schedule) == ("wan2.2-i2v-a14b-turbo", StepSchedule.RCM_200)
    assert set(card_of(made.folder).kinds) == {ShotKind.I2V}
    levels = StepSchedule.RCM_200.levels(4, 5.0)
    assert [level >= (checkpoint.index.boundary_ratio or 1) for level in levels] == [True, True, False, False]
    low: Any = SparseLinearLoader(checkpoint, EXACT["cpu"]).module("transformer_2")
    assert low.blocks[1].attn1.sparse_linear.share == ATTENDED_SHARE


def test_files_in_8_bits_are_refused_with_what_to_do(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    weights = turbo_transformer(parts)
    for name in [name for name in weights if name.endswith("self_attn.q.weight")]:
        stem = name.removesuffix(".weight")
        weights[f"{stem}.int8_weight"] = weights.pop(name).to(torch.int8)
        weights[f"{stem}.scale"] = torch.ones(1, 1)
    files, said = turbo_files(parts, tmp_path / "files", weights), Said()
    with pytest.raises(UsageError):
        import_model(request([files], tmp_path, tokenizer), said)
    assert any("TurboDiffusion in 8 bits" in line and "use the file without -quant" in line for line in said.lines)


def test_a_block_without_its_projection_is_refused(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    weights = turbo_transformer(parts)
    del weights["blocks.1.self_attn.attn_op.local_attn.proj_l.bias"]
    files = turbo_files(parts, tmp_path / "files", weights)
    with pytest.raises(InputError, match=r"lacks blocks\.1\.attn1\.sparse_linear\.project\.bias"):
        import_model(replace(request([files / NAMED], tmp_path, tokenizer)), Said())


def test_the_plan_names_the_attention(
    imported: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    board = "film: {raster: 128x96}\nshots:\n  - prompt: the river runs to the sea\n    render: "
    (tmp_path / "film.yaml").write_text(f"{board}{{frames: 17, t2v: {{model: {imported.folder}}}}}\n")
    assert main(["plan", "film.yaml", "--notes", "--allow", str(imported.folder)]) == 0
    assert "its self-attention is sparse-linear" in capsys.readouterr().out


def test_steps_at_full_attention_are_another_models(imported: Tiny) -> None:
    """The test of the take can fail: with full attention its frames are others."""
    take = take_of(imported)
    checkpoint = read_checkpoint(imported.folder)
    sparse, full = (
        WanRenderer(imported.card, loader(checkpoint, EXACT["cpu"]), torch.device("cpu"), {})
        for loader in (SparseLinearLoader, FolderLoader)
    )
    found = [renderer.render(take, plates_of(take), nobody).pixels for renderer in (sparse, full)]
    assert not np.array_equal(found[0], found[1])
