"""The font of cards, reduced for a page."""

from __future__ import annotations

import io
import time
from pathlib import Path

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import ImageFont

from wan_render.errors import MachineError
from wan_render.media import fonts, webfont
from wan_render.media.fonts import font
from wan_render.media.webfont import subset


def test_it_has_the_characters_of_the_font_and_draws_them_the_same() -> None:
    small = subset("江河 Aé\U0010ffff")
    assert set(TTFont(io.BytesIO(small)).getBestCmap()) == {ord(character) for character in "江河 Aé"}
    assert len(small) < 10_000
    one, other = (np.array(face.getmask("江河"), int) for face in (font(40), ImageFont.truetype(io.BytesIO(small), 40)))
    assert one.shape == other.shape
    assert abs(one - other).mean() < 30, "6 for the lack of hints; other characters differ by 60"


def test_equal_texts_give_equal_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time does not matter, so the page of an unchanged film does not change."""
    made = []
    for seconds in (0, 2e9):
        monkeypatch.setattr(time, "time", lambda now=seconds: now)
        subset.cache_clear()
        made.append(subset("江河"))
    assert made[0] == made[1]


def test_a_text_without_known_characters_is_allowed() -> None:
    assert TTFont(io.BytesIO(subset("\U0010ffff"))).getBestCmap() in ({}, None)


@pytest.mark.parametrize("content", [None, b"no font"])
def test_without_its_font_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    file = tmp_path / "gone.ttc"
    if content is not None:
        file.write_bytes(content)
    fonts.base_index()
    for module in (fonts, webfont):
        monkeypatch.setattr(module, "font_file", lambda: file)
    subset.cache_clear()
    for _ in ("its place was known", "it was not"):
        with pytest.raises(MachineError, match=r"gone\.ttc: has no font named Noto Sans CJK SC; reinstall"):
            subset("江")
        fonts.base_index.cache_clear()
