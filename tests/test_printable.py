"""The one place that makes foreign text printable."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import wan_render
from wan_render.errors import Problem
from wan_render.printable import LONGEST_PART, PrintableStream, logger, one_line, printable, shown

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Lone surrogates too."""

JOIN, APART, BREAK = "\u200d", "\u200c", "\u200b"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("\x1b]0;owned\x07", "\\u001b]0;owned\\u0007"),
        ("a\x9b31m", "a\\u009b31m"),
        ("take\rfilm: ok", "take\\rfilm: ok"),
        ("photo\u202egpj.exe", "photo\\u202egpj.exe"),
        ("\u2066a\u2069 \u200f \u061c", "\\u2066a\\u2069 \\u200f \\u061c"),
        ("a\u2028b\u2029c\u0085", "a\\u2028b\\u2029c\\u0085"),
        ("a\u200bb\ufeff\u2060\u00ad", "a\\u200bb\\ufeff\\u2060\\u00ad"),
        (f"deer{JOIN}", "deer\\u200d"),
        ("\u3164\u115f\u034f", "\\u3164\\u115f\\u034f"),
        ("\udc80", "\\udc80"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("x\ufe0f\ufe0f", "x\ufe0f\\ufe0f"),
        ("e" + 9 * "\u0301", "e" + 8 * "\u0301" + "\\u0301"),
    ],
)
def test_what_is_obeyed_or_hidden_is_escaped(text: str, seen: str) -> None:
    assert printable(text) == seen
    assert one_line(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "江河与白鸽　一",
        "שָׁלוֹם עולם",
        "مرحبا بالعالم ۝",
        f"می{APART}خواهم",
        f"क्{JOIN}ष",
        f"ខ្ញុំ{BREAK}ស្រលាញ់",
        f"👩🏽{JOIN}🚀 ❤️{JOIN}🔥 1️⃣",
        "葛\U000e0100城",
        "ᠮᠣᠩᠭᠣᠯ\u180b",
        "naïve café ½ “quoted” — dash",
    ],
)
def test_letters_of_every_script_stay_as_they_are(text: str) -> None:
    assert printable(text) == text == one_line(text)


@given(ANY_TEXT)
@example("ក\u17b4\u200d")
@example("a\ufe0f\u200d\ufe0f🔥")
def test_to_make_it_printable_twice_changes_nothing(text: str) -> None:
    assert printable(printable(text)) == printable(text)
    assert one_line(one_line(text)) == one_line(text)
    assert not any(category(character) in ("Cc", "Cs", "Zl", "Zp") for character in one_line(text))


@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner), max_leaves=5))
def test_a_json_document_means_what_it_meant(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    assert json.loads(printable(text)) == json.loads(text)


def test_a_wrong_value_is_quoted_and_not_endless() -> None:
    assert shown("a b") == "'a b'"
    assert shown("５ｓ\u3000\xa0\n") == "'５ｓ\\u3000\\u00a0\\n'"
    assert shown("x" * 1000) == f"'{'x' * 60}…'"


def test_a_problem_is_one_line_but_for_its_remedy_and_not_endless() -> None:
    said = str(Problem("a\nb", "c\x1b", "d\u202e", "it printed:\nlast words\x07"))
    assert said == "a\\nb: c\\u001b; d\\u202e; it printed:\nlast words\\u0007"
    endless = str(Problem("file", "x" * 10**6))
    assert len(endless) < LONGEST_PART + 100
    assert endless.endswith(f"({10**6 - LONGEST_PART} more characters)")


def test_a_stream_shows_text_and_obeys_none_of_it() -> None:
    stream = io.StringIO()
    print("a\x1b[2J\tb", "c", file=PrintableStream(stream))
    assert stream.getvalue() == "a\\u001b[2J\tb c\n"


def test_a_record_of_the_log_is_printable_whatever_handles_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        logger("wan_render.tests").warning("%s of %d at %s", "a\nERROR forged\x1b", 3, Path("b\u202ec"))
    assert caplog.records[-1].getMessage() == "a\\nERROR forged\\u001b of 3 at b\\u202ec"


def test_a_traceback_in_the_log_is_printable(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        logger("wan_render.tests").warning("failed", exc_info=ValueError("a\x1b[2J"))
    assert "ValueError: a\\u001b[2J" in caplog.text
    assert "\x1b" not in caplog.text


def test_every_logger_is_one_of_these() -> None:
    """`logging.getLogger` hands out loggers whose records nobody makes printable: for handlers and other libraries."""
    source = Path(wan_render.__file__).parent
    named = re.compile(r"getLogger\((__name__|\"wan_render\.)")
    files = (file for file in source.rglob("*.py") if file.name != "printable.py")
    assert [str(file) for file in files if named.search(file.read_text(encoding="utf-8"))] == []
