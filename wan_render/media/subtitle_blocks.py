"""Subtitles in blocks of at most two lines, balanced. A text that needs more lines is shown in parts, one after the
other; each has the share of the time that its width has of the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

from wan_render.media.shaping import width
from wan_render.media.text import (
    TextBlock,
    block_height,
    cut_words,
    directed,
    drawable,
    is_ideographic,
    pieces,
    wrapped,
)
from wan_render.plan import Cue
from wan_render.take import Size

SIZE = 0.05
"""Size of the letters, as a share of the shorter side."""

WIDEST = 21
"""Width of a line in em: about 42 Latin letters, or 21 Chinese characters."""

WITHIN = 0.86
"""Width of a line at most, as a share of the picture's: its safe area, and a little."""

LINES = 2

_SENTENCE_ENDS, _CLAUSE_ENDS = frozenset(".!?。！？…؟।"), frozenset(",;:，、；：،")


@dataclass(frozen=True)
class SubtitleBlock:
    """A part of a cue as it is shown. start, end: exact seconds of the film. lift: pixels between its lower end and the
    place of a block that is shown alone."""

    start: Fraction
    end: Fraction
    who: str
    block: TextBlock
    lift: int = 0

    @property
    def height(self) -> int:
        """In pixels."""
        return round(block_height(self.block.lines) * self.block.em)


@lru_cache(maxsize=4)
def subtitle_blocks(cues: tuple[Cue, ...], size: Size) -> tuple[SubtitleBlock, ...]:
    """The blocks of a film of this size, by their start. Blocks that are shown together are stacked."""
    em = SIZE * min(size.width, size.height)
    most = min(WITHIN * size.width / em, WIDEST)
    placed: list[SubtitleBlock] = []
    shown: list[SubtitleBlock] = []
    for block in sorted((block for cue in cues for block in _of_cue(cue, most, em)), key=lambda block: block.start):
        shown = [other for other in shown if other.end > block.start]
        below = max((other.lift + other.height for other in shown), default=0)
        shown.append(replace(block, lift=below))
        placed.append(shown[-1])
    return tuple(placed)


def _of_cue(cue: Cue, most: float, em: float) -> Iterator[SubtitleBlock]:
    text = drawable(cue.text)
    parts = subtitle_parts(text, most) if text and not text.isspace() else []
    weights = [max(1, sum(map(len, lines))) for lines in parts]
    ends = [cue.start + (cue.end - cue.start) * done / sum(weights) for done in accumulate(weights)]
    for lines, start, end in zip(parts, (cue.start, *ends), ends, strict=False):
        yield SubtitleBlock(start, end, " ".join(drawable(cue.who).split()), TextBlock(lines, em))


def subtitle_parts(text: str, most: float) -> list[tuple[str, ...]]:
    """The parts of a text, each in one line or two of at most `most` em. Two lines that the author broke stay."""
    written = tuple(filter(None, map(str.strip, text.splitlines())))
    if len(written) <= LINES and all(width(line) <= most for line in written):
        return [written]
    whole = _joined(written)
    found = pieces(whole)
    for count in range(1, len(found) + 1):
        parts = [_balanced(part, most) for part in _divided(found, count)]
        shown = [tuple(directed(line, whole) for line in part) for part in parts]
        if all(parts) and all(width(line) <= most for part in shown for line in part):  # a mark may widen a line
            return shown
    lines = tuple(filter(None, map(str.strip, cut_words(wrapped(whole, most), most))))
    return [lines[at : at + LINES] for at in range(0, len(lines), LINES)]


def _joined(lines: Sequence[str]) -> str:
    """Lines as one, without a space between Chinese or Japanese characters."""
    whole = lines[0]
    for line in lines[1:]:
        whole += line if is_ideographic(whole[-1]) and is_ideographic(line[0]) else f" {line}"
    return whole


def _divided(found: Sequence[str], count: int) -> Iterator[Sequence[str]]:
    """The pieces in `count` groups of about the same width, which end with sentences where that is near."""
    ends = list(accumulate(map(width, found)))
    begin = 0
    for number in range(1, count + 1):
        last = len(found) - (count - number)
        ideal = ends[-1] * number / count

        def distance(end: int, ideal: float = ideal) -> float:
            return abs(ends[end - 1] - ideal) - _bonus(found[end - 1]) * ends[-1] / count

        end = last if number == count else min(range(begin + 1, last + 1), key=distance)
        yield found[begin:end]
        begin = end


def _balanced(found: Sequence[str], most: float) -> tuple[str, ...]:
    """One line, or the two that are most alike; empty if they do not fit."""
    whole = "".join(found).strip()
    if width(whole) <= most:
        return (whole,)
    ends = list(accumulate(map(width, found)))

    def uneven(at: int) -> float:
        return max(ends[at - 1], ends[-1] - ends[at - 1]) - _bonus(found[at - 1]) * most

    for at in sorted(range(1, len(found)), key=uneven):
        lines = "".join(found[:at]).strip(), "".join(found[at:]).strip()
        if all(width(line) <= most for line in lines):
            return lines
    return ()


def _bonus(piece: str) -> float:
    """How far from the middle a text may rather be broken after this piece, as a share of the whole."""
    last = piece.rstrip().rstrip("”’»\"'」』）)")[-1:]
    return 0.45 if last in _SENTENCE_ENDS and last else 0.2 if last in _CLAUSE_ENDS and last else 0.0
