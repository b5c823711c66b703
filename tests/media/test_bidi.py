from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_render.media.bidi import base_level, levels, visual_order

HEBREW = str.maketrans("abcd", "אבגד")  # written with Latin letters here, so that the cases can be read


def seen(text: str) -> str:
    """The characters as they are seen from left to right."""
    found = levels(text)
    return "".join(text[place] for place in visual_order(found))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("abc", "cba"),
        ("ab 12 cd", "dc 12 ba"),
        ("ab CD ab", "ba CD ba"),
        ("AB cd EF", "AB dc EF"),
        ("AB cd 12, ab.", "AB ba ,12 dc."),
        ("cd!", "!dc"),
        ("ab (12), cd", "dc ,)12( ba"),
        ("AB (cd) EF", "AB (dc) EF"),
        ("AB (cd", "AB (dc"),
        ("ab 5%", "5% ba"),
        ("ab -5", "5- ba"),
        ("ab  ", "  ba"),
        ("AB  ", "AB  "),
        ("", ""),
    ],
)
def test_lines_are_seen_in_the_order_of_unicodes_algorithm(written: str, shown: str) -> None:
    assert seen(written.translate(HEBREW)) == shown.translate(HEBREW)


def test_numbers_after_arabic_letters_are_arabic() -> None:
    assert levels("م 5%") == (1, 1, 2, 1)
    assert levels("א 5%") == (1, 1, 2, 2)


def test_the_first_letter_gives_the_direction() -> None:
    assert [base_level(text) for text in ("12 א", "(A א", "א A", "٥ A", "", "\u200f A")] == [1, 0, 1, 0, 0, 1]


@given(st.text(st.sampled_from("abאבم12٤٥ .,-%()[]\u0301\u200f\u202b\n"), max_size=30))
def test_every_character_is_seen_once(text: str) -> None:
    assert sorted(visual_order(levels(text))) == list(range(len(text)))
    assert all(0 <= level <= 2 for level in levels(text))
