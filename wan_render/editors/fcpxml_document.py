"""A timeline as FCPXML 1.10, which Final Cut Pro X, DaVinci Resolve and others read.

Written by hand: the adapter of opentimelineio loses dissolves, fades and alternates, and gives no raster. Elements,
their order and their attributes are those of Apple's DTD of FCPXML 1.10.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from wan_render.editors.editor_timeline import ClipCut, EditorMedia, EditorSound, EditorTimeline, clip_cuts
from wan_render.printable import one_line

FORMAT, DISSOLVE = "r1", "r2"
"""Ids of resources."""

_CROSS_DISSOLVE = "FxPlug:4731E73A-8DAC-4113-9A30-AE85B1761265"
"""What Final Cut Pro calls its cross dissolve."""


_PICTURE = {"hasVideo": "1", "format": FORMAT}
_STEREO = {"hasAudio": "1", "audioSources": "1", "audioChannels": "2", "audioRate": "48000"}


def fcpxml_text(timeline: EditorTimeline, folder: Path) -> str:
    """The text of a .fcpxml file. folder: where it will be; its links are absolute. Every media needs a file."""
    root = Xml.Element("fcpxml", version="1.10")
    assets = _resources(root, timeline, folder)
    event = Xml.SubElement(root, "event", name=one_line(str(timeline.metadata.get("film", timeline.name))))
    project = Xml.SubElement(event, "project", name=one_line(timeline.name))
    length = _seconds(timeline.frames, timeline.rate)
    sound = {"audioLayout": "stereo", "audioRate": "48k"} if timeline.sounds else {}
    clock = {"format": FORMAT, "duration": length, "tcStart": "0s", "tcFormat": "NDF"}
    sequence = Xml.SubElement(project, "sequence", clock | sound)
    spine = Xml.SubElement(sequence, "spine")
    for cut in clip_cuts(timeline):
        spine.append(_spine_item(cut, assets, timeline))
        if cut.clip.dissolve:
            spine.append(_transition(cut, timeline.rate))
    Xml.indent(root, " ")
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
    return head + Xml.tostring(root, encoding="unicode") + "\n"


def _resources(root: Xml.Element, timeline: EditorTimeline, folder: Path) -> Mapping[str, str]:
    """Write the format, the dissolve and every file of media. Returns the ids of the files by their media's names."""
    resources = Xml.SubElement(root, "resources")
    size = timeline.size
    Xml.SubElement(
        resources,
        "format",
        id=FORMAT,
        frameDuration=_seconds(1, timeline.rate),
        width=str(size.width),
        height=str(size.height),
        colorSpace="1-1-1 (Rec. 709)",
    )
    if any(clip.dissolve for clip in timeline.clips):
        Xml.SubElement(resources, "effect", id=DISSOLVE, name="Cross Dissolve", uid=_CROSS_DISSOLVE)
    assets: dict[str, str] = {}
    heard = [sound.media for sound in timeline.sounds]
    for media in (*(media for clip in timeline.clips for media in clip.media), *heard):
        if media.name not in assets:
            assets[media.name] = f"a{len(assets) + 1}"
            attributes = {
                "id": assets[media.name],
                "name": one_line(media.name),
                "start": "0s",
                "duration": _seconds(media.frames, timeline.rate),
            }
            asset = Xml.SubElement(resources, "asset", attributes | (_STEREO if media in heard else _PICTURE))
            Xml.SubElement(asset, "media-rep", kind="original-media", src=(folder / media.file).absolute().as_uri())
    return assets


def _spine_item(cut: ClipCut, assets: Mapping[str, str], timeline: EditorTimeline) -> Xml.Element:
    """The shown take, with the sounds that begin in it; with alternates an audition, whose first clip it is."""
    others, rate = long_enough(cut), timeline.rate
    shown = _asset_clip(cut, cut.clip.shown, assets, rate)
    for lane, sounds in enumerate(timeline.lanes.values(), start=1):
        for sound in sounds:
            if cut.start <= sound.start < cut.end:
                _connect(shown, sound, -lane, cut, assets, rate)
    if not others:
        shown.set("offset", _seconds(cut.start, rate))
        return shown
    audition = Xml.Element("audition", offset=_seconds(cut.start, rate))
    audition.append(shown)
    audition.extend(_asset_clip(cut, media, assets, rate) for media in others)
    return audition


def _connect(
    parent: Xml.Element, sound: EditorSound, lane: int, cut: ClipCut, assets: Mapping[str, str], rate: Fraction
) -> None:
    """Put a sound under a clip, before the clip's markers. Its place is counted on the clip's own clock."""
    item = Xml.Element(
        "asset-clip",
        ref=assets[sound.media.name],
        lane=str(lane),
        name=one_line(sound.name),
        offset=_seconds(cut.source + sound.start - cut.start, rate),
        start="0s",
        duration=_seconds(sound.frames, rate),
        audioRole="dialogue" if sound.media.label == "narration" else "effects",
    )
    markers = [at for at, child in enumerate(parent) if child.tag == "marker"]
    parent.insert(markers[0] if markers else len(parent), item)


def long_enough(cut: ClipCut) -> tuple[EditorMedia, ...]:
    """The alternates that have all frames between the cut points. The clips of an audition share one place."""
    alternates = (media for media in cut.clip.media if media is not cut.clip.shown)
    return tuple(media for media in alternates if media.frames >= cut.source + cut.frames)


def _asset_clip(cut: ClipCut, media: EditorMedia, assets: Mapping[str, str], rate: Fraction) -> Xml.Element:
    clip = cut.clip
    item = Xml.Element(
        "asset-clip",
        ref=assets[media.name],
        name=one_line(f"{clip.name} {media.label}"),
        start=_seconds(cut.source, rate),
        duration=_seconds(cut.frames, rate),
        tcFormat="NDF",
    )
    if note := _note(clip.metadata, media.metadata):
        Xml.SubElement(item, "note").text = note
    _add_fades(item, clip.fade_in, clip.fade_out, rate)
    if media is clip.shown:
        for marker in clip.markers:
            place = {"start": _seconds(marker.frame, rate), "duration": _seconds(1, rate)}
            element = Xml.SubElement(item, "marker", {**place, "value": one_line(marker.name)})
            if marker.colour != "GREEN":
                element.set("completed", "0")
    return item


def _add_fades(item: Xml.Element, fade_in: int, fade_out: int, rate: Fraction) -> None:
    """Fades of the opacity: from and to what is below, which is black."""
    if not fade_in and not fade_out:
        return
    amount = Xml.SubElement(Xml.SubElement(item, "adjust-blend", amount="1.0"), "param", name="amount")
    for name, frames in (("fadeIn", fade_in), ("fadeOut", fade_out)):
        if frames:
            Xml.SubElement(amount, name, type="linear", duration=_seconds(frames, rate))


def _transition(cut: ClipCut, rate: Fraction) -> Xml.Element:
    length = _seconds(cut.clip.dissolve, rate)
    item = Xml.Element(
        "transition", name="Cross Dissolve", offset=_seconds(cut.end - cut.before, rate), duration=length
    )
    Xml.SubElement(item, "filter-video", ref=DISSOLVE, name="Cross Dissolve")
    return item


def _note(shot: Mapping[str, Any], take: Mapping[str, Any]) -> str:
    return one_line("; ".join(_note_parts(shot, take)))


def _note_parts(shot: Mapping[str, Any], take: Mapping[str, Any]) -> Iterator[str]:
    yield from (str(shot[key]) for key in ("action", "slate") if key in shot)
    if "key" in take:
        yield f"prompt: {take['prompt']}"
        yield f"seed {take['seed']}, model {take['model']}, take {str(take['key'])[:8]}"


def _seconds(frames: int, rate: Fraction) -> str:
    """A time as FCPXML writes it: `81/24s`, `5s`."""
    time = frames / rate
    return f"{time.numerator}s" if time.denominator == 1 else f"{time.numerator}/{time.denominator}s"
