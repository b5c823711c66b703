"""What a format cannot hold of a timeline, in words. docs/editors.md has the table."""

from __future__ import annotations

from collections.abc import Iterator

from wan_render.editors.editor_timeline import EditorTimeline, clip_cuts
from wan_render.editors.fcpxml_document import long_enough

MOST_EDL_EVENTS = 999
"""An edit decision list numbers its events with three digits."""

_ALTERNATES = ("edl", "fcp7", "mlt")
_MARKERS = ("mlt",)
_MARKER_COLOURS = {
    "fcp7": "a marker has a name, but no colour",
    "fcpx": "a marker of a failed or flagged check becomes a to-do item",
    "csv": "a marker has a name, but no frame and no colour",
}
_SETTINGS = {
    "edl": "prompts, seeds and settings",
    "mlt": "prompts, seeds and settings",
    "fcp7": "settings other than prompts, seed, model and take",
    "fcpx": "settings other than the prompt, seed, model and take",
    "csv": "settings other than prompts, seed, model and take",
}


def left_out(timeline: EditorTimeline, name: str) -> tuple[str, ...]:
    """A sentence for everything that the format loses of this timeline; empty if it loses nothing."""
    return tuple(_losses(timeline, name))


def _losses(timeline: EditorTimeline, name: str) -> Iterator[str]:
    yield from _lost_takes(timeline, name)
    yield from _lost_markers(timeline, name)
    yield from _lost_sounds(timeline, name)
    if name in _SETTINGS and any(media.metadata for clip in timeline.clips for media in clip.media):
        yield f"{_SETTINGS[name]}: the format has no fields for them; an .otio file has all of them"
    if timeline.metadata.get("dissolves") == "linear":
        yield "dissolves as light: editors mix video levels"
    if timeline.metadata.get("subtitles"):
        yield "subtitles: those that the film has as files are copied beside"
    if name == "edl":
        yield from _edl_losses(timeline)


def _lost_takes(timeline: EditorTimeline, name: str) -> Iterator[str]:
    alternates = sum(len(clip.media) - 1 for clip in timeline.clips)
    if alternates and name in _ALTERNATES:
        yield f"{_counted(alternates, 'alternate take')}: the format has one source for each clip"
    if name == "fcpx" and (short := _too_short(timeline)):
        yield f"{_counted(short, 'alternate take')} with fewer frames than the clip shows: an audition has one length"


def _lost_markers(timeline: EditorTimeline, name: str) -> Iterator[str]:
    markers = sum(len(clip.markers) for clip in timeline.clips)
    if markers and name in _MARKERS:
        yield f"{_counted(markers, 'marker')} with verdicts: the format has none"
    if markers and name == "edl":
        yield "case of markers' names: an EDL's are upper case"
    if markers and name in _MARKER_COLOURS:
        yield f"colours of markers: {_MARKER_COLOURS[name]}"


def _lost_sounds(timeline: EditorTimeline, name: str) -> Iterator[str]:
    if timeline.sounds and name in ("edl", "csv"):
        yield f"{_counted(len(timeline.sounds), 'sound')}: the format has pictures only; their files are in media/"
    elif timeline.sounds:
        yield "ducking and the loudness of the mix: each sound is a file of its own, with its gain and fades"


def _edl_losses(timeline: EditorTimeline) -> Iterator[str]:
    if any(clip.dissolve or clip.fade_in or clip.fade_out for clip in timeline.clips):
        yield "cut points within dissolves: in an EDL, a dissolve begins at the cut"
    if len(timeline.clips) > MOST_EDL_EVENTS:
        yield f"the limit of {MOST_EDL_EVENTS} events: this list has {len(timeline.clips)}; some programs refuse it"


def _too_short(timeline: EditorTimeline) -> int:
    return sum(len(cut.clip.media) - 1 - len(long_enough(cut)) for cut in clip_cuts(timeline))


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
