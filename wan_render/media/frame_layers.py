"""Which pictures make up each film frame. Pure.

A film frame is a weighted sum of layers, each a frame of one event. If the weights sum to less than 1, the rest is
black. In a dissolve of n frames the incoming event has the weights 1/(n+1), 2/(n+1), …, n/(n+1), so no frame repeats
its neighbour. A fade in over m frames has the weights 0, 1/m, …, (m-1)/m, and a fade out the same in reverse, so the
outermost frame is black.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from wan_render.cut import Cut, Event

WHOLE = Fraction(1)
"""The weight of a picture that is alone and undimmed."""


@dataclass(frozen=True)
class Layer:
    """A picture within a film frame.

    event: its index in the cut. offset: film frames since the event began. weight: 0 (invisible) to 1 (alone).
    """

    event: int
    offset: int
    weight: Fraction


def film_layers(cut: Cut) -> Iterator[tuple[Layer, ...]]:
    """The layers of every film frame, in order. Later events are later layers."""
    spans = [(start, start + event.length) for start, event in zip(cut.starts, cut.events, strict=True)]
    begun, ended, total = 0, 0, cut.frames
    for frame in range(total):
        while begun < len(spans) and spans[begun][0] <= frame:
            begun += 1
        while spans[ended][1] <= frame:
            ended += 1
        visible = [index for index in range(ended, begun) if spans[index][1] > frame]
        brightness = _both(rising(frame, cut.fade_in), rising(total - 1 - frame, cut.fade_out))
        yield _layers(cut, brightness, [(index, frame - spans[index][0]) for index in visible])


def _layers(cut: Cut, brightness: Fraction, visible: list[tuple[int, int]]) -> tuple[Layer, ...]:
    if len(visible) == 1 and brightness is WHOLE:  # nearly every frame of nearly every film
        ((index, offset),) = visible
        return (Layer(index, offset, _fade(cut, index, offset)),)
    layers: list[Layer] = []
    left = brightness
    for index, offset in reversed(visible):  # from the top down: the rest of the weight goes to the layers below
        covers = _dissolve_in(cut, index, offset)
        layers.insert(0, Layer(index, offset, left * covers * _fade(cut, index, offset)))
        left *= 1 - covers
    return tuple(layers)


def _dissolve_in(cut: Cut, index: int, offset: int) -> Fraction:
    """The share, 0 to 1, of the layers below that an event covers at an offset."""
    joint = cut.events[index - 1].joint if index else None
    if joint is None or joint.kind != "dissolve" or offset >= joint.frames:
        return WHOLE
    return Fraction(offset + 1, joint.frames + 1)


def _fade(cut: Cut, index: int, offset: int) -> Fraction:
    """Brightness of the event, 0 to 1, in its fades from and to black."""
    event = cut.events[index]
    before = cut.events[index - 1] if index else None
    up, down = _fade_frames(before) // 2, _fade_frames(event) - _fade_frames(event) // 2
    return _both(rising(offset, up), rising(event.length - 1 - offset, down))


def _fade_frames(event: Event | None) -> int:
    """Film frames of the fade after an event; 0 for other joints."""
    joint = event.joint if event is not None else None
    return joint.frames if joint is not None and joint.kind == "fade" else 0


def rising(step: int, steps: int) -> Fraction:
    """0, 1/steps, …, (steps-1)/steps, then 1."""
    return Fraction(step, steps) if step < steps else WHOLE


def _both(one: Fraction, other: Fraction) -> Fraction:
    return one if other is WHOLE else other if one is WHOLE else one * other
