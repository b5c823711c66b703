"""Cards, slates and labels as one ASS file, burned in by libass at the size of the delivery.

The text of a picture has the picture's weight on every frame of a dissolve or fade. A label belongs to the frame and
does not fade.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

from wan_render.cut import Cut, Event, SlateSource
from wan_render.media.bidi import RIGHT_TO_LEFT_MARK
from wan_render.media.fonts import FAMILY, Face, han_family
from wan_render.media.frame_layers import Layer, film_layers
from wan_render.media.shaping import TextRun, faces_of, is_plain, runs_of
from wan_render.media.subtitle_blocks import subtitle_blocks
from wan_render.media.text import (
    TextBlock,
    base_descent,
    baselines,
    block_height,
    breaks_otherwise,
    drawable,
    fitted,
    line_height,
)
from wan_render.plan import CardText, FilmSubtitles, nearest_frame
from wan_render.printable import one_line, printable
from wan_render.take import Size

if TYPE_CHECKING:
    from pysubs2 import SSAEvent, SSAStyle

WORD_JOINER = "\u2060"
"""Has no width. After a backslash it keeps libass from reading an escape."""


LINE_BREAKS = "line breaks 2"
"""The form of line breaks, in the keys of films whose texts may be broken otherwise than in earlier versions."""


MARGIN, UPRIGHT_MARGIN = 0.07, 0.18
"""Space below subtitles, as a share of the picture's height."""


@dataclass(frozen=True)
class Line:
    """Text on film frames [first, end).

    em: size in pixels. place: x and y of the text's `anchor` (numbered as on a keypad). opacity: 0 to 1.
    """

    first: int
    end: int
    style: str
    text: str
    em: float
    anchor: int
    place: tuple[int, int]
    opacity: Fraction


STYLES_FAMILY = "0"
"""ASS's name for the font of the line's style."""


@dataclass(frozen=True)
class TextSpan:
    """Film frames [first, end) on which an event has one constant weight."""

    event: int
    first: int
    end: int
    weight: Fraction


def script(cut: Cut) -> str | None:
    """The ASS file of a film, or None if the film has no text."""
    lines = [*_lines(cut), *_subtitles(cut)]
    return _ass(cut, lines) if lines else None


def further_fonts(cut: Cut) -> tuple[Face, ...]:
    """The fonts besides the base font that draw a film's texts, by family."""
    return tuple(sorted({face for text in _texts(cut) for face in faces_of(text)}, key=lambda face: face.family))


def lettering_marks(cut: Cut) -> tuple[str, ...]:
    """What a film's letters depend on besides its texts: see Cut.lettering."""
    breaks = any(map(breaks_otherwise, _texts(cut)))
    return (*((LINE_BREAKS,) if breaks else ()), *(face.identity for face in further_fonts(cut)))


def _texts(cut: Cut) -> Iterator[str]:
    for event in cut.events:
        match event.source:
            case CardText(text):
                yield drawable(text)
            case SlateSource(name, reason):
                yield from (one_line(name), printable(reason))
        if event.preview:
            yield one_line(event.name)
    if burned := _burned(cut):
        yield from (drawable(cue.text) for cue in burned.cues)


def _lines(cut: Cut) -> Iterator[Line]:
    if not any(event.preview or _has_text(event) for event in cut.events):
        return
    layers = list(film_layers(cut))
    for span in _spans(layers):
        yield from _event_lines(cut, span)
    for span in _labelled(layers):
        if cut.events[span.event].preview:
            yield from _label(cut, span)


def _burned(cut: Cut) -> FilmSubtitles | None:
    return cut.subtitles if cut.subtitles is not None and "burned" in cut.subtitles.forms else None


def _subtitles(cut: Cut) -> Iterator[Line]:
    """Burned-in subtitles, over everything. In upright films they are higher: players cover the lower end."""
    if (burned := _burned(cut)) is None:
        return
    size = cut.delivery
    lower_end = round(size.height * (1 - (UPRIGHT_MARGIN if size.height > size.width else MARGIN)))
    for shown in subtitle_blocks(burned.cues, size):
        first, end = (min(nearest_frame(moment * cut.rate), cut.frames) for moment in (shown.start, shown.end))
        if first < end:  # anything shorter is on no frame
            place = (size.width // 2, lower_end - shown.lift)
            yield from _lettered(TextSpan(0, first, end, Fraction(1)), "subtitle", shown.block, 2, place)


def _has_text(event: Event) -> bool:
    return isinstance(event.source, SlateSource) or (isinstance(event.source, CardText) and bool(event.source.text))


def _spans(layers: Iterable[tuple[Layer, ...]]) -> Iterator[TextSpan]:
    """The frames of every event, split where its weight changes."""
    placed = ((frame, layer) for frame, parts in enumerate(layers) for layer in parts)
    by_event: dict[int, list[tuple[int, Fraction]]] = {}
    for frame, layer in placed:
        by_event.setdefault(layer.event, []).append((frame, layer.weight))
    for event, frames in by_event.items():
        for weight, group in groupby(frames, key=lambda pair: pair[1]):
            numbers = [frame for frame, _ in group]
            if weight > 0:
                yield TextSpan(event, numbers[0], numbers[-1] + 1, weight)


def _labelled(layers: Iterable[tuple[Layer, ...]]) -> Iterator[TextSpan]:
    """The frames that carry each event's label. It changes in the middle of a dissolve."""
    owners = enumerate(max(parts, key=lambda layer: (layer.weight, layer.event)).event for parts in layers)
    for event, group in groupby(owners, key=lambda pair: pair[1]):
        numbers = [frame for frame, _ in group]
        yield TextSpan(event, numbers[0], numbers[-1] + 1, Fraction(1))


def _event_lines(cut: Cut, span: TextSpan) -> Iterator[Line]:
    match cut.events[span.event].source:
        case CardText(text) if text:
            size = cut.delivery
            yield from _lettered(span, "text", _card(cut, span.event, text), 5, (size.width // 2, size.height // 2))
        case SlateSource(name, reason):
            yield from _slate(cut.delivery, span, name, reason, high=0.26 if _is_subtitled(cut, span.event) else 0.45)


def _is_subtitled(cut: Cut, event: int) -> bool:
    """Whether a subtitle is burned in while an event is on screen. Its own text then leaves room for it."""
    if (burned := _burned(cut)) is None:
        return False
    start = cut.starts[event] / cut.rate
    end = start + cut.events[event].length / cut.rate
    return any(cue.start < end and cue.end > start for cue in burned.cues)


def cards_cut_short(cut: Cut) -> Iterator[str]:
    """The texts of cards that do not fit into the picture, even in the smallest letters: their ends are not shown."""
    for at, event in enumerate(cut.events):
        if isinstance(event.source, CardText) and _card(cut, at, event.source.text).is_cut_short:
            yield event.source.text


def _card(cut: Cut, event: int, text: str) -> TextBlock:
    return _fitted(cut.delivery, text, wide=0.8, high=0.46 if _is_subtitled(cut, event) else 0.7, em=0.085)


def _slate(size: Size, span: TextSpan, name: str, reason: str, high: float) -> Iterator[Line]:
    middle, seam = size.width // 2, round(size.height * 0.45)
    title = _fitted(size, one_line(name), wide=0.84, high=0.3, em=0.14)
    below = _fitted(size, printable(reason), wide=0.84, high=high, em=0.04)
    yield from _lettered(span, "text", title, 2, (middle, seam))
    yield from _lettered(span, "text", below, 8, (middle, seam + size.height // 40))


def _label(cut: Cut, span: TextSpan) -> Iterator[Line]:
    size, event = cut.delivery, cut.events[span.event]
    block = _fitted(size, one_line(f"{event.preview.upper()}  {event.name}"), wide=0.9, high=0.1, em=0.032)
    margin = round(min(size.width, size.height) * 0.03)
    yield from _lettered(span, "label", block, 7, (margin, margin))


def _fitted(size: Size, text: str, *, wide: float, high: float, em: float) -> TextBlock:
    """`wide` and `high` are shares of the delivery's sides. `em` is a share of the shorter one, so that upright films
    are as legible."""
    short = min(size.width, size.height)
    return fitted(
        drawable(text), wide=wide * size.width, high=high * size.height, em=em * short, least=max(6.0, 0.02 * short)
    )


def _lettered(span: TextSpan, style: str, block: TextBlock, anchor: int, place: tuple[int, int]) -> Iterator[Line]:
    """A block, with `place` at its `anchor`. If the base font does not draw all of it, each line has its own place:
    libass would set lines as far apart as their fonts ask for."""
    if all(map(is_plain, block.lines)):
        text = r"\N".join(_escaped(line) or r"\h" for line in block.lines)
        yield Line(span.first, span.end, style, text, block.em, anchor, place, span.weight)
        return
    row, column = divmod(anchor - 1, 3)
    top = place[1] - block_height(block.lines) * block.em * (1 - row / 2)
    for line, baseline in zip(block.lines, baselines(block.lines), strict=True):
        found = runs_of(line)
        descent = max(base_descent() if run.face is None else run.face.descent for run in found)
        text = "".join(_run(run, block.em, number) for number, run in enumerate(found))
        lower_end = round(top + (baseline + descent) * block.em)
        yield Line(span.first, span.end, style, text, block.em, 1 + column, (place[0], lower_end), span.weight)


def _run(run: TextRun, em: float, place: int) -> str:
    """A run in a font of its own. libass orders each of them by itself, so marks give it its direction. It would join
    runs of one style: the colours of their shadows, which are not drawn, differ."""
    family, height = (STYLES_FAMILY, line_height()) if run.face is None else (run.face.family, run.face.line_height)
    mark = RIGHT_TO_LEFT_MARK if run.is_right_to_left else ""
    text = _escaped(run.text).replace(" ", r"\h")  # libass drops no hard space at the end of a line
    return f"{{\\fn{family}\\fs{em * height:.3f}\\4c&H{place % 2:06X}&}}{mark}{text}{mark}"


def _escaped(line: str) -> str:
    """A line that libass draws literally: no escapes, no override blocks."""
    return line.replace("\\", "\\" + WORD_JOINER).replace("{", r"\{").replace("}", r"\}")


def _ass(cut: Cut, lines: Iterable[Line]) -> str:
    from pysubs2 import SSAFile

    file = SSAFile()
    file.info |= {
        "PlayResX": str(cut.delivery.width),
        "PlayResY": str(cut.delivery.height),
        "WrapStyle": "2",  # lines break where we broke them
        "ScaledBorderAndShadow": "yes",
        "YCbCr Matrix": "None",
    }
    file.styles = {"text": _style(cut.delivery, outline=0.0), "label": _style(cut.delivery, outline=0.0025)}
    if _burned(cut):
        short = min(cut.delivery.width, cut.delivery.height)
        file.styles["subtitle"] = _style(cut.delivery, outline=0.0035 * short / cut.delivery.height)
    for style in file.styles.values():
        style.fontname = han_family(cut.language)

    file.events = [_dialogue(line, cut.rate) for line in lines]
    return file.to_string("ass")


def _style(size: Size, outline: float) -> SSAStyle:
    from pysubs2 import Color, SSAStyle

    return SSAStyle(
        fontname=FAMILY,
        primarycolor=Color(235, 235, 235),
        outlinecolor=Color(0, 0, 0),
        outline=max(1.0, outline * size.height) if outline else 0.0,
        shadow=0.0,
        marginl=0,
        marginr=0,
        marginv=0,
        encoding=1,
    )


def _dialogue(line: Line, rate: Fraction) -> SSAEvent:
    from pysubs2 import SSAEvent

    x, y = line.place
    # ASS counts transparency: 255 is invisible.
    alpha = "" if line.opacity == 1 else rf"\alpha&H{255 - round(255 * line.opacity):02X}&"
    tags = rf"\an{line.anchor}\pos({x},{y})\fs{line.em * line_height():.3f}{alpha}"
    start, end = boundary(line.first, rate), boundary(line.end, rate)
    return SSAEvent(start=start, end=end, style=line.style, text=f"{{{tags}}}{line.text}")


def boundary(frame: int, rate: Fraction) -> int:
    """Milliseconds, a multiple of 10, halfway between film frames `frame - 1` and `frame`. There, rounding to ASS's
    hundredths or libass's milliseconds cannot move a line to the wrong frame (up to 80 frames per second)."""
    return max(0, 10 * round((Fraction(frame) - Fraction(1, 2)) / rate * 100))
