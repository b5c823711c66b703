"""`film.upscale`: what it may say, when it has no effect, and what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plan.conftest import Mistakes, Plan
from wan_render.cut import assemble
from wan_render.keys import content_key
from wan_render.plan import FilmPlan
from wan_render.wheel_weights import REALESRGAN

SHOTS = "\nkeyframes: keyframes/\nshots: [{from: a, to: b}]\n"


def film(upscale: str, more: str = "") -> str:
    return f"version: 1\nfilm: {{title: Harbour, upscale: {upscale}{more}}}{SHOTS}"


def key(plan: FilmPlan) -> str:
    return content_key("film/2", assemble(plan, {}, {shot.id: "" for shot in plan.shots}))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights with sparse files of the right sizes: planning reads none of them."""
    for file in REALESRGAN.files.values():
        (tmp_path / "realesrgan").mkdir(exist_ok=True)
        with (tmp_path / "realesrgan" / file.name).open("wb") as stream:
            stream.truncate(file.bytes)
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("weights")
def test_each_choice_is_another_film(plan: Plan) -> None:
    ways = ("lanczos", "realesrgan", "{method: realesrgan, weights: photo}", "{method: realesrgan, strength: 0.5}")
    plans = [plan(film(way)) for way in ways]
    assert len({key(each) for each in plans}) == len(ways)
    assert key(plans[0]) == key(plan(f"version: 1\nfilm: {{title: Harbour}}{SHOTS}"))
    assert key(plans[1]) == key(plan(film("{method: Realesrgan, weights: video, strength: 1}")))
    words = [each.upscale.in_words if each.upscale is not None else "" for each in plans]
    assert words == ["", "realesrgan (video)", "realesrgan (photo), strength 0.35", "realesrgan (video), strength 0.5"]
    full = plan(film("{method: realesrgan, weights: photo, strength: 1}")).upscale
    assert full is not None
    assert full.in_words == "realesrgan (photo)"
    assert [each.upscaler.name for each in plans if each.upscaler] == [
        "realesr-animevideov3-x4.bin", "realesrgan-x4plus.bin", "realesr-animevideov3-x4.bin",
    ]  # fmt: skip


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("more", [", deliver: 480p", ", raster: 720p, deliver: 480p", ", fit: contain, deliver: 480p"])
def test_a_film_that_is_no_larger_is_not_upscaled(plan: Plan, more: str) -> None:
    found = plan(film("realesrgan", more))
    assert found.upscale is None
    assert any("which is not much larger: lanczos is used" in warning.found for warning in found.warnings)
    assert plan(film("{method: realesrgan, strength: 0}")).upscale is None


def test_missing_and_incomplete_weights_are_told_with_the_command(mistakes: Mistakes, weights: Path) -> None:
    (weights / "realesrgan" / "realesrgan-x4plus.bin").write_bytes(b"half")
    (told,) = mistakes(film("realesrgan"))
    assert told.startswith("film.yaml:2:")
    assert "realesrgan-x4plus.bin is missing or incomplete; run: wan-render models pull realesrgan" in told


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("realesrgan", "its weights are not on this machine; run: wan-render models pull realesrgan"),
        ("{strength: 0.5}", "names neither a method nor a model"),
        ("{method: lanczos, weights: photo}", "lanczos has no weights"),
        ("{method: realesrgan, model: net.pth}", "both method: realesrgan and a model"),
        ("{model: net.pth, weights: photo}", "a model has its own weights"),
        ("net.pth", ""),
    ],
)
def test_mistakes(
    mistakes: Mistakes, studio: Path, monkeypatch: pytest.MonkeyPatch, written: str, expected: str
) -> None:
    monkeypatch.setenv("WAN_RENDER_WEIGHTS", str(studio / "nothing"))
    (studio / "net.pth").write_bytes(b"\x80\x02 an old pickle")
    (told,) = mistakes(film(written if expected else "{model: net.pth}"))
    assert (expected or "net.pth is no .pth file that can be read safely") in told


def test_a_safetensors_file_is_read_by_its_header(mistakes: Mistakes, plan: Plan, studio: Path) -> None:
    (studio / "net.safetensors").write_bytes(b"{}")
    (told,) = mistakes(film("{model: net.safetensors}"))
    assert "net.safetensors is not a safetensors file" in told
    header = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    (studio / "net.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0")
    found = plan(film("{model: net.safetensors, strength: .5}"))
    assert found.upscale is not None
    assert (found.upscale.method, found.upscale.strength) == ("model", 0.5)
    assert found.upscaler == studio / "net.safetensors"
