"""A timeline as an OpenTimelineIO document: the JSON of its schemas Timeline.1, Track.1, Clip.2, Transition.1, Gap.1,
Marker.2, ExternalReference.1, GeneratorReference.1 and FreezeFrame.1.

Written by hand, so that every film has one: opentimelineio is not for every Python and every machine that wan-render
runs on. Tests read the documents with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from urllib.parse import quote

from wan_render.editors.editor_timeline import (
    ClipCut,
    EditorClip,
    EditorMarker,
    EditorMedia,
    EditorSound,
    EditorTimeline,
    clip_cuts,
)
from wan_render.printable import one_line, printable

NAMESPACE = "wan_render"
"""The key of our metadata in a document."""

Json = dict[str, Any]


def otio_text(timeline: EditorTimeline) -> str:
    """The text of a .otio file. Links to media are relative to it."""
    return printable(json.dumps(otio_document(timeline), ensure_ascii=False, indent=1)) + "\n"


def otio_document(timeline: EditorTimeline) -> Json:
    """The document as JSON values."""
    rate = timeline.rate
    picture = _object("Track.1", "V1", kind="Video", children=list(_children(timeline)))
    stack = _object("Stack.1", "tracks", children=[picture, *_sound_tracks(timeline)])
    return {
        "OTIO_SCHEMA": "Timeline.1",
        "name": one_line(timeline.name),
        "metadata": {NAMESPACE: dict(timeline.metadata)},
        "global_start_time": _time(0, rate),
        "tracks": stack,
    }


def _children(timeline: EditorTimeline) -> Iterator[Json]:
    """The items of the picture track, with transitions between them. Black between a fade out and a fade in is a gap
    without length."""
    rate = timeline.rate
    for number, cut in enumerate(clip_cuts(timeline)):
        clip = cut.clip
        if clip.fade_in:
            if number:
                yield _gap(timeline.clips[number - 1].fade_out, rate)
            yield _transition("fade in", 0, clip.fade_in, rate)
        yield from _clip_items(cut, rate)
        if clip.fade_out:
            yield _transition("fade out", clip.fade_out, 0, rate)
            if number == len(timeline.clips) - 1 or not timeline.clips[number + 1].fade_in:
                yield _gap(clip.fade_out, rate)
        if clip.dissolve:
            yield _transition("dissolve", cut.before, cut.after, rate)


def _sound_tracks(timeline: EditorTimeline) -> Iterator[Json]:
    for name, sounds in timeline.lanes.items():
        items, at = [], 0
        for sound in sounds:
            if sound.start > at:
                items.append(_object("Gap.1", "silence", source_range=_range(0, sound.start - at, timeline.rate)))
            items.append(_sound(sound, timeline.rate))
            at = sound.end
        yield _object("Track.1", name, kind="Audio", children=items)


def _sound(sound: EditorSound, rate: Fraction) -> Json:
    return _object(
        "Clip.2",
        sound.name,
        source_range=_range(0, sound.frames, rate),
        media_references={"DEFAULT_MEDIA": _reference(sound.media, rate, sound.name)},
        active_media_reference_key="DEFAULT_MEDIA",
    )


def _clip_items(cut: ClipCut, rate: Fraction) -> Iterator[Json]:
    """The clip; if its hold is not in its media, a second one that freezes the last frame before the hold."""
    frozen = max(0, cut.end - (cut.clip.end - cut.clip.hold)) if cut.clip.hold else 0
    moving = cut.frames - frozen
    if moving > 0:
        yield _clip(cut.clip, cut.source, moving, rate)
    if frozen > 0:
        last = cut.clip.source + cut.clip.frames - cut.clip.hold - 1
        effect = _object("FreezeFrame.1", "hold", effect_name="FreezeFrame", time_scalar=0.0)
        yield _clip(cut.clip, last, frozen, rate) | {"effects": [_plain(effect)], "markers": []}


def _clip(clip: EditorClip, source: int, frames: int, rate: Fraction) -> Json:
    keys = _reference_keys(clip)
    return _object(
        "Clip.2",
        clip.name,
        source_range=_range(source, frames, rate),
        metadata={NAMESPACE: dict(clip.metadata)} if clip.metadata else {},
        markers=[_marker(marker, rate) for marker in clip.markers],
        media_references={key: _reference(media, rate, clip.name) for key, media in zip(keys, clip.media, strict=True)},
        active_media_reference_key=keys[clip.active],
    )


def _reference_keys(clip: EditorClip) -> list[str]:
    """A key for each alternate: its label, with a number if another one has the same."""
    keys: list[str] = []
    for media in clip.media:
        label = one_line(media.label)
        keys.append(label if label not in keys else f"{label} ({len(keys) + 1})")
    return keys


def _reference(media: EditorMedia, rate: Fraction, clip_name: str) -> Json:
    common = {
        "name": one_line(media.name or clip_name),
        "available_range": _range(0, *(media.own or (media.frames, rate))),
        "available_image_bounds": None,
        "metadata": {NAMESPACE: dict(media.metadata)} if media.metadata else {},
    }
    if media.file:
        return {"OTIO_SCHEMA": "ExternalReference.1", **common, "target_url": media_url(media.file)}
    kind = media.generator.get("kind", "black")
    parameters = {key: text for key, text in media.generator.items() if key != "kind"}
    return {"OTIO_SCHEMA": "GeneratorReference.1", **common, "generator_kind": kind, "parameters": parameters}


def media_url(file: str) -> str:
    """A relative path as a relative URL."""
    return quote(file, safe="/-_.~")


def _marker(marker: EditorMarker, rate: Fraction) -> Json:
    return {
        "OTIO_SCHEMA": "Marker.2",
        "metadata": {},
        "name": one_line(marker.name),
        "color": marker.colour,
        "comment": "",
        "marked_range": _range(marker.frame, 1, rate),
    }


def _transition(name: str, before: int, after: int, rate: Fraction) -> Json:
    return {
        "OTIO_SCHEMA": "Transition.1",
        "metadata": {},
        "name": name,
        "transition_type": "SMPTE_Dissolve",
        "in_offset": _time(before, rate),
        "out_offset": _time(after, rate),
    }


def _gap(reach: int, rate: Fraction) -> Json:
    """Black without length. reach: frames of the fade before it, which an EDL counts as part of it."""
    return _object("Gap.1", "black", source_range=_range(reach, 0, rate))


def _object(schema: str, name: str, **fields: Any) -> Json:
    """An item of a timeline, with the fields that every item has."""
    common: Json = {
        "OTIO_SCHEMA": schema,
        "name": one_line(name),
        "metadata": {},
        "source_range": None,
        "effects": [],
        "markers": [],
        "enabled": True,
    }
    return common | fields


def _plain(item: Json) -> Json:
    """An effect, which has neither a range nor effects of its own."""
    return {key: value for key, value in item.items() if key not in ("source_range", "effects", "markers")}


def _range(start: int, frames: int, rate: Fraction) -> Json:
    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": _time(start, rate), "duration": _time(frames, rate)}


def _time(frame: int, rate: Fraction) -> Json:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": float(rate), "value": float(frame)}
