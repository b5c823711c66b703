"""The cut of a film and what the store knows of its takes → an editor's timeline, and the files that it needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from pathlib import Path

from wan_render.cut import ClipSource, Cut, Event, SlateSource
from wan_render.editors.editor_timeline import EditorClip, EditorMedia, EditorTimeline
from wan_render.editors.finishing_left_out import finishing_left_out
from wan_render.editors.placement import (
    PlacedEvent,
    media_frames,
    placements,
    retimed_frames,
    source_frame,
    timeline_frames,
)
from wan_render.editors.sound_stems import SoundPiece, stems
from wan_render.editors.take_facts import ShotTakes, take_metadata, verdict_markers
from wan_render.footage.footage_part import FootagePart
from wan_render.media.prores import conformed_length
from wan_render.plan import CardText, FilmPlan, PlannedShot
from wan_render.plan.film_plan import delivered_name
from wan_render.store import Clip, Store
from wan_render.take import short

REEL_LENGTH = 8
"""Of a CMX 3600 edit decision list."""


@dataclass(frozen=True)
class MediaPiece:
    """A file of media to write: one event, alone, from its first frame. name: its stem. cut: it alone as a film."""

    name: str
    cut: Cut


@dataclass(frozen=True)
class MediaPlan:
    """Where the pictures of a timeline are.

    rate:    of the timeline.
    folder:  of the files to write, relative to the document; None if none are written: then what is no take is a
             generator.
    link:    the lossless clip of a take, relative to the document; None if takes are written as files.
    original: a video file of the storyboard, relative to the document; None if its part is written as a file.
    """

    rate: Fraction
    folder: str | None = None
    link: Callable[[Clip], str] | None = None
    original: Callable[[Path], str] | None = None


@dataclass(frozen=True)
class CutTimeline:
    """A timeline, the files that its media lack, and what could not be taken along, in words."""

    timeline: EditorTimeline
    pieces: tuple[MediaPiece, ...]
    stems: tuple[SoundPiece, ...]
    notes: tuple[str, ...]


def cut_timeline(cut: Cut, plan: FilmPlan, store: Store, version: str, media: MediaPlan) -> CutTimeline:
    """The timeline of a film. version: its name, `v003`. Raises ValueError or OSError if a take of the cut is not in
    the store."""
    maker = _Maker(cut, plan, store, media, ShotTakes.of(plan, store))
    clips = tuple(
        maker.clip(number, placed, start)
        for number, (placed, start) in enumerate(zip(placements(cut, media.rate), cut.starts, strict=True), start=1)
    )
    metadata = {"film": plan.slug, "version": version, "storyboard": plan.file.name, "native_rate": str(cut.rate)}
    metadata |= {"dissolves": cut.dissolves or "video", "subtitles": "" if cut.subtitles is None else "beside"}
    heard = stems(cut.sound, plan, media.rate, timeline_frames(cut, media.rate), media.folder)
    timeline = EditorTimeline(cut.title, media.rate, cut.delivery, clips, metadata, heard.sounds)
    notes = (*maker.notes, *finishing_left_out(cut, is_linked=media.link is not None))
    return CutTimeline(timeline, tuple(maker.pieces.values()), heard.pieces, notes)


@dataclass
class _Maker:
    """Makes clips, and collects their files and reels on the way."""

    cut: Cut
    plan: FilmPlan
    store: Store
    media: MediaPlan
    takes: ShotTakes
    pieces: dict[str, MediaPiece] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    reels: dict[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> Fraction:
        """Frames of the timeline for each native one."""
        return self.media.rate / self.cut.rate

    def clip(self, number: int, placed: PlacedEvent, native_start: int) -> EditorClip:
        """The clip of an event. number: its place in the film, from 1."""
        event = placed.event
        source = source_frame(placed, native_start, self.ratio)
        clip = EditorClip(
            name=event.name or f"title {number}",
            start=placed.start,
            frames=placed.end - placed.start,
            source=source,
            media=(),
            hold=placed.hold if self._is_linked(event) else 0,
            dissolve=placed.dissolve,
            fade_in=placed.fade_in,
            fade_out=placed.fade_out,
            joint=event.joint.kind if event.joint is not None else "",
            metadata=self._shot_metadata(event),
        )
        if isinstance(event.source, ClipSource):
            return self._fitted(self._with_takes(clip, event, event.source.key))
        if isinstance(event.source, FootagePart) and self.media.original is not None:
            return self._fitted(self._with_original(clip, event, event.source, self.media.original))
        return self._fitted(replace(clip, media=(self._still(number, event),)))

    def _with_original(
        self, clip: EditorClip, event: Event, part: FootagePart, original: Callable[[Path], str]
    ) -> EditorClip:
        """The video file itself. It is known up to the end of the part that the film shows."""
        file, rate = self.plan.footage[part.footage], self.media.rate
        name = self._free_name(delivered_name(self.plan.slug, event.name), part.footage)
        end, own_rate = part.begin + part.frames / part.rate, part.own_rate or part.rate
        own = (ceil(end * own_rate), own_rate) if own_rate != rate else None
        reel = self._reel(name, event, None)
        media = EditorMedia(name, "clip", ceil(end * rate), original(file), reel=reel, own=own)
        return replace(clip, source=clip.source + round(part.begin * rate), media=(media,))

    def _is_linked(self, event: Event) -> bool:
        """Whether the timeline shows a take's own clip, or a video file, which have no hold."""
        if isinstance(event.source, FootagePart):
            return self.media.original is not None
        return isinstance(event.source, ClipSource) and self.media.link is not None

    def _with_takes(self, clip: EditorClip, event: Event, active: str) -> EditorClip:
        numbered = self.takes.numbered(event.name, active)
        media: list[EditorMedia] = []
        shown = 0
        for number, key in numbered:
            if key == active:
                shown = len(media)
            elif reason := self._unfit(event, key):
                self.notes.append(f"{event.name}: take {number} is no alternate: {reason}")
                continue
            media.append(self._take(event, number, key))
        ratio = self.media.rate / (event.rate or self.cut.rate)
        markers = verdict_markers(self.takes.judged(event.name, active), ratio)
        return replace(clip, media=tuple(media), active=shown, markers=markers)

    def _unfit(self, event: Event, key: str) -> str:
        found = self.store.find(key)
        if found is None:
            return "it is no longer in the store"
        if found.size != self.cut.size:
            return f"it is {found.size}, the film's raster is {self.cut.size}"
        wanted = event.rate or self.cut.rate
        return "" if found.rate == wanted else f"it has {found.rate} frames per second, the shot's clip {wanted}"

    def _take(self, event: Event, number: int, key: str) -> EditorMedia:
        record = self.store.record(key)
        clip = record.clip(self.store.takes.folder / key)
        name = self._free_name(delivered_name(self.plan.slug, event.name, number), key)
        judgement = self.takes.judged(event.name, key)
        own = None
        if self.media.link is not None:
            file, frames = self.media.link(clip), self._linked_frames(event, clip)
            own = (clip.frames, clip.rate) if clip.rate != self.media.rate else None
        else:
            alone = self._alone(event, clip)
            file, frames = self._piece(name, alone), conformed_length(alone, self.media.rate)
        return EditorMedia(
            name,
            f"take {number}",
            frames,
            file,
            reel=self._reel(name, event, number),
            metadata=take_metadata(record, event.name, number, judgement),
            own=own,
        )

    def _linked_frames(self, event: Event, clip: Clip) -> int:
        ratio = self.media.rate / clip.rate
        return media_frames(clip.frames, ratio) if event.rate is None else retimed_frames(clip.frames, ratio)

    def _alone(self, event: Event, clip: Clip) -> Cut:
        """A take as a film from its first frame on, with the event's hold. If the film retimes it, so is this, to the
        timeline's rate; if not, frames are repeated when it is written."""
        rate = self.cut.rate if event.rate is None else self.media.rate
        ratio = rate / self.cut.rate
        native = rate / clip.rate
        frames = media_frames(clip.frames, native) if event.rate is None else retimed_frames(clip.frames, native)
        if event.hold:
            frames = min(frames, media_frames(event.first + event.frames, ratio))
        hold = media_frames(event.hold, ratio)
        source = ClipSource(clip.key)
        alone = replace(event, source=source, first=0, frames=frames, hold=hold, rate=event.rate and clip.rate)
        return replace(self._alone_in_film(alone), rate=rate)

    def _still(self, number: int, event: Event) -> EditorMedia:
        """A card, a title, a slate or a still: as long as it is seen."""
        label = _label(event)
        name = delivered_name(self.plan.slug, event.name) if event.name else f"{self.plan.slug}_title{number}"
        generator: Mapping[str, str] = {}
        file = ""
        if self.media.folder is None:
            generator = _generator(event)
        else:
            file = self._piece(name, self._alone_in_film(event))
        frames = media_frames(event.length, self.ratio)
        return EditorMedia(name, label, frames, file, generator, self._reel(name, event, None))

    def _alone_in_film(self, event: Event) -> Cut:
        retime = self.cut.retime if event.rate is not None else None
        events = (replace(event, joint=None),)
        alone = replace(self.cut, title="", fade_in=0, fade_out=0, events=events, retime=retime)
        return replace(alone, sound=None, subtitles=None, dissolves=None, repair=None, easing=None)

    def _piece(self, name: str, alone: Cut) -> str:
        self.pieces[name] = MediaPiece(name, alone)
        return f"{self.media.folder}/{name}.mov"

    def _free_name(self, name: str, key: str) -> str:
        """The name of a take's file. Two takes of a shot can have had the same number."""
        return name if name not in self.pieces and name not in self.reels else f"{name}_{short(key)}"

    def _reel(self, name: str, event: Event, take: int | None) -> str:
        """The reel: `020T02` for a take, `020` for a still; a number where that is too long or not free."""
        shot = re.sub(r"[^A-Z0-9]", "", event.name.partition("/")[2].upper().encode("ascii", "ignore").decode())
        wanted = shot if take is None else f"{shot}T{take:02}"
        given = set(self.reels.values())
        if not shot or len(wanted) > REEL_LENGTH or wanted in given:
            wanted = next(reel for count in range(1, 10**6) if (reel := f"W{count:05}") not in given)
        self.reels[name] = wanted
        return wanted

    def _fitted(self, clip: EditorClip) -> EditorClip:
        """The clip within its media: rounding to the timeline's rate can move it by one frame."""
        over = clip.source + clip.frames - clip.hold - clip.shown.frames
        return clip if over <= 0 else replace(clip, source=max(0, clip.source - over))

    def _shot_metadata(self, event: Event) -> dict[str, str]:
        shot = self.takes.shots.get(event.name)
        joint = event.joint
        words = {"joint": f"{joint.kind} {joint.frames}f" if joint is not None and joint.frames else _kind(event)}
        words |= {"preview": event.preview, "slate": _reason(event)}
        words |= dict(_shot_words(shot)) if shot is not None else {}
        return {key: text for key, text in words.items() if text}


def _shot_words(shot: PlannedShot) -> Iterator[tuple[str, str]]:
    yield "scene", shot.scene
    yield "shot", shot.name
    for key in ("slugline", "action", "notes"):
        yield key, getattr(shot, key) or ""


def _kind(event: Event) -> str:
    return event.joint.kind if event.joint is not None else ""


def _reason(event: Event) -> str:
    return event.source.reason if isinstance(event.source, SlateSource) else ""


def _label(event: Event) -> str:
    match event.source:
        case CardText():
            return "card" if event.name else "title"
        case SlateSource():
            return "slate"
        case FootagePart():
            return "clip"
        case _:
            return "still"


def _generator(event: Event) -> dict[str, str]:
    match event.source:
        case CardText(text):
            return {"kind": "card", "text": text}
        case SlateSource(name, reason):
            return {"kind": "slate", "text": f"{name}\n{reason}"}
        case _:
            return {"kind": "still"}
