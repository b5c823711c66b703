"""`new --from FILE`: what ComfyUI and WanGP wrote becomes a storyboard that can be planned."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.backends.comfyui.fake_nodes import flf_workflow
from wan_render.backends import backend, family_for
from wan_render.cli import main
from wan_render.errors import UsageError
from wan_render.facts import FactCache
from wan_render.other_tools.begun_storyboard import BegunStoryboard, begun_storyboard
from wan_render.plan import FilmPlan, Rendered, make_plan
from wan_render.storyboard import read_storyboard
from wan_render.take import ShotKind, Take

WANGP = {
    "type": "WanGP v9.5 by DeepBeepMeep - Wan2.1 Image2video 720p 14B",
    "prompt": 'a "glass" flower: opens # slowly',
    "negative_prompt": "blurred",
    "resolution": "832x480",
    "video_length": 81,
    "seed": 1234,
    "num_inference_steps": 30,
    "guidance_scale": 5.0,
    "flow_shift": 5.0,
    "model_type": "i2v",
    "model_filename": "https://example.com/wan2.1_image2video_720p_14B_mbf16.safetensors",
    "image_prompt_type": "S",
    "activated_loras": ["https://example.com/steam_train.safetensors"],
    "loras_multipliers": "0.8",
    "sample_solver": "euler",
    "temporal_upsampling": "rife2",
    "tea_cache_setting": 0,
}

Begin = Callable[[Path], tuple[BegunStoryboard, FilmPlan, Take]]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """What a file becomes: its folder, the plan of its storyboard, and the take of its shot."""

    def begun(file: Path) -> tuple[BegunStoryboard, FilmPlan, Take]:
        found, folder = begun_storyboard(file, "Flower"), tmp_path / "film"
        (folder / "keyframes").mkdir(parents=True)
        for name, content in found.files.items():
            (folder / name).write_bytes(content)
        cache = FactCache(tmp_path / "facts")
        models = family_for(backend("wan")).catalogue(cache)
        document = read_storyboard(folder / "storyboard.yaml", models=models, cache=cache)
        plan = make_plan(document, models=models, backend_id="wan/1", cache=cache)
        (shot,) = plan.shots
        assert isinstance(shot.content, Rendered)
        return found, plan, shot.content.takes[0].take

    return begun


def picture(file: Path, size: tuple[int, int] = (832, 480), colour: int = 90, **texts: str) -> Path:
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    pixels = np.full((size[1], size[0], 3), colour, np.uint8)
    pixels[::7] += 40
    Image.fromarray(pixels).save(file, pnginfo=info)
    return file


def video(file: Path, **tags: str) -> Path:
    options = {"movflags": "use_metadata_tags"} if file.suffix == ".mp4" else {}
    with av.open(file, "w", options=options) as container:
        stream = container.add_stream("libx264", rate=16)
        stream.width, stream.height, stream.pix_fmt = 832, 480, "yuv420p"
        container.metadata.update(tags)
        for at in range(5):
            pixels = np.full((480, 832, 3), 60 + 30 * at, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 16)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


def workflow(**changes: Any) -> dict[str, Any]:
    graph = flf_workflow()
    graph["50"]["inputs"].update(width=832, height=480)
    for node, inputs in changes.items():
        graph[node.removeprefix("n")]["inputs"].update(inputs)
    return graph


def test_a_picture_of_comfyui_with_its_pictures_beside_it(begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "input").mkdir()
    for name, colour in (("start.png", 30), ("end.png", 160)):
        picture(tmp_path / "input" / name, colour=colour)
    begun, plan, take = begin(picture(tmp_path / "out.png", prompt=json.dumps(workflow())))
    assert take.kind is ShotKind.FLF2V
    assert plan.models[take.model].name == "wan2.1-flf2v-14b"
    assert (take.prompt, take.negative, take.seed, take.frames) == ("a glass flower", "blurred, ugly", 5, 81)
    assert (take.sampling.steps, take.sampling.guidance, take.sampling.shift) == (20, (4.0,), 8.0)
    assert str(take.size) == "832x480"
    assert "the files wan2.1_flf2v_720p_14B_fp16.safetensors" in " ".join(begun.left_out)
    assert "scheduler simple: the model's own is used" in begun.left_out
    assert json.loads(begun.files["workflow_api.json"]).keys() == flf_workflow().keys()
    text = begun.files["storyboard.yaml"].decode()
    assert "#   model: {comfyui: workflow_api.json, first: 52.image, last: 72.image, prompt: 6.text" in text


def test_a_video_shows_its_own_keyframes(begin: Begin, tmp_path: Path) -> None:
    begun, _, take = begin(video(tmp_path / "out.mp4", prompt=json.dumps(workflow())))
    assert take.kind is ShotKind.FLF2V
    assert "the last picture, end.png, was not found: the video's last frame was taken" in begun.left_out
    with Image.open(tmp_path / "film/keyframes/last.png") as last:
        assert abs(np.asarray(last).mean() - 180) < 3


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.json"])
def test_settings_of_wangp(begin: Begin, tmp_path: Path, name: str) -> None:
    text = json.dumps(WANGP)
    if name.endswith(".json"):
        (tmp_path / name).write_text(text)
    else:
        video(tmp_path / name, comment=text)
    begun, plan, take = begin(tmp_path / name)
    assert (take.prompt, take.negative, take.seed) == ('a "glass" flower: opens # slowly', "blurred", 1234)
    said = " ".join(begun.left_out)
    assert "the LoRA steam_train.safetensors (0.8): put its file into loras/" in said
    assert "sample_solver euler" in said
    assert "temporal_upsampling rife2" in said
    assert "tea_cache" not in said
    if name.endswith(".json"):
        assert take.kind is ShotKind.T2V
        assert "the first picture was not found" in said
    else:
        assert (take.kind, plan.models[take.model].name) == (ShotKind.I2V, "wan2.1-i2v-14b-720p")
        assert take.sampling.steps == 30


@pytest.mark.parametrize("coding", ["utf-16-be", "utf-8"])
def test_settings_of_wangp_in_a_photograph(begin: Begin, tmp_path: Path, coding: str) -> None:
    """The picture itself is the keyframe."""
    exif = Image.Exif()
    text = json.dumps(WANGP | {"prompt": "ein Rêve 梦"}, ensure_ascii=False)
    exif.get_ifd(0x8769)[0x9286] = {"utf-16-be": b"UNICODE\0", "utf-8": b"ASCII\0\0\0"}[coding] + text.encode(coding)
    Image.new("RGB", (832, 480), "navy").save(tmp_path / "a.jpg", exif=exif)
    begun, _, take = begin(tmp_path / "a.jpg")
    assert (take.prompt, take.kind, take.seed) == ("ein Rêve 梦", ShotKind.I2V, 1234)
    assert "the first picture was not found: the file itself was taken" in begun.left_out


def test_a_workflow_of_the_editor(begin: Begin, tmp_path: Path) -> None:
    places = ("positive", "latent_image", "model")
    nodes = [
        {"id": 3, "type": "KSampler", "widgets_values": [77, "randomize", 12, 3.5, "euler", "simple", 1.0],
         "inputs": [{"name": name, "link": at} for at, name in enumerate(places, start=1)]},
        {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["snow falls\nsoftly"], "inputs": []},
        {"id": 5, "type": "EmptyHunyuanLatentVideo", "widgets_values": [832, 480, 33, 1], "inputs": []},
        {"id": 37, "type": "UNETLoader", "widgets_values": ["wan2.1_t2v_14B_fp16.safetensors"], "inputs": []},
        {"id": 90, "type": "LoraLoaderModelOnly", "mode": 4, "widgets_values": ["off.safetensors", 1.0], "inputs": []},
        {"id": 91, "type": "MyUpscaler", "widgets_values": {"x": 1}, "inputs": "strange"},
        "strange",
    ]  # fmt: skip
    links = [[1, 6, 0, 3, 1, "CONDITIONING"], [2, 5, 0, 3, 3, "LATENT"], [3, 37, 0, 3, 0, "MODEL"], [4], None]
    (tmp_path / "workflow.json").write_text(json.dumps({"nodes": nodes, "links": links}))
    begun, plan, take = begin(tmp_path / "workflow.json")
    assert (take.prompt, take.seed, take.frames, take.sampling.steps) == ("snow falls softly", 77, 33, 12)
    assert plan.models[take.model].name == "wan2.1-t2v-14b"
    assert "node 91 (MyUpscaler)" in begun.left_out
    assert not any("off.safetensors" in each for each in begun.left_out)
    assert list(begun.files) == ["storyboard.yaml"]


def test_names_in_metadata_are_no_paths(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    picture(tmp_path / "secret.png")
    for at, name in enumerate(("../secret.png", f"{tmp_path}/secret.png", "..\\secret.png", "..", "a\0.png")):
        graph = workflow(n52={"image": name})
        file = tmp_path / "below" / f"{at}.json"
        file.write_text(json.dumps(graph))
        assert "keyframes/first.png" not in begun_storyboard(file, "x").files


def test_foreign_text_stays_text(begin: Begin, tmp_path: Path) -> None:
    text = 'first: "x"\n- second\x1b[31m\u2028 ' + "long " * 20
    graph = workflow(n6={"text": text}, n3={"sampler_name": "euler\nversion: 2"})
    graph["99"] = {"class_type": "Evil\nshots: []", "inputs": {}}
    (tmp_path / "x.json").write_text(json.dumps(graph))
    _, plan, take = begin(tmp_path / "x.json")
    assert take.prompt.startswith('first: "x" - second')
    assert len(plan.shots) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.json", b"{}", "has no metadata of ComfyUI or WanGP"),
        ("a.json", b"\xff{", "has no metadata"),
        ("a.json", b"[" * 50_000, "has no metadata"),
        ("a.png", b"no picture", "cannot be read"),
        ("a.mp4", b"no video", "cannot be read as a video"),
        ("a.txt", b"", "is no such file; a picture, a video or a JSON file"),
        ("missing.json", None, "does not exist"),
        ("b\0.json", None, "does not exist"),
    ],
)
def test_files_without_metadata(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=words):
        begun_storyboard(tmp_path / name, "x")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UsageError, match="is not a file"):
        begun_storyboard(tmp_path / "pipe.json", "x")


def test_new_says_what_was_not_carried_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, folder = picture(tmp_path / "out.png", prompt=json.dumps(workflow())), tmp_path / "film"
    assert main(["new", str(folder), "--from", str(file)]) == 0
    said = capsys.readouterr()
    assert "not carried over: scheduler simple: the model's own is used\n" in said.err
    assert said.out.startswith(f"{folder}/storyboard.yaml\nnext: ")
    assert sorted(each.name for each in folder.rglob("*.*")) == ["first.png", "storyboard.yaml", "workflow_api.json"]
    assert main(["new", str(folder), "--from", str(file)]) == 2
    assert main(["new", str(tmp_path / "other"), "--from", str(tmp_path / "none.png")]) == 2
    assert not (tmp_path / "other").exists()
