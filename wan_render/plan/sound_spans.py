"""Who brings sounds into a film, and from when to when: the film itself, its scenes, its shots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from wan_render.authored import PathInFile, Sound, Storyboard, Time
from wan_render.plan.film_plan import PlannedJoint, PlannedShot, PlannedTitle
from wan_render.plan.inherit import Inherited
from wan_render.plan.joints import Rates

SoundKind = Literal["music", "narration", "sound"]

MUSIC_DUCK = -9.0
"""In dB: how much quieter music is under speech, if it says nothing else. Editors use 6 to 12."""


@dataclass(frozen=True)
class SoundSpan:
    """Sounds of one part of the film, and when that part is on screen, in exact seconds.

    owner:   the id of the shot or scene; "" for the film. place: of the list of sounds in the storyboard.
    ends:    whether its sounds end with it if they have no `for`. Narration does not: no word is cut off.
    film:    when the film ends.
    fade_in, fade_out: of sounds that begin and end with it, from the joints at its two ends, or the film's own fades.
    """

    kind: SoundKind
    owner: str
    place: PathInFile
    sounds: tuple[Sound, ...]
    start: Fraction
    end: Fraction
    film: Fraction
    ends: bool = True
    fade_in: Fraction = Fraction(0)
    fade_out: Fraction = Fraction(0)

    @property
    def what(self) -> str:
        """`the film`, `scene 2`, `1/020`."""
        return "the film" if not self.owner else self.owner if "/" in self.owner else f"scene {self.owner}"

    @property
    def duck(self) -> float:
        """How its sounds are ducked if they say nothing else, in dB."""
        return MUSIC_DUCK if self.kind == "music" else 0.0


@dataclass(frozen=True)
class _OnScreen:
    """A shot on the film's clock, in film frames. joint_in: how the shot before it meets it."""

    inherited: Inherited
    start: int
    end: int
    joint_in: PlannedJoint | None
    joint_out: PlannedJoint | None


def sound_spans(
    storyboard: Storyboard,
    opening: Sequence[PlannedTitle],
    cast: Sequence[Inherited],
    shots: Sequence[PlannedShot],
    closing: Sequence[PlannedTitle],
    rates: Rates,
    own: Mapping[str, Sound] = MappingProxyType({}),
) -> tuple[SoundSpan, ...]:
    """Every part of the film that has sounds: first the film, then each scene and its shots.

    cast: the shots as written, each for one of `shots`. own: shot id → the sound of its own video file.
    """
    rate = rates.film
    on_screen = tuple(_on_screen(opening, cast, shots))
    film = Fraction(on_screen[-1].end + sum(title.frames for title in closing)) / rate
    audio, start = storyboard.audio, Fraction(0)
    fade_in, fade_out = (_seconds(time, rates) for time in (storyboard.film.fade_in, storyboard.film.fade_out))
    spans = [
        SoundSpan("music", "", ("audio", "music"), audio.music, start, film, film, fade_out=fade_out),
        SoundSpan("narration", "", ("audio", "narration"), audio.narration, start, film, film, ends=False),
    ]
    for part in _parts(storyboard, on_screen, own):
        span = _span(part, rate, film)
        if part.kind == "sound":
            at_start, at_end = span.start == 0, span.end == film
            span = replace(
                span,
                fade_in=fade_in if at_start else span.fade_in,
                fade_out=fade_out if at_end else span.fade_out,
            )
        spans.append(span)
    return tuple(span for span in spans if span.sounds)


@dataclass(frozen=True)
class _Part:
    """A scene or a shot that has sounds."""

    kind: SoundKind
    owner: str
    place: PathInFile
    sounds: tuple[Sound, ...]
    on_screen: _OnScreen


def _parts(storyboard: Storyboard, on_screen: Sequence[_OnScreen], own: Mapping[str, Sound]) -> Iterator[_Part]:
    for (at, scene), inside in zip(enumerate(storyboard.scenes), _by_scene(storyboard, on_screen), strict=True):
        if scene.sound and inside:
            whole = replace(inside[0], end=inside[-1].end, joint_out=inside[-1].joint_out)
            yield _Part("sound", scene.id, ("scenes", at, "sound"), scene.sound, whole)
        for one in inside:
            shot, place, name = one.inherited.shot, one.inherited.place, one.inherited.id
            if name in own:
                yield _Part("sound", name, (*place, "clip"), (own[name],), one)
            if shot.sound:
                yield _Part("sound", name, (*place, "sound"), shot.sound, one)
            if shot.narration:
                yield _Part("narration", name, (*place, "narration"), shot.narration, one)


def _by_scene(storyboard: Storyboard, on_screen: Sequence[_OnScreen]) -> list[list[_OnScreen]]:
    scenes: list[list[_OnScreen]] = [[] for _ in storyboard.scenes]
    for one in on_screen:
        scenes[one.inherited.index[0]].append(one)
    return scenes


def _on_screen(
    opening: Sequence[PlannedTitle], cast: Sequence[Inherited], shots: Sequence[PlannedShot]
) -> Iterator[_OnScreen]:
    at = sum(title.frames for title in opening)
    before: PlannedJoint | None = None
    for inherited, shot in zip(cast, shots, strict=True):
        end = at + shot.frames + shot.hold
        yield _OnScreen(inherited, at, end, before, shot.joint)
        before = shot.joint
        at = end - (before.frames if before is not None and before.kind == "dissolve" else 0)


def _span(part: _Part, rate: Fraction, film: Fraction) -> SoundSpan:
    one = part.on_screen
    fade_in = 0 if one.joint_in is None else _coming(one.joint_in)
    fade_out = 0 if one.joint_out is None else _going(one.joint_out)
    start, end, into, out = (Fraction(frames) / rate for frames in (one.start, one.end, fade_in, fade_out))
    ends = part.kind != "narration"
    return SoundSpan(part.kind, part.owner, part.place, part.sounds, start, end, film, ends, into, out)


def _coming(joint: PlannedJoint) -> int:
    """Film frames in which the next shot comes up: all of a dissolve, the second half of a fade, none of a bridge."""
    if joint.kind == "bridge":
        return 0
    return joint.frames // 2 if joint.kind == "fade" else joint.frames


def _going(joint: PlannedJoint) -> int:
    """Film frames in which the shot before it goes: all of a dissolve, the first half of a fade, none of a bridge."""
    if joint.kind == "bridge":
        return 0
    return joint.frames - joint.frames // 2 if joint.kind == "fade" else joint.frames


def _seconds(time: Time | None, rates: Rates) -> Fraction:
    return Fraction(0) if time is None else time.at(rates.written)
