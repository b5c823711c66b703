"""One parser for each type of scalar: what it reads, what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from tests.storyboard.conftest import Read
from wan_render.authored import Circle, Time, Transition, slug_of
from wan_render.authored.amounts import read_gain, read_part, whole
from wan_render.authored.dimensions import read_aspect
from wan_render.authored.spelling import Misspelt
from wan_render.authored.times import read_circle, read_time, read_transition
from wan_render.authored.words import read_id, read_slug
from wan_render.errors import StoryboardError
from wan_render.take import Size

HALF = Time(seconds=Fraction(1, 2))


@pytest.mark.parametrize(
    ("text", "seconds", "frames"),
    [
        ("5s", 5, 0), ("5.0", 5, 0), ("5", 5, 0), ("2.5 s", Fraction(5, 2), 0), (".5", Fraction(1, 2), 0),
        ("0.1s", Fraction(1, 10), 0), ("-1.5s", Fraction(-3, 2), 0), ("+2s", 2, 0), ("5S", 5, 0), ("81f", 0, 81),
        ("-8f", 0, -8), ("00:00:05:00", 5, 0), ("01:02:03:12", 3723, 12), ("-00:00:01:02", -1, -2), ("86400", 86400, 0),
    ],
)  # fmt: skip
def test_a_time_reads_exactly(text: str, seconds: int | Fraction, frames: int) -> None:
    assert read_time(text) == Time(seconds=Fraction(seconds), frames=frames, is_timecode=text.count(":") == 3)


REFUSED: list[tuple[Callable[[str], Any], tuple[str, ...]]] = [
    (
        read_time,
        ("", "5:00", "5m", "1e3", "nan", "inf", "5s5", "00:00:61:00", "00:00:00:50", "86401", "٥s", "5s\n", "1_0"),
    ),
    (read_aspect, ("0", "16:0", "-1", "0:9", "99", "1:99", "nan", "16x9")),
    (read_circle, ("0", "-1", "1.0", "2@", "2@7f3a9", "2@zzzzzz", "two", "2 @7f3a91")),
    (read_gain, ("dB", "loud", "nan", "-121dB", "41", "- 3dB")),
    (read_part, ("-0.1", "1.1", "nan", "50%", "1/2")),
    (read_id, ("", ".", "..", "a/b", "a b", "a,b", "a\u200bb", "x" * 49)),
    (read_slug, ("", "-a", ".a", "a/b", "a b", "x" * 121)),
    (read_transition, ("", "wipe", "dissolve", "dissolve 8", "fade 0f", "fade -1s", "cut 8f", "dissolve 8f 9f")),
    (whole(1, 999).parse, ("", "0", "1000", "1.0", "1e2", "0x10", "no", "١", "9" * 30)),
]


@pytest.mark.parametrize(("parse", "text"), [(parse, text) for parse, texts in REFUSED for text in texts])
def test_what_is_no_value_is_refused(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(Misspelt) as caught:
        parse(text)
    assert caught.value.allowed.startswith("allowed")


@pytest.mark.parametrize(
    ("text", "joint"),
    [
        ("cut", Transition(kind="cut")),
        ("Continuous", Transition(kind="continuous")),
        ("dissolve 8f", Transition(kind="dissolve", length=Time(frames=8))),
        ("fade  0.5s", Transition(kind="fade", length=HALF)),
        ("DISSOLVE 00:00:01:00", Transition(kind="dissolve", length=Time(seconds=Fraction(1), is_timecode=True))),
    ],
)
def test_a_transition_reads(text: str, joint: Transition) -> None:
    assert read_transition(text) == joint


def test_other_scalars_read() -> None:
    assert read_circle("2") == Circle(take=2)
    assert read_circle("12@7F3A91") == Circle(take=12, pin="7f3a91")
    assert read_aspect("2.39") == read_aspect("2.39:1") == Fraction(239, 100)
    assert read_aspect("16:9") == read_aspect("1920/1080") == Fraction(16, 9)
    assert read_gain("-18dB") == read_gain("-18 db") == read_gain("-18") == -18.0
    assert read_part("0.1") == Fraction(1, 10)
    assert whole(1, 999).parse("010") == 10
    assert read_id("e\u0301") == read_id("\u00e9")


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("江河与白鸽", "江河与白鸽"), ("The Harbour, at Dawn!", "the-harbour-at-dawn"), ("हिन्दी फ़िल्म", "हिन्दी-फ़िल्म"),
        ("  a//b..c ", "a-b-c"), ("Ｗｉｄｅ", "wide"), ("…", ""), ("", ""), ("Ünï", "ünï"),
    ],
)  # fmt: skip
def test_a_slug_keeps_letters_of_any_script(title: str, slug: str) -> None:
    import unicodedata

    assert slug_of(title) == unicodedata.normalize("NFKC", slug)


def test_a_slug_fits_a_file_name_in_any_script() -> None:
    slug = slug_of("长" * 300)
    assert slug == "长" * 40
    assert len(f"{slug}_sc{'景' * 16}_sh{'镜' * 16}_t9999.mkv".encode()) < 255


def test_sizes_name_the_nearest_legal_one(read: Any) -> None:
    text = "film: {raster: 64 X 48, deliver: 1280×536}\nshots: [{action: x}]\n"
    film = read(text).storyboard.film
    assert (film.raster, film.deliver) == (Size(64, 48), Size(1280, 536))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("film: {title: T}\nshots: [{from: dawn}]\n", "film.title: 201 characters; allowed: at most 200"),
        ("scenes: [{slugline: T, shots: [{from: dawn}]}]\n", "slugline: 201 characters; allowed: at most 200"),
        ("shots: [{card: C}]\n", "card: 2,001 characters; allowed: at most 2,000 characters on a card"),
        ("titles: {open: C}\nshots: [{from: dawn}]\n", "titles.open[0].text: 2,001 characters; allowed"),
    ],
)
def test_titles_and_cards_are_not_endless(read: Read, text: str, words: str) -> None:
    def written(more: int) -> str:
        filled = text.replace("T", "x" * (200 + more)).replace("C", "漢" * (2000 + more))
        return "keyframes: keyframes/\n" + filled

    assert read(written(0))
    with pytest.raises(StoryboardError) as caught:
        read(written(1))
    (problem,) = caught.value.problems
    assert words in str(problem)
