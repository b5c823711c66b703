"""Runs of a line: pieces with one font and one direction, in the order in which they are seen, and their widths.

Text that the base font draws alone, from left to right, is one run: its width is the sum of its characters' widths, as
libass lays it out. Other fonts are shaped with HarfBuzz, which libass uses as well.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

from wan_render.media.bidi import has_right_to_left, levels, visual_order
from wan_render.media.fonts import MEASURE, Face, base_draws, font, further_face

_JOINER, _EMOJI_STYLE = "\u200d", "\ufe0f"
_INK = (0.92, 0.25)
"""How far letters of the base font reach above and below the baseline, but for a few with several marks."""

_VIRAMA_CLASS = 9
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)


@dataclass(frozen=True)
class TextRun:
    """Part of a line, in logical order. face: None for the base font."""

    text: str
    face: Face | None
    is_right_to_left: bool = False

    @property
    def width(self) -> float:
        """In em."""
        if self.face is None:
            return sum(map(_advance, self.text))
        return _shaped(self.text, self.face, self.is_right_to_left).width

    @property
    def ink(self) -> tuple[float, float]:
        """How far its letters reach above and below the baseline, in em."""
        if self.face is None:
            return _INK
        shaped = _shaped(self.text, self.face, self.is_right_to_left)
        return shaped.above, shaped.below


@dataclass(frozen=True)
class _Shaped:
    width: float
    above: float
    below: float


def width(text: str) -> float:
    """Width of one line in em: without kerning in the base font, as shaped in others."""
    return sum(run.width for run in runs_of(text))


def is_plain(text: str) -> bool:
    """Whether the base font draws the text alone, from left to right."""
    return all(run.face is None and not run.is_right_to_left for line in text.splitlines() for run in runs_of(line))


def faces_of(text: str) -> set[Face]:
    """Every font besides the base font that may draw a part of the text, however it is broken into lines."""
    of_runs = {run.face for line in text.splitlines() for run in runs_of(line)}
    alone = {further_face(cluster) for cluster in clusters(text) if not base_draws(cluster)}
    return {face for face in of_runs | alone if face is not None}


@lru_cache(maxsize=4096)
def runs_of(line: str) -> tuple[TextRun, ...]:
    """The runs of a line from left to right, as they are seen."""
    if not has_right_to_left(line) and base_draws(line):
        return (TextRun(line, None),)
    pieces = list(_logical_runs(line))
    return tuple(pieces[place][0] for place in visual_order([level for _, level in pieces]))


def _logical_runs(line: str) -> Iterator[tuple[TextRun, int]]:
    """Runs in the order in which they are read, each with its level."""
    marked = zip(_faces(clusters(line)), _cluster_levels(line), strict=True)
    for (face, level), group in groupby(marked, key=lambda each: (each[0][1], each[1])):
        text = "".join(cluster for (cluster, _), _ in group)
        yield TextRun(text, face, level % 2 == 1), level


def _cluster_levels(line: str) -> Iterator[int]:
    found, place = levels(line), 0
    for cluster in clusters(line):
        yield found[place]
        place += len(cluster)


def _faces(parts: tuple[str, ...]) -> list[tuple[str, Face | None]]:
    """The font of every cluster. Spaces, punctuation and digits take that of the letters before them if it has them,
    else that of the letters after them."""
    own = [None if base_draws(part) else further_face(part) for part in parts]
    after: list[Face | None] = [None] * len(parts)
    for place in range(len(parts) - 2, -1, -1):
        after[place] = own[place + 1] if _is_letter(parts[place + 1]) else after[place + 1]
    before: Face | None = None
    started = False
    chosen: list[tuple[str, Face | None]] = []
    for part, face, following in zip(parts, own, after, strict=True):
        if _is_letter(part):
            before, started = face, True
        elif (near := before if started else following) is not None and near.has(part):
            face = near
        chosen.append((part, face))
    return chosen


def _is_letter(cluster: str) -> bool:
    """Whether a cluster decides about the font of the signs beside it."""
    return unicodedata.category(cluster[0])[0] == "L"


@lru_cache(maxsize=4096)
def clusters(text: str) -> tuple[str, ...]:
    """What a reader takes for one character: a letter with its marks, a conjunct, an emoji made of several. A text may
    be broken only between them."""
    found: list[str] = []
    for character in text:
        if found and _belongs(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return tuple(found)


def _belongs(cluster: str, character: str) -> bool:
    last, code = cluster[-1], ord(character)
    if cluster.isspace():
        return False
    if unicodedata.category(character)[0] == "M" or character in (_JOINER, "\u200c") or code in _SKIN_TONES:
        return True
    if last == _JOINER or (unicodedata.combining(last) == _VIRAMA_CLASS and unicodedata.category(character) == "Lo"):
        return True
    return code in _FLAG_LETTERS and len(cluster) == 1 and ord(last) in _FLAG_LETTERS


@lru_cache(maxsize=8192)
def _advance(character: str) -> float:
    """Width of a character of the base font in em."""
    return 0.0 if _has_no_width(character) else float(font(MEASURE).getlength(character)) / MEASURE


def _has_no_width(character: str) -> bool:
    return unicodedata.combining(character) > 0 or unicodedata.category(character) in ("Cf", "Cc")


@lru_cache(maxsize=8192)
def _shaped(text: str, face: Face, right_to_left: bool) -> _Shaped:  # noqa: FBT001 - of a cached function
    import uharfbuzz as harfbuzz

    buffer = harfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if right_to_left else "ltr"
    shaper = _shaper(face)
    harfbuzz.shape(shaper, buffer)
    per_em, above, below = shaper.face.upem, 0, 0
    for glyph, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        if (extents := shaper.get_glyph_extents(glyph.codepoint)) is not None:
            top = place.y_offset + extents.y_bearing
            above, below = max(above, top), max(below, -(top + extents.height))
    advance = sum(place.x_advance for place in buffer.glyph_positions)
    return _Shaped(advance / per_em, above / per_em, below / per_em)


@cache
def _shaper(face: Face) -> Any:
    import uharfbuzz as harfbuzz

    blob = harfbuzz.Blob.from_file_path(str(face.file))
    return harfbuzz.Font(harfbuzz.Face(blob, face.index))
