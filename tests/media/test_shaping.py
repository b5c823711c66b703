from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from wan_render.errors import MachineError
from wan_render.media import fonts
from wan_render.media.fonts import FAMILY, han_family, machine_faces, missing_glyphs
from wan_render.media.shaping import TextRun, clusters, faces_of, is_plain, runs_of, width
from wan_render.media.text import pieces, wrapped


def families(line: str) -> list[tuple[str, str]]:
    return [(run.text, run.face.family if run.face else "") for run in runs_of(line)]


def test_what_the_base_font_draws_is_one_run() -> None:
    assert runs_of("江河 and “白鸽”, père") == (TextRun("江河 and “白鸽”, père", None),)
    assert is_plain("江河\nHarbour")
    assert not is_plain("江河\nनदी")


def test_a_letter_and_its_marks_may_be_one_glyph() -> None:
    assert runs_of("scho\u0308n") == (TextRun("scho\u0308n", None),)
    assert missing_glyphs("scho\u0308n") == ()


def test_every_script_has_its_font_and_signs_follow_their_letters() -> None:
    assert families("नदी, on 江") == [("नदी, ", "Noto Sans Devanagari"), ("on 江", "")]
    assert families("“नदी”") == [("“नदी”", "Noto Sans Devanagari")]
    assert families("完 😀 x") == [("完 ", ""), ("😀", "Noto Emoji"), (" x", "")]


def test_runs_come_in_the_order_in_which_they_are_seen() -> None:
    assert [run.text for run in runs_of("שלום Hello עולם")] == ["עולם", " ", "Hello", "שלום "]
    assert [run.is_right_to_left for run in runs_of("שלום Hello עולם")] == [True, True, False, True]


def test_widths_are_those_of_shaped_letters() -> None:
    """Arabic letters join and Devanagari letters combine, so a word is narrower than its letters."""
    for word in ("سلام", "क्षत्रिय"):
        assert width(word) < 0.9 * sum(map(width, word))


def test_a_cluster_is_never_broken() -> None:
    assert clusters("क्षत्रिय") == ("क्ष", "त्रि", "य")
    assert clusters("👨‍👩‍👧🇫🇷🇩🇪👍🏽e\u0301") == ("👨‍👩‍👧", "🇫🇷", "🇩🇪", "👍🏽", "e\u0301")
    assert pieces("👨‍👩‍👧🇫🇷") == ["👨‍👩‍👧", "🇫🇷"]


def test_broken_lines_keep_the_direction_of_their_paragraph() -> None:
    first, second = wrapped("مرحبا Hello", width("مرحبا "))
    assert (first, second) == ("مرحبا", "\u200fHello")
    assert wrapped("Hello مرحبا", width("مرحبا ")) == ("Hello", "\u200eمرحبا")


@pytest.mark.parametrize(
    ("written", "most", "lines"),
    [
        ("ちょっとデータ", 5, ("ちょっと", "データ")),
        ("人々のコーヒー", 3, ("人々の", "コー", "ヒー")),
        ("「きゃっ」と", 4, ("「きゃっ」", "と")),
        ("한국어 자막은 줄을", 4.5, ("한국어", "자막은", "줄을")),
        ("10\u00a0km away", 3, ("10\u00a0km", "away")),
        ("ภาพ\u200bยนตร์", 2.2, ("ภาพ\u200b", "ยนตร์")),
    ],
)
def test_lines_break_as_each_script_does(written: str, most: float, lines: tuple[str, ...]) -> None:
    assert wrapped(written, most) == lines


def test_han_shapes_follow_the_language() -> None:
    found = [han_family(tag) for tag in ("", "zh", "zh-Hant", "zh-TW", "ja", "ja-JP", "ko", "de", "jam")]
    shapes = ["SC", "SC", "TC", "TC", "JP", "JP", "KR", "SC", "SC"]
    assert found == [f"Noto Sans CJK {shape}" for shape in shapes]
    assert found[0] == FAMILY


def forget_fonts() -> None:
    for cached in (fonts.machine_faces, fonts.further_faces, fonts.further_face, runs_of):
        cached.cache_clear()


@pytest.fixture
def machine_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is the machine's, with a font that has the Cherokee letter Ꮳ."""
    (source,) = faces_of("א")
    font = TTFont(source.file)
    for table in font["cmap"].tables:
        table.cmap = {ord("Ꮳ"): font.getBestCmap()[ord("א")], 0x20: "space"}
    font["name"].setName("Tsalagi", 1, 3, 1, 0x409)
    font.save(tmp_path / "tsalagi.ttf")
    monkeypatch.setenv("WAN_RENDER_FONTS", str(tmp_path))
    forget_fonts()
    yield tmp_path
    forget_fonts()


def test_the_machines_fonts_draw_what_the_others_lack(machine_folder: Path) -> None:
    (cherokee,) = faces_of("Ꮳ")
    assert (cherokee.family, cherokee.file.parent) == ("Tsalagi", machine_folder)
    assert missing_glyphs("ᏣᎩ") == ("Ꭹ",)
    assert families("נה Ꮳ") == [("Ꮳ", "Tsalagi"), ("נה ", "Noto Sans Hebrew Light")]


def test_damaged_font_files_are_skipped_with_a_warning(machine_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = (machine_folder / "tsalagi.ttf").read_bytes()
    (machine_folder / "cut.ttf").write_bytes(whole[: len(whole) // 2])
    (machine_folder / "text.otf").write_text("no font")
    (machine_folder / "notes.txt").write_text("ignored")
    assert [face.family for face in machine_faces()] == ["Tsalagi"]
    assert [name for name in ("cut.ttf", "text.otf", "notes.txt") if name in caplog.text] == ["cut.ttf", "text.otf"]


def test_a_folder_of_fonts_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_FONTS", str(tmp_path / "gone"))
    forget_fonts()
    with pytest.raises(MachineError, match=r"WAN_RENDER_FONTS: .*gone: No such file"):
        missing_glyphs("Ꮳ")
    forget_fonts()
