"""The one place that makes foreign text printable: names of files, tensors and models, prompts, settings of the
environment, what ffmpeg and exceptions say.

A terminal obeys control characters (ESC moves the cursor, sets the title, deletes lines), a bidi override makes
`gpj.exe` look like `exe.jpg`, and a line break forges a line of a log. Such characters are escaped on output:

- `PrintableStream`: standard output and standard error of every command,
- `logger`: every log record,
- `errors.Problem`: messages, and with them states and logs of Prefect,
- slates and labels, the review page, the contact sheet and shots.csv call `printable` or `one_line` themselves.

Letters of every script are kept, and so are the joiners that Persian, Indic scripts and emoji need. Escapes are
those of JSON (`\\u001b`), so a JSON document keeps its meaning. Making a text printable twice changes nothing.

Keys and passwords are taken out here as well: what a defect says may hold them (known_secrets.py).

Which characters: Unicode 16, chapters 23.2 (layout controls), 23.3 (deprecated format characters), 23.4 (variation
selectors), 23.9 (tags); Trojan Source (CVE-2021-42574) for bidi controls.
"""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any, TextIO
from unicodedata import category

from wan_render.known_secrets import without_secrets

LONGEST_SHOWN = 60
"""Characters of a wrong value that a message repeats."""

LONGEST_PART = 6000
"""Characters of one part of a message. A path may have 4,096; lists of names and foreign exceptions have no limit."""

MOST_MARKS = 8
"""Combining marks on one letter. Tibetan and Hebrew need six; hundreds of them would cover the lines above."""

_PLAIN = re.compile(r"[\n\t -~]*")

_NEVER = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories: control characters, lone surrogates, line and paragraph separators."""

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks that show nothing: the grapheme joiner, fillers of Hangul, inherent vowels of Khmer."""

_SEEN_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Format characters that are drawn: Arabic, Syriac and Kaithi signs around numbers."""

_JOINED = (
    *((0x0590, 0x109F), (0x1780, 0x18AF), (0x1900, 0x1CFF), (0xA800, 0xABFF)),
    *((0xFB1D, 0xFDCF), (0xFE70, 0xFEFC), (0x10A00, 0x11FFF), (0x1E900, 0x1E95F)),
)
"""Scripts in which a joiner changes the letters next to it, or a zero-width space ends a word: Arabic, Indic scripts,
Thai, Khmer, Myanmar, Mongolian and similar ones."""

_ZERO_WIDTH_SPACE, _NON_JOINER, _JOINER, _EMOJI_STYLE = "\u200b", "\u200c", "\u200d", "\ufe0f"


def printable(text: str) -> str:
    """The text, with everything escaped that a reader cannot see or that a terminal obeys. Line breaks stay."""
    return _escaped(text, "\n\t")


def one_line(text: str) -> str:
    """`printable`, with line breaks and tabs escaped as well. For names in messages."""
    return _escaped(text, "")


def path_name(file: Path) -> str:
    """A path for a message. Bytes that are not UTF-8 are escaped as well."""
    return one_line(str(file))


def shown(text: str) -> str:
    """A wrong value for a message: in quotes, on one line, at most 60 characters, with white space other than spaces
    escaped."""
    text = without_secrets(text)
    cut = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
    return "'" + "".join(c if c == " " or not c.isspace() else _escape(c) for c in one_line(cut)) + "'"


def shortened(text: str, most: int = LONGEST_PART) -> str:
    """The text, or its first `most` characters and the number of the others."""
    text = without_secrets(text)
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def _escaped(text: str, allowed: str) -> str:
    text = without_secrets(text)
    if _PLAIN.fullmatch(text) and (allowed or ("\n" not in text and "\t" not in text)):
        return text
    parts: list[str] = []
    before, marks = "", 0
    for character, after in zip(text, f"{text[1:]} ", strict=True):
        marks = marks + 1 if category(character) in ("Mn", "Me") else 0
        if character in allowed or (_is_seen(character, before, after) and marks <= MOST_MARKS):
            parts.append(character)
            before = character
        else:
            parts.append(_escape(character))
            before = ""
    return "".join(parts)


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def _is_seen(character: str, before: str, after: str) -> bool:
    """Whether a reader sees the character, or its effect on its neighbours. before: the character before it; "" if that
    was escaped."""
    if " " <= character <= "~":
        return True
    kind = category(character)
    if kind in _NEVER or character in _BLANK_LETTERS or _is_no_character(ord(character)):
        return False
    if kind == "Cf":
        return character in _SEEN_FORMATS or _joins(character, before, after)
    return _selects(ord(character), before)


def _is_no_character(code: int) -> bool:
    """Whether this is a noncharacter, a tag, or a code point that Unicode reserves for further invisible characters."""
    is_free = 0xFFF0 <= code <= 0xFFFB or code == 0x2065 or 0xE0000 <= code < 0xE0100 or 0xE01F0 <= code < 0xE1000
    return is_free or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _joins(character: str, before: str, after: str) -> bool:
    """Whether this is a joiner or zero-width space in a place where a script or an emoji needs one."""
    if not before or character not in (_ZERO_WIDTH_SPACE, _NON_JOINER, _JOINER):
        return False
    if any(first <= ord(before) <= last for first, last in _JOINED):
        return category(before) in ("Lo", "Lm", "Mn", "Mc")
    is_emoji = category(before) in ("So", "Sk") or before == _EMOJI_STYLE
    return character == _JOINER and is_emoji and category(after) == "So"


def _selects(code: int, before: str) -> bool:
    """Whether this is not a variation selector, or one after a character that may have variants."""
    if 0x180B <= code <= 0x180F:
        return bool(before) and 0x1820 <= ord(before) <= 0x18AA
    if 0xE0100 <= code <= 0xE01EF:
        return bool(before) and category(before) == "Lo"
    if 0xFE00 <= code <= 0xFE0F:
        return bool(before) and not before.isspace() and category(before) not in ("Mn", "Cf")
    return True


_TRACEBACKS = logging.Formatter()


class PrintableStream:
    """A text stream that makes everything printable that is written to it.

    Code that draws on a terminal with control characters (rich's bars) writes to `drawn_on` instead.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `printable(text)`. Returns the length of `text`."""
        self._stream.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def drawn_on(self) -> TextIO:
        """The underlying stream."""
        return self._stream


def drawn_on(stream: TextIO) -> TextIO:
    """The stream under a PrintableStream; any other stream unchanged."""
    return stream.drawn_on if isinstance(stream, PrintableStream) else stream


def logger(name: str) -> logging.Logger:
    """The logger of this name. Its records are printable for every handler."""
    found = logging.getLogger(name)
    if _made_printable not in found.filters:
        found.addFilter(_made_printable)
    return found


class PrintableFormatter(logging.Formatter):
    """A formatter for records of other libraries: makes them printable, including tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's text, printable."""
        return printable(super().format(record))


def _made_printable(record: logging.LogRecord) -> bool:
    """A log filter: names and paths become one line each; errors keep their lines."""
    if isinstance(record.args, tuple):
        record.args = tuple(one_line(str(arg)) if isinstance(arg, str | Path) else arg for arg in record.args)
    record.msg, record.args = printable(record.getMessage()), None
    if record.exc_info:  # formatters use this text if it is set
        record.exc_text = printable(_TRACEBACKS.formatException(record.exc_info))
    return True
