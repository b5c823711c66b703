"""Timelines in the formats that opentimelineio's adapters write: CMX 3600 edit decision lists, Final Cut Pro 7 XML.

The adapters are in the extra `editors` and are imported when they are used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_render.editors.editor_timeline import ClipCut, EditorTimeline, clip_cuts
from wan_render.editors.otio_document import otio_document
from wan_render.errors import Problem, UsageError
from wan_render.printable import one_line

if TYPE_CHECKING:
    import opentimelineio as otio

ADAPTERS: Mapping[str, tuple[str, str]] = {
    "edl": ("cmx_3600", "otio_cmx3600_adapter"),
    "fcp7": ("fcp_xml", "otio_fcp_adapter"),
}
"""Our format → opentimelineio's name of the adapter, and the package that it is in."""


def require_adapter(name: str) -> None:
    """Raise UsageError if a format needs the extra `editors`, and it is not installed."""
    from importlib.util import find_spec

    if name not in ADAPTERS:
        return
    missing = [package for package in ("opentimelineio", ADAPTERS[name][1]) if find_spec(package) is None]
    if missing:
        found = f"needs {' and '.join(missing)}, which is not installed"
        remedy = "install the extra: pip install 'wan-render[editors]'"
        raise UsageError(Problem(f"--to {name}", found, "without the extra: otio, otioz, fcpx, mlt, csv", remedy))


def adapted_text(timeline: EditorTimeline, name: str, folder: Path) -> str:
    """The text of a file in one of ADAPTERS' formats. folder: where it will be; these formats have absolute links."""
    import opentimelineio as otio

    # The adapters take no alternates. Removing them in the document crashed opentimelineio 0.18.
    shown = replace(timeline, clips=tuple(replace(clip, media=(clip.shown,), active=0) for clip in timeline.clips))
    if name == "edl":
        shown = replace(shown, sounds=())
    document: otio.schema.Timeline = otio.adapters.read_from_string(json.dumps(otio_document(shown)), "otio_json")
    items = [item for track in document.video_tracks() for item in track.find_clips()]
    prepare: Callable[[Any, ClipCut, Path], None] = {"edl": _for_edl, "fcp7": _for_fcp7}[name]
    for item, cut in zip(items, clip_cuts(timeline), strict=True):
        prepare(item, cut, folder)
    heard = [item for track in document.audio_tracks() for item in track.find_clips()]
    for item, sound in zip(heard, (sound for lane in shown.lanes.values() for sound in lane), strict=True):
        item.media_reference.target_url = (folder / sound.media.file).absolute().as_uri()
    if name == "fcp7":
        document.metadata["fcp_xml"] = _fcp7_sequence(timeline)
    options = {"rate": float(timeline.rate)} if name == "edl" else {}
    text = str(otio.adapters.write_to_string(document, ADAPTERS[name][0], **options))
    return _with_each_locator_once(text.replace("\n", "\nFCM: NON-DROP FRAME\n", 1)) if name == "edl" else text


def _with_each_locator_once(text: str) -> str:
    """An EDL whose locators are written once. The adapter repeats a clip's comments in the events of a dissolve."""
    lines = text.splitlines(keepends=True)
    first = {line: at for at, line in reversed([*enumerate(lines)])}
    return "".join(line for at, line in enumerate(lines) if not line.startswith("* LOC:") or first[line] == at)


def _for_edl(item: Any, cut: ClipCut, folder: Path) -> None:
    """The reel, and which file and shot it is: programs find media by the clip's name or by the reel. An EDL is plain
    text: a name is a line of its own. A locator has a record time, while the adapter writes a marker's own time."""
    clip = cut.clip
    item.name = Path(clip.shown.file).name
    item.media_reference.target_url = str((folder / clip.shown.file).absolute())
    comments = [f"SHOT {_text(clip.name)}", f"REEL {clip.shown.reel}: {clip.shown.name}"]
    item.metadata["cmx_3600"] = {"reel": clip.shown.reel, "comments": comments}
    for marker, written in zip(clip.markers, item.markers, strict=True):
        time = written.marked_range.start_time
        at = min(max(cut.start + marker.frame - cut.source, cut.start), cut.end - 1)
        written.marked_range = type(written.marked_range)(type(time)(at, time.rate), written.marked_range.duration)


def _for_fcp7(item: Any, cut: ClipCut, folder: Path) -> None:
    """The shot's facts in the fields of a log, and the file's media: it has no sound."""
    clip = cut.clip
    item.media_reference.target_url = (folder / clip.shown.file).absolute().as_uri()
    media = clip.shown.metadata
    verdict = media.get("checks", {}).get("verdict", "")
    item.metadata["fcp_xml"] = {
        "logginginfo": {
            "description": _text(clip.metadata.get("action", "")),
            "scene": _text(clip.metadata.get("scene", "")),
            "shottake": _text(clip.shown.label),
            "lognote": _text(media.get("prompt", "")),
            "good": "FALSE" if verdict == "fail" else "TRUE",
        },
        "comments": {"mastercomment1": _text(_settings(media)), "mastercomment2": _text(media.get("negative", ""))},
    }
    item.media_reference.metadata["fcp_xml"] = {
        "timecode": {"reel": {"name": clip.shown.reel}},
        "media": {"video": {"duration": str(clip.shown.frames)}},
    }


def _fcp7_sequence(timeline: EditorTimeline) -> dict[str, Any]:
    """The format of the sequence, without which editors ask for one."""
    size = {"width": str(timeline.size.width), "height": str(timeline.size.height), "pixelaspectratio": "square"}
    return {"media": {"video": {"format": {"samplecharacteristics": size | {"fielddominance": "none"}}}}}


def _settings(media: Mapping[str, Any]) -> str:
    """`seed 5, model wan, take 7f3a91b2`."""
    if "key" not in media:
        return ""
    return f"seed {media['seed']}, model {media['model']}, take {str(media['key'])[:8]}"


def _text(value: object) -> str:
    return one_line(str(value))
