from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from tests.media.films import CUT, Shelf, cut_of, film, luma
from tests.media.pictures import SMALL
from wan_render.cut import Event, SlateSource
from wan_render.keys import content_key
from wan_render.media.fonts import font_file
from wan_render.media.lettering import LINE_BREAKS, boundary, lettering_marks, script
from wan_render.media.shaping import faces_of, width
from wan_render.plan import CardText, PlannedJoint
from wan_render.take import Size

RATES = [Fraction(16), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30), Fraction(48)]
LARGE = Size(640, 480)
WIDE = Size(1920, 480)


def card(text: str, frames: int = 1, joint: PlannedJoint | None = None) -> Event:
    return Event("", CardText(text), 0, frames, joint=joint)


def drawn(folder: Path, text: str, delivery: Size = LARGE) -> NDArray[np.uint8]:
    """A card's picture: luma, black 16."""
    shelf = Shelf(folder)
    (picture,) = luma(film(cut_of(card(text), delivery=delivery), shelf))
    return picture


def extent(picture: NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height of the drawn part."""
    rows, columns = (picture > 60).nonzero()
    return int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1


# When


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_a_boundary_is_between_its_frames_even_after_hours(rate: Fraction) -> None:
    for frame in range(1, 300_000, 97):
        before, at = int(float((frame - 1) / rate) * 1000), int(float(frame / rate) * 1000)  # as libass reads them
        assert before < boundary(frame, rate) <= at
        assert boundary(frame, rate) % 10 == 0


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_labels_change_on_the_exact_frame(tmp_path: Path, rate: Fraction) -> None:
    shelf = Shelf(tmp_path)
    source = shelf.levels("a", [0] * 7)
    lengths = [(n * 5) % 7 + 1 for n in range(70)]
    events = [
        Event(f"1/{n}", source, 0, length, joint=CUT, preview="animatic" if n % 2 else "")
        for n, length in enumerate(lengths)
    ]
    pictures = luma(film(cut_of(*events, rate=rate, delivery=Size(160, 120)), shelf))
    seen = [bool((picture[:40] > 100).any()) for picture in pictures]
    assert seen == [bool(n % 2) for n, length in enumerate(lengths) for _ in range(length)]


def test_a_thousand_shots_have_a_thousand_labels_and_are_written_quickly() -> None:
    events = [
        Event(
            f"1/{n:04}", SlateSource(f"1/{n:04}", "none"), 0, 20, joint=PlannedJoint("dissolve", 2), preview="animatic"
        )
        for n in range(1000)
    ]
    written = script(cut_of(*events))
    assert written is not None
    assert len(set(re.findall(r"ANIMATIC  1/\d{4}", written))) == 1000


def test_the_label_changes_in_the_middle_of_a_dissolve(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    source = shelf.levels("a", [0] * 9)
    events = [
        Event("1/010", source, 0, 9, joint=PlannedJoint("dissolve", 5), preview="animatic"),
        Event("1/020", source, 0, 9),
    ]
    pictures = luma(film(cut_of(*events, delivery=Size(160, 120)), shelf))
    assert [bool((picture[:40] > 100).any()) for picture in pictures] == [True] * 6 + [False] * 7


def test_a_card_dissolves_and_fades_with_its_picture(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    events = [card("完", 4, PlannedJoint("dissolve", 3)), card("", 6, PlannedJoint("fade", 4)), card("完", 4)]
    pictures = list(luma(film(cut_of(*events, delivery=LARGE, fades=(2, 0)), shelf)))
    peaks = [(int(picture.max()) - 16) / 219 * 255 / 235 for picture in pictures]
    expected = [0, 0.5 * 0.75, 0.5, 0.25, 0, 0, 0, 0, 0.5, 1, 1]
    assert peaks == pytest.approx(expected, abs=0.08)  # x264 overshoots at thin strokes


# What


def test_a_film_without_text_has_no_script() -> None:
    assert script(cut_of(card(""), Event("1/010", CardText(""), 0, 1))) is None


@pytest.mark.parametrize(
    "text",
    [
        "江河与白鸽",
        r"a\Nb\nc\hd",
        r"{\an7\fs99}x{y}",
        r"{}\{}\\",
        r"C:\new folder\n",
        "100% 'quoted' \"text\", a;b:c=[d]#",
        "\\",
        "{\\p1}m 0 0 l 100 0 100 100 0 100{\\p0}",
        "الحمامة البيضاء (2024)!",
        "नदी और कबूतर: क्षत्रिय",
        "שלום Hello עולם (2024), זה טוב!",
        "完 สวัสดี 😀 {نهر} \\N",
    ],
)
def test_a_card_shows_its_text_literally(tmp_path: Path, text: str) -> None:
    """The width is that of its characters: libass reads no escape, and measures as we do."""
    em = 0.085 * WIDE.height
    seen, _ = extent(drawn(tmp_path, text, WIDE))
    assert seen == pytest.approx(width(text) * em, abs=0.35 * em)


def test_line_ends_are_lines(tmp_path: Path) -> None:
    one, two, gap = (extent(drawn(tmp_path, text))[1] for text in ("完", "完\n完", "完\n\n完"))
    em = 0.085 * LARGE.height
    assert two - one == pytest.approx(1.448 * em, abs=2)
    assert gap - one == pytest.approx(2 * 1.448 * em, abs=2)


def test_a_card_is_centred_and_stays_inside_the_picture(tmp_path: Path) -> None:
    for text in ("完", "江河与白鸽" * 30, "word " * 80, "x" * 400):
        rows, columns = (drawn(tmp_path, text) > 60).nonzero()
        assert (columns.min() + columns.max()) / 2 == pytest.approx(LARGE.width / 2, abs=LARGE.width * 0.05)
        assert columns.min() >= LARGE.width * 0.08
        assert columns.max() <= LARGE.width * 0.92
        assert rows.min() >= LARGE.height * 0.1
        assert rows.max() <= LARGE.height * 0.9


@pytest.mark.skipif(not features.check("raqm"), reason="Pillow has no libraqm here")
@pytest.mark.parametrize("text", ["سلام 2024 نهر", "٢٠٢٤ سلام، نهر", "क्षत्रिय स्त्री ज्ञान"])
def test_scripts_are_shaped_and_ordered_as_by_raqm(tmp_path: Path, text: str) -> None:
    """Pillow lays the whole line out by itself, with libraqm and FriBidi. A wrong order or form is far below."""
    (face,) = faces_of(text)
    drawn_alone = ImageFont.truetype(str(face.file), round(0.085 * LARGE.height))
    assert _likeness(drawn(tmp_path, text), drawn_alone, text) > 0.85


def test_a_space_between_directions_is_kept(tmp_path: Path) -> None:
    """It begins the run at the left end of the line, where libass drops spaces."""
    apart, together = (extent(drawn(tmp_path, text))[0] for text in ("2024 سلام", "2024سلام"))
    assert apart - together == pytest.approx(width(" ") * 0.085 * LARGE.height, abs=3)


@pytest.mark.parametrize("text", ["سلام\nنهر", "नदी\nनदी", "మరియు\nమరియు", "မြန်မာ\nမြန်မာ", "完\nسلام"])
def test_lines_of_other_fonts_are_close_but_apart(tmp_path: Path, text: str) -> None:
    rows = (drawn(tmp_path, text) > 60).any(axis=1)
    blocks = np.flatnonzero(np.diff(np.concatenate(([0], rows.astype(int), [0])))).reshape(-1, 2)
    gap = max(start - end for (_, end), (start, _) in pairwise(blocks))
    em = 0.085 * LARGE.height
    assert 0.1 * em <= gap <= 1.1 * em
    assert (blocks[0, 0] + blocks[-1, 1]) / 2 == pytest.approx(LARGE.height / 2, abs=0.4 * em)


def test_texts_of_the_base_font_are_written_as_before() -> None:
    """So that films without other scripts keep their bytes."""
    texts = (
        "江河与白鸽，一只白鸽飞过湖面。" * 3,
        "It was the best of times, it was the worst",
        "père\n\n“fin”",
        "x" * 400,
    )
    slate = Event("1/010", SlateSource("1/010", "word " * 80), 0, 2, preview="animatic")
    written = script(cut_of(*[card(text, 2, CUT) for text in texts], slate, delivery=LARGE))
    assert written is not None
    lines = "\n".join(line for line in written.splitlines() if line.startswith("Dialogue"))
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == "056ba3c504a5c0e4"


@pytest.mark.parametrize(("language", "shapes"), [("", "SC"), ("ja", "JP"), ("zh-Hant", "TC")])
def test_han_shapes_are_those_of_the_films_language(tmp_path: Path, language: str, shapes: str) -> None:
    cut = replace(cut_of(card("门骨直遗令"), delivery=LARGE), language=language)
    (picture,) = luma(film(cut, Shelf(tmp_path)))
    likeness = {
        name: _likeness(
            picture, ImageFont.truetype(font_file(), round(0.085 * LARGE.height), index=index), "门骨直遗令"
        )
        for index, name in ((0, "JP"), (2, "SC"), (3, "TC"))
    }
    assert max(likeness, key=lambda name: likeness[name]) == shapes


def test_what_other_fonts_draw_is_in_the_key_of_a_film() -> None:
    assert lettering_marks(cut_of(card("江河 Harbour"))) == ()
    assert lettering_marks(cut_of(card("ちょっと 한국어"))) == (LINE_BREAKS,)
    (mark,) = lettering_marks(cut_of(card("سلام\n江河")))
    assert re.fullmatch(r"Noto Sans Arabic [0-9a-f]{12}", mark)
    keys = [
        content_key("film/2", cut_of(card("x")) if not marks else replace(cut_of(card("x")), lettering=marks))
        for marks in ((), ("A 1",), ("A 2",))
    ]
    assert len(set(keys)) == 3


def _likeness(picture: NDArray[np.uint8], face: ImageFont.FreeTypeFont, text: str) -> float:
    """The best correlation of a picture with a text drawn by Pillow, near the same place."""
    canvas = Image.new("L", (picture.shape[1], picture.shape[0]))
    ImageDraw.Draw(canvas).text((picture.shape[1] / 2, picture.shape[0] / 2), text, font=face, fill=235, anchor="mm")
    middle = slice(picture.shape[0] // 2 - 40, picture.shape[0] // 2 + 40)
    mine, theirs = picture.astype(float)[middle] - 16, np.asarray(canvas, float)[middle]
    shifts = [(dy, dx) for dy in range(-8, 9) for dx in range(-4, 5)]
    return max(float(np.corrcoef(mine.ravel(), np.roll(theirs, s, (0, 1)).ravel())[0, 1]) for s in shifts)


def test_a_slate_shows_its_name_large_and_its_reason_below(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    event = Event("1/020", SlateSource("1/020", "LoRA 还不能渲染: " + "原因。" * 40), 0, 1)
    (picture,) = luma(film(cut_of(event, delivery=LARGE), shelf))
    text = np.asarray((picture > 130).any(axis=1))
    name, reason = text[: round(LARGE.height * 0.45)], text[round(LARGE.height * 0.47) :]
    assert name.sum() > 0.08 * LARGE.height
    assert reason.sum() > 0.04 * LARGE.height
    assert not text[-10:].any()


def test_an_upright_film_has_the_same_text_within_its_sides(tmp_path: Path) -> None:
    picture = drawn(tmp_path, "江河与白鸽，一只白鸽飞过湖面。", Size(270, 480))
    _, columns = (picture > 60).nonzero()
    assert 20 < columns.min() < columns.max() < 250


# Anything at all

anything = st.text(st.characters(codec="utf-8"), max_size=80)


@given(st.lists(anything, min_size=1, max_size=4), anything)
@settings(max_examples=150)
def test_no_text_adds_a_line_of_its_own_to_the_script(texts: list[str], name: str) -> None:
    events = [card(text, 2, CUT) for text in texts]
    slate = Event(name, SlateSource(name, texts[0]), 0, 2, preview="animatic")
    written = script(cut_of(*events, slate))
    assert written is not None
    parsed = pysubs2.SSAFile.from_string(written, format_="ass")
    assert len(parsed.events) == written.count("\nDialogue: ")
    assert len({(event.start, event.style) for event in parsed.events}) == sum(bool(text) for text in texts) + 2
    assert {event.style for event in parsed.events} == {"text", "label"}
    assert written.count("\n[") == 2


@given(st.lists(anything, min_size=1, max_size=20))
@settings(max_examples=5)
def test_libass_survives_any_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("film"))
    file = film(cut_of(*[card(text, 1, CUT) for text in texts], delivery=SMALL), shelf)
    assert len(list(luma(file))) == len(texts)
