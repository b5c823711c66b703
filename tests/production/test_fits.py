"""Keyframes with another shape than the film: fitted, and shown for review with the cropped part."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.production.solid import CPU
from tests.production.storyboards import ANIMATIC, Stage, take_of
from tests.reference import produce
from wan_render.store import Store

SHOTS = "shots: [{from: a, to: tall}, {still: tall, duration: 1s}]"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage.made(tmp_path)
    pixels = np.random.default_rng(9).integers(100, 256, (192, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stage.folder / "keyframes" / "tall.png")
    return stage


def keyframes(maps: str) -> str:
    return f"keyframes: {{a: keyframes/a.png, tall: {maps}}}"


def test_what_is_cropped_is_shown_for_review(stage: Stage, tmp_path: Path) -> None:
    """On the page, for takes and stills, with the cropped share and the kept part outlined."""
    store = Store(tmp_path / "outputs")
    plan = stage.plan(SHOTS, keyframes=keyframes("{image: keyframes/tall.png, focus: [0.5, 0]}"))
    version = produce(plan, ANIMATIC, store, CPU)
    page = version.page.read_text(encoding="utf-8")
    shown = re.findall(r'<figure><img src="([^"]+)"[^>]*><figcaption[^>]*>tall <span class="cropped">81% cropped', page)
    assert len(shown) == 2
    with Image.open(version.folder / shown[0]) as image:
        levels = np.asarray(image.convert("L"), float).mean(axis=1)
    assert len(levels) > 2.9 * image.width, "the whole picture"
    kept = len(levels) * 36 // 192
    assert levels[5 : kept - 5].min() > 2 * levels[kept + 5 :].max(), "what is kept at the top, the rest darkened"


@pytest.mark.parametrize("fit", ["contain", "blur"])
def test_a_take_begins_on_its_whole_keyframe(stage: Stage, tmp_path: Path, fit: str) -> None:
    """The plate next to the take is the fitted picture. Another fit is another take, and `plan` says why."""
    store = Store(tmp_path / "outputs")
    plan = stage.plan(SHOTS, keyframes=keyframes(f"{{image: keyframes/tall.png, fit: {fit}}}"))
    version = produce(plan, ANIMATIC, store, CPU)
    clip = store.verify(take_of(plan, "1/010").key)
    assert clip is not None
    assert clip.last is not None
    with Image.open(clip.last) as image:
        plate = np.asarray(image)
    assert plate[:, 26:38].min() > 90, "12 of 64 columns are the picture"
    assert bool(plate[:, :20].any()) is (fit == "blur")
    assert "cropped" not in re.sub(r"<style>.*?</style>", "", version.page.read_text(encoding="utf-8"), flags=re.DOTALL)
    record = json.loads(clip.sidecar.read_text(encoding="utf-8"))
    assert record["take"]["last"]["fit"] == fit
    assert "fit" not in record["take"]["first"], "what covers has the key that it had"
