"""`model:` as a file, a map of parts, a folder in another layout, and the name of an imported model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.backends.wan.other_layouts import build, save_as_comfyui, spiece, wans_transformer
from wan_render.cli import main
from wan_render.media.clip import read_frames
from wan_render.settings import machine_settings

pytestmark = pytest.mark.wan

BOARD = """
film: {{raster: 64x48, deliver: 64x48}}
keyframes: {{a: {{image: a.png}}, b: {{image: b.png}}}}
defaults: {{render: {{frames: 5}}}}
shots:
{shots}
"""
PARTS = (
    "{transformer: c/diffusion_models/wan2.1_flf2v.safetensors, vae: c/vae/wan_2.1_vae.safetensors, "
    "text_encoder: c/text_encoders/umt5_xxl_fp16.safetensors, image_encoder: c/clip_vision/clip_vision_h.safetensors}"
)
PLAIN = "c/diffusion_models/wan2.1_flf2v.safetensors"


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model in ComfyUI's layout, and an I2V transformer in `i2v/`."""
    from safetensors.torch import save_file

    home = tmp_path_factory.mktemp("comfyui")
    parts = build()
    save_as_comfyui(parts, home / "c", tokenizer=spiece(home))
    single = {name: each.clone() for name, each in wans_transformer(parts).items() if name != "img_emb.emb_pos"}
    (home / "i2v").mkdir()
    save_file(single, home / "i2v" / "single.safetensors")
    return home


@pytest.fixture
def film(comfyui: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a storyboard beside links to the files; the folder of weights is empty."""
    from PIL import Image

    home = tmp_path / "film"
    home.mkdir()
    for name in ("c", "i2v"):
        (home / name).mkdir()
        for file in (comfyui / name).rglob("*.safetensors"):
            target = home / file.relative_to(comfyui)
            target.parent.mkdir(exist_ok=True)
            target.hardlink_to(file)
    for name, grey in (("a", 90), ("b", 160)):
        Image.new("RGB", (64, 48), (grey, grey, grey)).save(home / f"{name}.png")
    monkeypatch.chdir(home)
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path / "weights"))
    return home


def write(home: Path, *models: str, kind: str = "flf2v", also: str = "steps: 2") -> str:
    """A storyboard with a shot for each model."""
    to = ", to: b" if kind == "flf2v" else ""
    shots = [
        f"  - {{from: a{to}, prompt: the river runs, render: {{{kind}: {{model: {each}, {also}}}}}}}" for each in models
    ]
    (home / "film.yaml").write_text(BOARD.format(shots="\n".join(shots)))
    return "film.yaml"


def test_a_film_of_one_model_named_in_four_ways(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The frames are equal to the last bit. The weights are converted once, and found again wherever they are."""
    board = write(film, PARTS)
    assert main(["plan", board]) == 0
    assert "is converted before its first take" in capsys.readouterr().out
    assert main(["render", board, "--outputs", "outputs"]) == 0
    assert "converting transformer from wan2.1_flf2v.safetensors" in capsys.readouterr().err
    (made,) = (folder for folder in machine_settings().weights.iterdir() if folder.is_dir())
    assert main(["models"]) == 0
    assert f"{made.name} flf2v; imported, with the numbers of wan2.1-flf2v-14b" in capsys.readouterr().out
    assert main(["check", write(film, made.name[:-1])]) == 2
    assert f"did you mean '{made.name}'?" in capsys.readouterr().err
    (film / "c" / "vae").rename(film / "c" / "moved")
    board = write(film, PARTS.replace("c/vae/", "c/moved/"), "c", PLAIN, made.name, str(made))
    assert main(["render", board, "--outputs", "outputs"]) == 0
    said = capsys.readouterr()
    assert main(["plan", board, "--outputs", "outputs"]) == 0
    assert "is converted before" not in capsys.readouterr().out, said
    takes = sorted((film / "outputs" / "takes").glob("*/clip.mkv"))
    first, *others = (np.stack([*read_frames(take, 0, 5)]) for take in takes)
    assert len(others) == 2  # of the named parts, of those with borrowed ones, and of the folder
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (f"{{name: c, transformer: {PLAIN}}}", "model.transformer: 'transformer' with 'name'"),
        (f"{{transformer: {PLAIN}, high: {PLAIN}}}", "model.high: 'high' with 'transformer'"),
        (f"{{high: {PLAIN}}}", "model: 'low' is missing"),
        ("{vae: c/vae/wan_2.1_vae.safetensors}", "a map of parts without a transformer"),
        (
            "{transformer: c/vae/wan_2.1_vae.safetensors}",
            "transformer: c/vae/wan_2.1_vae.safetensors is a VAE of Wan 2.1",
        ),
        (PLAIN, "the text encoder is missing"),
        (f"{{name: {PLAIN}, like: wan2.1-flf2w-14b}}", "did you mean 'wan2.1-flf2v-14b'?"),
        ("{name: wan2.1-flf2v-14b, like: wan2.1-flf2v-14b}", "no such file or folder"),
        ("nothing", "no model is named 'nothing'"),
        ("./nothing", "'./nothing' does not exist"),
    ],
)
def test_mistakes_are_told_by_check(film: Path, model: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", write(film, model)]) == 2
    assert said in capsys.readouterr().err


def test_a_distilled_model_needs_no_lora_for_a_draft(film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = PARTS.replace(PLAIN, "i2v/single.safetensors").replace("}", ", like: wan2.1-i2v-14b-480p-4step}")
    board = write(film, model, kind="i2v", also="steps: 8")
    assert main(["check", board]) == 2
    assert "was distilled for 4 steps; allowed: 1 to 4" in capsys.readouterr().err
    board = write(film, model, kind="i2v", also="steps: 3")
    assert main(["render", "--draft", board, "--outputs", "outputs"]) == 0
    plain = write(film, model.replace("-4step", ""), kind="i2v", also="steps: 3")
    assert main(["plan", "--draft", plain, "--outputs", "outputs"]) == 0
    assert "lightx2v" in capsys.readouterr().out
    assert main(["render", "--draft", plain, "--outputs", "outputs"]) == 3
    assert "lightx2v" in capsys.readouterr().err
