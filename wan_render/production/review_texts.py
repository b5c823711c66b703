"""What is read and heard in a film, shot by shot, for its review page."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from wan_render.cut import Cut, Event
from wan_render.plan import FilmPlan, PlannedSound
from wan_render.report.review import HeardSound, ShownText


def texts_of(cut: Cut, event: Event, start: int) -> tuple[ShownText, ...]:
    """The subtitles that appear while an event is on screen. start: its first film frame."""
    if cut.subtitles is None:
        return ()
    frames = ((_frame(cue.start, cut.rate), cue) for cue in cut.subtitles.cues)
    shown = range(start, start + event.length - _overlap(event))
    return tuple(ShownText(at, cue.who, cue.text) for at, cue in frames if at in shown)


def sounds_of(plan: FilmPlan, cut: Cut, shot: str) -> tuple[HeardSound, ...]:
    """The sounds that a shot brings. The film itself, "", has those of its scenes as well."""
    return tuple(_heard(cut, sound) for sound in plan.sounds if _owner(sound) == shot)


def _owner(sound: PlannedSound) -> str:
    """The shot that brings it; "" for the film and for scenes."""
    return sound.owner if "/" in sound.owner else ""


def _heard(cut: Cut, sound: PlannedSound) -> HeardSound:
    placed = sound.placed
    begin = max(placed.start, Fraction(0))
    end = min(placed.start + placed.length, cut.frames / cut.rate)
    kind = sound.kind if not sound.owner or "/" in sound.owner else f"{sound.kind} of scene {sound.owner}"
    return HeardSound(
        _frame(begin, cut.rate), float(end - begin), kind, sound.name, sound.words, ", ".join(_settings(sound))
    )


def _settings(sound: PlannedSound) -> Iterator[str]:
    """What was set for it: `-6 dB`, `loop`, `in at 2 s`."""
    placed = sound.placed
    if placed.gain:
        yield f"{placed.gain:+g} dB"
    if placed.loop:
        yield "loop"
    for name, seconds in (("fade in", placed.fade_in), ("fade out", placed.fade_out), ("from", placed.skip)):
        if seconds >= Fraction(1, 100):
            yield f"{name} {float(seconds):.3g} s"
    if placed.duck:
        yield f"{placed.duck:g} dB under speech"


def _frame(seconds: Fraction, rate: Fraction) -> int:
    """The nearest film frame, as subtitles are burned in."""
    return (seconds * rate + Fraction(1, 2)).__floor__()


def _overlap(event: Event) -> int:
    """The frames of an event that belong to the next one as well."""
    return event.joint.frames if event.joint is not None and event.joint.kind == "dissolve" else 0
