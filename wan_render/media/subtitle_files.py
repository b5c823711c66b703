"""Subtitles as SubRip (.srt) and WebVTT (.vtt). Times are rounded to milliseconds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from wan_render.media.subtitle_blocks import SubtitleBlock

WORD_JOINER = "\u2060"
"""Has no width. SubRip has no escapes: players take `<b>` and `{\\an8}` as markup, unless this comes between."""


_MARKUP = re.compile(r"([<{]|--(?=>))")


def srt(blocks: Sequence[SubtitleBlock]) -> str:
    """A SubRip file. Blocks that are shown together become one, since many players show only one at a time."""
    return "\n".join(
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{_plain(lines)}\n"
        for number, (start, end, lines) in enumerate(_one_at_a_time(blocks), start=1)
    )


def vtt(blocks: Sequence[SubtitleBlock]) -> str:
    """A WebVTT file, with the speaker of each block."""
    return "\n".join(("WEBVTT\n", *(_vtt_cue(block) for block in blocks)))


def _vtt_cue(block: SubtitleBlock) -> str:
    start, end = _milliseconds(block.start, block.end)
    text = "\n".join(map(_escaped_markup, block.block.lines))
    voice = f"<v {_escaped_markup(block.who)}>" if block.who else ""
    return f"{_clock(start, '.')} --> {_clock(end, '.')}\n{voice}{text}\n"


def _one_at_a_time(blocks: Sequence[SubtitleBlock]) -> Iterator[tuple[int, int, list[str]]]:
    """(start, end, lines) in milliseconds. The lowest block's lines come last."""
    times = [_milliseconds(block.start, block.end) for block in blocks]
    moments = sorted({moment for pair in times for moment in pair})
    for start, end in pairwise(moments):
        seen = [block for block, (first, last) in zip(blocks, times, strict=True) if first <= start and last >= end]
        if seen:
            seen.sort(key=lambda block: -block.lift)
            yield start, end, [line for block in seen for line in block.block.lines]


def _milliseconds(start: Fraction, end: Fraction) -> tuple[int, int]:
    first = round(start * 1000)
    return first, max(first + 1, round(end * 1000))


def _clock(milliseconds: int, point: str) -> str:
    """`01:02:03,456`."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{point}{rest:03}"


def _plain(lines: Iterable[str]) -> str:
    return "\n".join(_MARKUP.sub(rf"\1{WORD_JOINER}", line) for line in lines)


def _escaped_markup(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
