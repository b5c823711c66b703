from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.media.films import CUT, Shelf, cut_of, film
from tests.media.probing import Chapter, probe
from wan_render.cut import Event
from wan_render.media.chapters import ffmetadata
from wan_render.plan import CardText, PlannedJoint

anything = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)


def shot(name: str, frames: int, joint: PlannedJoint | None = CUT) -> Event:
    return Event(name, CardText(""), 0, frames, joint=joint)


@pytest.fixture
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("film"))


def test_every_shot_has_a_chapter_from_its_first_frame_to_the_next_one(shelf: Shelf) -> None:
    events = [
        Event("", CardText("江河\n与白鸽"), 0, 16, joint=CUT),
        shot("1/010", 24, PlannedJoint("dissolve", 8)),
        shot("一/海", 16),
        Event("", CardText(""), 0, 8),
    ]
    assert probe(film(cut_of(*events, title="江河"), shelf)).chapters == (
        Chapter("江河 与白鸽", Fraction(0), Fraction(1)),
        Chapter("1/010", Fraction(1), Fraction(2)),
        Chapter("一/海", Fraction(2), Fraction(3)),
        Chapter("—", Fraction(3), Fraction(7, 2)),
    )


def test_a_shot_that_is_all_dissolve_still_has_its_chapter(shelf: Shelf) -> None:
    events = [shot("1/010", 16), shot("1/020", 8, PlannedJoint("dissolve", 8)), shot("1/030", 16)]
    assert [chapter.title for chapter in probe(film(cut_of(*events), shelf)).chapters] == ["1/010", "1/020", "1/030"]


def test_a_bridge_belongs_to_the_chapter_of_the_shot_before_it(shelf: Shelf) -> None:
    events = [shot("1/010", 16), shot("1/010+bridge", 8), shot("1/020", 16)]
    chapters = probe(film(cut_of(*events, rate=Fraction(16)), shelf)).chapters
    assert [(each.title, each.start) for each in chapters] == [("1/010", 0), ("1/020", Fraction(24, 16))]


def test_a_thousand_chapters_survive(shelf: Shelf) -> None:
    events = [shot(f"1/{n:04}", 1) for n in range(1000)]
    chapters = probe(film(cut_of(*events, rate=Fraction(24)), shelf)).chapters
    assert [chapter.title for chapter in chapters] == [f"1/{n:04}" for n in range(1000)]
    assert all(abs(chapter.start - Fraction(n, 24)) <= Fraction(1, 1000) for n, chapter in enumerate(chapters))


def test_the_title_is_a_tag_unless_the_tags_have_one(shelf: Shelf) -> None:
    cut = cut_of(shot("1/010", 1), title="江河与白鸽")
    assert probe(film(cut, shelf)).tags["title"] == "江河与白鸽"
    assert probe(film(cut, shelf, {"title": "another"})).tags["title"] == "another"


@given(anything, anything, anything)
@example("[CHAPTER]\nSTART=5", ";FFMETADATA1\n#", "a=b;c#d\\e\r\nf\\")
@example(" leading and trailing ", "\n", "\\")
@example("\\", "C:\\", "ends in \\\\")
@settings(max_examples=25)
def test_any_text_comes_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, name: str, title: str, value: str
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("film"))
    tags = {"wan_render": value, "a=b;c#\\": value}
    facts = probe(film(cut_of(shot(name, 1), title=title), shelf, tags))
    assert [chapter.title for chapter in facts.chapters] == [name]
    assert facts.tags["title"] == title
    assert facts.tags["wan_render"] == value
    assert facts.tags["a=b;c#\\"] == value


def test_nuls_are_removed() -> None:
    assert "a\0b" not in ffmetadata(cut_of(shot("a\0b", 1)), {})
    assert "title=ab\n" in ffmetadata(cut_of(shot("a\0b", 1)), {})
