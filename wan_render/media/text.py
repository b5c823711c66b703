"""Text broken into lines: where lines may end, and the size at which a text fits."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise

from wan_render.media.bidi import LEFT_TO_RIGHT_MARK, RIGHT_TO_LEFT_MARK, base_level, has_right_to_left
from wan_render.media.fonts import MEASURE, font
from wan_render.media.shaping import clusters, is_plain, runs_of, width

NOT_AT_START = frozenset("，。、；：？！）》」』】〕〉’”…·～％,.;:?!)]}%")
NOT_AT_END = frozenset("（《「『【〔〈‘“([{")

_SMALL_KANA = "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿｧｨｩｪｫｬｭｮｯ"
LATER_NOT_AT_START = frozenset(f"{_SMALL_KANA}ー々〻ゝゞヽヾ・‥〜゠〗〙〛｠｡｣､･ｰﾞﾟ｝］")
LATER_NOT_AT_END = frozenset("〖〘〚｟｢｛［")
"""Small kana, long marks and repetition marks end a line rather than begin one (JIS X 4051)."""

_NOT_AT_START, _NOT_AT_END = NOT_AT_START | LATER_NOT_AT_START, NOT_AT_END | LATER_NOT_AT_END
_NO_BREAK = frozenset("\u00a0\u202f\u2007\u2060")
_ZERO_WIDTH_SPACE = "\u200b"
_HANGUL = (("\u1100", "\u11ff"), ("\u3130", "\u318f"), ("\ua960", "\ua97f"), ("\uac00", "\ud7ff"))

BETWEEN_LINES = 0.15
"""Space between the letters of two lines at least, in em."""

SHRINK = 0.92
"""Text that does not fit is shrunk by this factor until it does."""


@dataclass(frozen=True)
class TextBlock:
    """Text broken into lines. em: font size in pixels. is_cut_short: whether its end is left out, for want of room."""

    lines: tuple[str, ...]
    em: float
    is_cut_short: bool = False


@cache
def line_height() -> float:
    """Ascent plus descent of the base font in em. ASS calls this the font size, not the em."""
    return sum(font(MEASURE).getmetrics()) / MEASURE


def block_height(lines: tuple[str, ...]) -> float:
    """Height of lines in em."""
    if all(map(is_plain, lines)):
        return len(lines) * line_height()
    return baselines(lines)[-1] + max(base_descent(), _ink(lines[-1])[1])


def baselines(lines: tuple[str, ...]) -> list[float]:
    """How far each line's baseline is below the top of the block, in em: as in the base font, but further where letters
    would come too close. Fonts of some scripts ask for twice the distance, in case of letters that are rare."""
    inks = [_ink(line) for line in lines]
    at = max(line_height() - base_descent(), inks[0][0])
    found = [at]
    for (_, below), (above, _) in pairwise(inks):
        at += max(line_height(), below + above + BETWEEN_LINES)
        found.append(at)
    return found


@cache
def base_descent() -> float:
    """How far a line of the base font reaches below its baseline, in em."""
    return font(MEASURE).getmetrics()[1] / MEASURE


def _ink(line: str) -> tuple[float, float]:
    inks = [run.ink for run in runs_of(line)]
    return max(above for above, _ in inks), max(below for _, below in inks)


@lru_cache(maxsize=1024)
def fitted(text: str, *, wide: float, high: float, em: float, least: float) -> TextBlock:
    """A text broken into lines and shrunk until it fits into `wide` x `high` pixels.

    em, least: the largest and smallest font size in pixels. Words are broken only at the smallest size. If the text
    still does not fit, it ends in an ellipsis.
    """
    size = em
    while size > least:
        lines = wrapped(text, wide / size)
        if block_height(lines) * size <= high and all(width(line) * size <= wide for line in lines):
            return TextBlock(lines, size)
        size *= SHRINK
    most = wide / least
    lines = cut_words(wrapped(text, most), most)
    pitch = line_height() if all(map(is_plain, lines)) else block_height(lines) / len(lines)
    kept = _shortened(lines, high / (least * pitch), most)
    return TextBlock(kept, least, kept != lines)


def wrapped(text: str, most: float) -> tuple[str, ...]:
    """Lines of at most `most` em, broken at spaces and between Han characters. A longer word gets its own line."""
    return tuple(
        directed(line, paragraph)
        for paragraph in text.splitlines() or [""]
        for line in _wrapped_paragraph(paragraph, most)
    )


def directed(line: str, paragraph: str) -> str:
    """The line with a mark in front if it would otherwise not run in its paragraph's direction."""
    if not has_right_to_left(paragraph) or base_level(line) == base_level(paragraph):
        return line
    return (RIGHT_TO_LEFT_MARK if base_level(paragraph) else LEFT_TO_RIGHT_MARK) + line


def _wrapped_paragraph(paragraph: str, most: float) -> Iterator[str]:
    line, length = "", 0.0
    for piece in pieces(paragraph):
        if line and length + width(piece.rstrip()) > most:
            if words := line.strip():
                yield words
            line, length = "", 0.0
        line += piece
        length += width(piece)
    yield line.strip()


def pieces(paragraph: str) -> list[str]:
    """The unbreakable parts: a word with the space after it, or a Han character with its punctuation."""
    found: list[str] = []
    before = ""
    for cluster in clusters(paragraph):
        if found and _stays(before, cluster[0]):
            found[-1] += cluster
        else:
            found.append(cluster)
        before = cluster[0]
    return found


def _stays(before: str, character: str) -> bool:
    """Whether a line must not end between two characters."""
    if character.isspace() or character == _ZERO_WIDTH_SPACE or character in _NOT_AT_START or before in _NOT_AT_END:
        return True
    if before in _NO_BREAK:
        return True
    ends_word = before.isspace() or before == _ZERO_WIDTH_SPACE
    return not ends_word and not is_ideographic(before) and not is_ideographic(character)


def is_ideographic(character: str) -> bool:
    """Whether a line may end before and after it, as between Han characters and kana. Korean has spaces."""
    return unicodedata.east_asian_width(character) in ("W", "F") and not _is_hangul(character)


def _is_hangul(character: str) -> bool:
    return any(first <= character <= last for first, last in _HANGUL)


def cut_words(lines: tuple[str, ...], most: float) -> tuple[str, ...]:
    """Lines of at most `most` em. Longer ones are broken within words."""
    return tuple(part for line in lines for part in _parts(line, most))


def _parts(line: str, most: float) -> Iterator[str]:
    part = ""
    for cluster in clusters(line):
        if part and width(part + cluster) > most:  # as a whole: a neighbour may change a sign's font
            yield part
            part = ""
        part += cluster
    yield part


def _shortened(lines: tuple[str, ...], count: float, most: float) -> tuple[str, ...]:
    """The first `count` lines. If there are more, the last one ends in an ellipsis, within `most` em."""
    kept = max(1, int(count))
    if len(lines) <= kept:
        return lines
    last = clusters(lines[kept - 1])[:-1]
    while last and width(f"{''.join(last)}…") > most:
        last = last[:-1]
    return (*lines[: kept - 1], f"{''.join(last)}…")


def drawable(text: str) -> str:
    """Control characters except line ends become spaces: a card is the author's own text and shows no escapes."""
    return "".join(character if character == "\n" or character >= " " else " " for character in text.strip())


def breaks_otherwise(text: str) -> bool:
    """Whether lines of the text may end in other places than in films of before: Korean, small kana, fixed spaces."""
    later = LATER_NOT_AT_START | LATER_NOT_AT_END | _NO_BREAK | {_ZERO_WIDTH_SPACE}
    return any(character in later or (character >= "\u1100" and _is_hangul(character)) for character in text)
