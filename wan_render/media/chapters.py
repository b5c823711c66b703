"""Chapters and tags as an ffmetadata file: text that no filter and no shell ever reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from wan_render.cut import CardSource, Cut, Event

SPECIAL = re.compile(r"[=;#\\\n\r]")


def ffmetadata(cut: Cut, tags: Mapping[str, str]) -> str:
    """The file's text: the tags, the film's title among them, then one chapter for each event.

    A chapter lasts until the next event begins, so that a dissolve belongs to the incoming shot. Titles have chapters,
    too: mp4 cannot leave out a stretch before the first, and would let the first shot's begin there.
    """
    lines = [";FFMETADATA1"]
    lines += [_entry(key, value) for key, value in {"title": cut.title, **tags}.items() if value]
    lines += _chapters(cut)
    return "\n".join(lines) + "\n"


def _chapters(cut: Cut) -> Iterator[str]:
    ends = (*cut.starts[1:], cut.frames)
    for event, start, end in zip(cut.events, cut.starts, ends, strict=True):
        yield "[CHAPTER]"
        yield f"TIMEBASE={cut.rate.denominator}/{cut.rate.numerator}"
        yield f"START={start}"
        yield f"END={end}"
        yield _entry("title", _name(event))


def _name(event: Event) -> str:
    """A shot's id; of a title, its text in one line."""
    text = event.source.text if isinstance(event.source, CardSource) else ""
    return event.name or " ".join(text.split()) or "—"


def _entry(key: str, value: str) -> str:
    """One line of the file; a NUL, which no tag can hold, is left out.

    ffmpeg 9 takes the line end after an escaped backslash for escaped; a NUL ends a line whatever stands before it.
    """
    line = f"{_escaped(key)}={_escaped(value)}"
    return line + "\0" if line.endswith("\\") else line


def _escaped(text: str) -> str:
    return SPECIAL.sub(lambda match: "\\" + match[0], text.replace("\0", ""))
