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
from wan_render.media.frame_layers import Layer, film_layers
from wan_render.media.text import FAMILY, TextBlock, fitted, line_height
from wan_render.plan import CardText
from wan_render.printable import one_line, printable
from wan_render.take import Size

if TYPE_CHECKING:
    from pysubs2 import SSAEvent, SSAStyle

WORD_JOINER = "\u2060"
"""Has no width. After a backslash it keeps libass from reading an escape."""


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


@dataclass(frozen=True)
class TextSpan:
    """Film frames [first, end) on which an event has one constant weight."""

    event: int
    first: int
    end: int
    weight: Fraction


def script(cut: Cut) -> str | None:
    """The ASS file of a film, or None if the film has no text."""
    lines = list(_lines(cut))
    return _ass(cut, lines) if lines else None


def _lines(cut: Cut) -> Iterator[Line]:
    if not any(event.preview or _has_text(event) for event in cut.events):
        return
    layers = list(film_layers(cut))
    for span in _spans(layers):
        yield from _event_lines(cut, span)
    for span in _labelled(layers):
        if cut.events[span.event].preview:
            yield _label(cut, span)


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
            yield _card(cut.delivery, span, text)
        case SlateSource(name, reason):
            yield from _slate(cut.delivery, span, name, reason)


def _card(size: Size, span: TextSpan, text: str) -> Line:
    block = _fitted(size, text, wide=0.8, high=0.7, em=0.085)
    return _line(span, "text", block, 5, (size.width // 2, size.height // 2))


def _slate(size: Size, span: TextSpan, name: str, reason: str) -> Iterator[Line]:
    middle, seam = size.width // 2, round(size.height * 0.45)
    title = _fitted(size, one_line(name), wide=0.84, high=0.3, em=0.14)
    below = _fitted(size, printable(reason), wide=0.84, high=0.45, em=0.04)
    yield _line(span, "text", title, 2, (middle, seam))
    yield _line(span, "text", below, 8, (middle, seam + size.height // 40))


def _label(cut: Cut, span: TextSpan) -> Line:
    size, event = cut.delivery, cut.events[span.event]
    block = _fitted(size, one_line(f"{event.preview.upper()}  {event.name}"), wide=0.9, high=0.1, em=0.032)
    margin = round(min(size.width, size.height) * 0.03)
    return _line(span, "label", block, 7, (margin, margin))


def _fitted(size: Size, text: str, *, wide: float, high: float, em: float) -> TextBlock:
    """`wide` and `high` are shares of the delivery's sides. `em` is a share of the shorter one, so that upright films
    are as legible."""
    short = min(size.width, size.height)
    return fitted(
        _drawable(text), wide=wide * size.width, high=high * size.height, em=em * short, least=max(6.0, 0.02 * short)
    )


def _line(span: TextSpan, style: str, block: TextBlock, anchor: int, place: tuple[int, int]) -> Line:
    text = r"\N".join(_escaped(line) or r"\h" for line in block.lines)
    return Line(span.first, span.end, style, text, block.em, anchor, place, span.weight)


def _drawable(text: str) -> str:
    """Control characters except line ends become spaces: a card is the author's own text and shows no escapes."""
    return "".join(character if character == "\n" or character >= " " else " " for character in text.strip())


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
