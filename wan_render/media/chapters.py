"""Chapters and tags as an ffmetadata file, so that no filter and no shell reads their text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from wan_render.cut import Cut, Event
from wan_render.plan import CardText

SPECIAL = re.compile(r"[=;#\\\n\r]")


def ffmetadata(cut: Cut, tags: Mapping[str, str]) -> str:
    """The text of the file: the tags and the film's title, then one chapter per event but bridges.

    A chapter lasts until the next event begins, so a dissolve belongs to the incoming shot, and a bridge to the shot
    before it. Titles also get chapters:
    mp4 chapters start at 0, so the first shot's chapter would otherwise cover the opening title.
    """
    lines = [";FFMETADATA1"]
    lines += [_entry(key, value) for key, value in {"title": cut.title, **tags}.items() if value]
    lines += _chapters(cut)
    return "\n".join(lines) + "\n"


def _chapters(cut: Cut) -> Iterator[str]:
    events = [(event, start) for event, start in zip(cut.events, cut.starts, strict=True) if not event.is_bridge]
    ends = (*(start for _, start in events[1:]), cut.frames)
    for (event, start), end in zip(events, ends, strict=True):
        yield "[CHAPTER]"
        yield f"TIMEBASE={cut.rate.denominator}/{cut.rate.numerator}"
        yield f"START={start}"
        yield f"END={end}"
        yield _entry("title", _name(event))


def _name(event: Event) -> str:
    """The shot's id, or the text of a title in one line."""
    text = event.source.text if isinstance(event.source, CardText) else ""
    return event.name or " ".join(text.split()) or "—"


def _entry(key: str, value: str) -> str:
    """One line of the file. NULs are removed, since no tag can hold them.

    ffmpeg 9 reads a line end after an escaped backslash as escaped. A NUL always ends the line.
    """
    line = f"{_escaped(key)}={_escaped(value)}"
    return line + "\0" if line.endswith("\\") else line


def _escaped(text: str) -> str:
    return SPECIAL.sub(lambda match: "\\" + match[0], text.replace("\0", ""))
