"""Checkpoints in the layouts that people have become the same weights as diffusers' own folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.backends.wan.other_layouts import (
    build,
    save_as_comfyui,
    save_as_diffusers,
    save_wans_own,
    spiece,
    wans_transformer,
    wans_vae,
)
from tests.tiny_wan import diffusers
from wan_render.backends.wan.checkpoint.checkpoint_folder import WEIGHTS, read_checkpoint
from wan_render.backends.wan.layouts.import_model import import_model
from wan_render.backends.wan.layouts.opened_file import open_weights
from wan_render.backends.wan.layouts.part import Part
from wan_render.backends.wan.layouts.recognised import recognise
from wan_render.backends.wan.models.local_folder import resembled
from wan_render.cli import main
from wan_render.errors import InputError, UsageError
from wan_render.model_weights import ImportRequest

pytestmark = pytest.mark.wan

Parts = dict[str, Any]


class Said:
    """A watch that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, size: object) -> None:
        self.size = size

    def advance(self, count: int) -> None:
        assert count > 0

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def parts() -> Parts:
    return build()


@pytest.fixture(scope="module")
def tokenizer(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tokenizer's folder of a model in diffusers' layout, with a file by which it is recognised."""
    folder = save_as_diffusers(parts, tmp_path_factory.mktemp("theirs") / "model")
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    return folder / "tokenizer"


def weights_in(folder: Path) -> dict[str, Any]:
    """Every weight of a folder in diffusers' layout, by its component and name."""
    from safetensors.torch import load_file

    return {
        f"{component}: {name.removeprefix('vision_model.')}": weight
        for component in WEIGHTS
        for file in sorted((folder / component).glob("*.safetensors"))
        for name, weight in load_file(file).items()
    }


def request(paths: list[Path], tmp_path: Path, tokenizer: Path) -> ImportRequest:
    return ImportRequest(tuple(paths), tmp_path / "weights", "mine", tokenizer=tokenizer)


@pytest.mark.parametrize("save", [save_wans_own, save_as_comfyui])
def test_weights_are_equal_to_the_last_bit(
    save: Callable[[Parts, Path], Path], parts: Parts, tokenizer: Path, tmp_path: Path
) -> None:
    import torch

    said = Said()
    made = import_model(request([save(parts, tmp_path / "files")], tmp_path, tokenizer), said)
    expected, found = weights_in(tokenizer.parent), weights_in(made.folder)
    assert found.keys() == expected.keys()
    differing = [name for name in found if not torch.equal(found[name].float(), expected[name].float())]
    assert not differing
    assert resembled(read_checkpoint(made.folder)).name == "wan2.1-flf2v-14b"
    assert any(
        "transformer between two keyframes (FLF2V), with CLIP: 2 layers of 128, bfloat16" in s for s in said.lines
    )


@pytest.mark.parametrize("scales", ["scale_weight", "weight_scale"])
def test_float8_is_read_with_its_scales(scales: str, parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    files, said = save_as_comfyui(parts, tmp_path / "files", scales), Said()
    made = import_model(request([files], tmp_path, tokenizer), said)
    expected, found = weights_in(tokenizer.parent), weights_in(made.folder)
    name = "transformer: blocks.1.attn1.to_q.weight"
    error = (found[name].float() - expected[name].float()).abs().max() / expected[name].float().abs().max()
    assert 0 < error < 0.05  # the step of e4m3 is 1/16 at the top
    assert "transformer was stored in float8 with scales and is written as bfloat16: its rounding stays" in said.lines


def test_the_names_agree_with_diffusers_own_tables(parts: Parts) -> None:
    """Whether the test's own layout is Wan's: diffusers' converters know it as well, but for emb_pos."""
    converters: Any = import_module("diffusers.loaders.single_file_utils")
    vae = converters.convert_wan_vae_to_diffusers(wans_vae(parts))
    assert vae.keys() == parts["vae"].state_dict().keys()
    theirs = converters.convert_wan_transformer_to_diffusers(wans_transformer(parts))
    assert theirs.keys() - parts["transformer"].state_dict().keys() == {"img_emb.emb_pos"}


def test_the_vae_of_wan_2_2_is_read(tmp_path: Path) -> None:
    """It has a list of blocks for each level, and statistics of 48 channels that are not in the file."""
    from safetensors.torch import save_file

    vae = diffusers().AutoencoderKLWan(
        base_dim=4, decoder_base_dim=4, z_dim=48, is_residual=True, in_channels=12, out_channels=12, patch_size=2
    )
    save_file(wans_vae({"vae": vae}), tmp_path / "any.safetensors")
    part = recognise(open_weights(tmp_path / "any.safetensors"))
    assert isinstance(part, Part)
    assert {target for targets in part.names.values() for target in targets} == vae.state_dict().keys()
    assert part.words == "VAE of Wan 2.2: 48 channels, float32"


def test_two_experts_are_named(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    """Nothing in their tensors says which is which."""
    from safetensors.torch import save_file

    files = save_as_comfyui(parts, tmp_path / "files")
    (files / "diffusion_models/wan2.1_flf2v.safetensors").unlink()
    for name in ("first", "second"):
        weights = {key: weight.clone() for key, weight in wans_transformer(parts).items() if "img" not in key}
        save_file(weights, files / f"diffusion_models/{name}.safetensors")
    asked = request([files], tmp_path, tokenizer)
    with pytest.raises(UsageError, match=r"there are 2 transformers.*--high FILE --low FILE"):
        import_model(asked, Said())
    high, low = (files / f"diffusion_models/{name}.safetensors" for name in ("second", "first"))
    made = import_model(replace(asked, high=high, low=low), Said())
    checkpoint = read_checkpoint(made.folder)
    assert (checkpoint.has_two_experts, resembled(checkpoint).name) == (True, "wan2.2-i2v-a14b")


def test_what_is_missing_is_said_at_once(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    files = save_as_comfyui(parts, tmp_path / "files")
    asked = request([files / "diffusion_models"], tmp_path, tokenizer)
    with pytest.raises(UsageError) as refused:
        import_model(asked, Said())
    found = [problem.found for problem in refused.value.problems]
    assert found == [
        "the text encoder is missing",
        "the image encoder is missing",
        "the VAE is missing: that of Wan 2.1",
    ]
    assert not list((tmp_path / "weights").glob("*"))


def test_a_file_is_what_its_tensors_say(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    """Names say nothing: the VAE is called umt5, and the text encoder vae."""
    files, said = save_as_comfyui(parts, tmp_path / "files"), Said()
    vae, text = files / "vae" / "wan_2.1_vae.safetensors", files / "text_encoders" / "umt5_xxl_fp16.safetensors"
    vae.rename(files / "vae" / "other.safetensors")
    text.rename(vae)
    (files / "vae" / "other.safetensors").rename(text)
    assert import_model(request([files], tmp_path, tokenizer), said).folder.is_dir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda weights: weights.pop("blocks.1.cross_attn.k_img.bias"), "lacks blocks.1.attn2.add_k_proj.bias"),
        (lambda weights: weights.update(strange=weights["head.head.bias"]), "unknown names: strange"),
        (lambda weights: weights.update({"vace_blocks.0.x": weights["head.head.bias"]}), "lacks vace_patch_embedding"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    spoil: Callable[[Parts], object], said: str, parts: Parts, tokenizer: Path, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    files, heard = save_as_comfyui(parts, tmp_path / "files"), Said()
    weights = {name: weight.clone() for name, weight in wans_transformer(parts).items()}
    spoil(weights)
    save_file(
        {name: weight.clone() for name, weight in weights.items()}, files / "diffusion_models/wan2.1_flf2v.safetensors"
    )
    with pytest.raises((InputError, UsageError)) as refused:
        import_model(request([files], tmp_path, tokenizer), heard)
    assert said in "\n".join((*heard.lines, str(refused.value)))


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"patch_embedding.weight": [2, 16, 1, 2, 2], "blocks.0.self_attn.q.weight": [2, 2]}, "lacks proj_out.weight"),
        ({"patch_embedding.weight": [2], "blocks.0.self_attn.q.weight": [2, 2]}, "of other shapes"),
        ({"token_embedding.weight": [2, 2], "blocks.999999999999.attn.q.weight": [2, 2]}, "not UMT5"),
        ({"encoder.conv1.weight": [2, 2]}, "lacks post_quant_conv.weight"),
    ],
)
def test_a_file_with_few_weights_is_refused(weights: dict[str, list[int]], said: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({name: torch.zeros(shape) for name, shape in weights.items()}, tmp_path / "few.safetensors")
    try:
        words = getattr(recognise(open_weights(tmp_path / "few.safetensors")), "words", "")
    except InputError as error:
        words = str(error)
    assert said in words


def test_a_pickled_program_is_not_run(tmp_path: Path, tokenizer: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path(tmp_path / "ran").touch, ()

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"token_embedding.weight": Evil()}))
    with pytest.raises(InputError, match="is not read"):
        import_model(request([tmp_path / "evil.pth"], tmp_path, tokenizer), Said())
    assert not (tmp_path / "ran").exists()


def test_a_model_is_never_overwritten(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    files = save_as_comfyui(parts, tmp_path / "files")
    asked = request([files], tmp_path, tokenizer)
    import_model(asked, Said())
    with pytest.raises(UsageError, match="is there already"):
        import_model(asked, Said())
    assert import_model(replace(asked, name="other"), Said()).folder.name == "other"


BOARD = """
film: {raster: 64x48, deliver: 64x48}
keyframes: {a: {image: a.png}, b: {image: b.png}}
defaults: {render: {frames: 5, flf2v: {model: weights/mine, steps: 2}}}
shots:
  - {from: a, to: b, prompt: the river runs to the sea}
"""


@pytest.fixture
def mine(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The model `weights/mine` of the working folder, imported by the command from ComfyUI's files. Its tokenizer is
    the one in the text encoder's file."""
    monkeypatch.chdir(tmp_path)
    save_as_comfyui(parts, tmp_path / "ComfyUI", tokenizer=spiece(tmp_path))
    assert main(["models", "import", "ComfyUI", "--to", "weights", "--name", "mine"]) == 0
    assert "made mine" in capsys.readouterr().out


@pytest.mark.usefixtures("mine")
def test_a_command_imports_comfyuis_files() -> None:
    assert main(["check", written_film()]) == 0


@pytest.mark.thorough  # test_model_parts renders a film from such files in make test
@pytest.mark.usefixtures("mine")
def test_a_film_is_rendered_from_comfyuis_files() -> None:
    assert main(["render", written_film(), "--outputs", "outputs"]) == 0


def written_film() -> str:
    """The name of a storyboard in the working folder that uses the model."""
    from PIL import Image

    for name, grey in (("a", 90), ("b", 160)):
        Image.new("RGB", (64, 48), (grey, grey, grey)).save(f"{name}.png")
    Path("film.yaml").write_text(BOARD)
    return "film.yaml"
