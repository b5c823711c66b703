from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wan_render.errors import MachineError
from wan_render.media import fonts
from wan_render.media.fonts import missing_glyphs
from wan_render.media.shaping import width
from wan_render.media.text import fitted, line_height, pieces, wrapped

words = st.text(st.sampled_from("ab cd，。（）江河与白鸽—-\n"), max_size=60)


@pytest.mark.parametrize(
    "written",
    [
        *("江河与白鸽", "Harbour, 2:30 — “fin”", "白い鳩", "비둘기", "Голубь", "περιστέρι", "père", "a\n b\t c", ""),
        *("حمامة", "יונה", "कबूतर", "পায়রা", "புறா", "นกพิราบ", "မြန်မာ", "Հայերեն", "ქართული", "አማርኛ", "Tiếng Việt", "🕊️"),
    ],
)
def test_the_font_draws_these_scripts(written: str) -> None:
    assert missing_glyphs(written) == ()


def test_missing_glyphs_are_named_once_and_in_order() -> None:
    assert missing_glyphs("完 ᏣᎳᎩ བོད Ꭹ x") == ("Ꮳ", "Ꮃ", "Ꭹ", "བ", "ོ", "ད")


def test_joiners_and_selectors_need_no_glyph() -> None:
    assert missing_glyphs("a\u200b\u200d\ufe0f\u2060b\u3000") == ()


def test_a_han_character_is_one_em_wide() -> None:
    assert width("完") == 1
    assert width("江河") == 2
    assert 0.3 < width("a") < 0.8


@pytest.mark.parametrize(
    ("written", "most", "lines"),
    [
        ("the quick brown fox", 5.5, ("the quick", "brown fox")),
        ("江河与白鸽江河与白鸽", 4, ("江河与白", "鸽江河与", "白鸽")),
        ("江河与白，鸽", 4, ("江河与", "白，鸽")),
        ("江河与（白鸽", 4, ("江河与", "（白鸽")),
        ("one\n\ntwo", 10, ("one", "", "two")),
        ("", 10, ("",)),
        ("unbreakable", 2, ("unbreakable",)),
    ],
)
def test_lines_break_where_readers_expect(written: str, most: float, lines: tuple[str, ...]) -> None:
    assert wrapped(written, most) == lines


@given(words)
def test_pieces_are_the_whole_text(written: str) -> None:
    assert "".join(pieces(written)) == written


@given(words, st.floats(1, 30))
def test_no_character_is_lost_in_wrapping(written: str, most: float) -> None:
    assert "".join("".join(wrapped(written, most)).split()) == "".join(written.split())


@given(words, st.integers(40, 400), st.integers(20, 200))
@example(" aaaa————aa", 40, 20)  # an ellipsis is wider than an a
def test_a_fitted_block_fits(written: str, wide: int, high: int) -> None:
    block = fitted(written, wide=wide, high=high, em=24, least=6)
    assert max(map(width, block.lines)) * block.em <= wide + 1e-6
    assert 6 <= block.em <= 24
    if len(block.lines) > 1:
        assert len(block.lines) * block.em * line_height() <= high + 1e-6


def test_a_short_text_keeps_its_size_and_a_long_one_shrinks() -> None:
    assert fitted("完", wide=400, high=100, em=50, least=6).em == 50
    assert fitted("江河与白鸽" * 10, wide=400, high=100, em=50, least=6).em < 30


def test_a_long_word_shrinks_before_it_is_broken() -> None:
    whole = fitted("Donaudampfschifffahrt", wide=400, high=100, em=80, least=6)
    assert whole.lines == ("Donaudampfschifffahrt",)
    broken = fitted("x" * 500, wide=100, high=100, em=20, least=6)
    assert broken.em == 6
    assert len(broken.lines) > 1


def test_text_that_is_too_long_at_the_smallest_size_ends_in_an_ellipsis() -> None:
    block = fitted("word " * 500, wide=100, high=40, em=20, least=6)
    assert block.em == 6
    assert block.lines[-1].endswith("…")
    assert len(block.lines) == 4


def test_a_missing_font_is_an_error_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fonts.base_index()
    monkeypatch.setattr(fonts, "font_file", lambda: tmp_path / "gone.ttc")
    fonts.font.cache_clear()
    for _ in ("its place was known", "it was not"):
        with pytest.raises(MachineError, match=r"gone\.ttc: has no font named Noto Sans CJK SC; reinstall"):
            fonts.font(12)
        fonts.base_index.cache_clear()
    fonts.font.cache_clear()
