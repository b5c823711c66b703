"""A timeline as a table: one row per clip, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from wan_render.editors.editor_timeline import ClipCut, EditorTimeline, clip_cuts
from wan_render.report.shot_list import inert
from wan_render.report.timecode import timecode

_FROM_METADATA = ("take", "seed", "prompt", "negative", "model", "key")


def edit_table_text(timeline: EditorTimeline) -> str:
    """The text of a .csv file, with a byte order mark, so that Excel reads any script. No cell is run as a formula."""
    rows = [_row(number, cut, timeline) for number, cut in enumerate(clip_cuts(timeline), start=1)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: inert(cell) for name, cell in row.items()} for row in rows)
    return f"\ufeff{text.getvalue()}"


def _row(number: int, cut: ClipCut, timeline: EditorTimeline) -> dict[str, object]:
    clip, rate = cut.clip, timeline.rate
    head, tail = clip.handles
    return {
        "edit": number,
        "name": clip.name,
        "label": clip.shown.label,
        "rate": str(rate),
        "record_in": timecode(cut.start, rate),
        "record_out": timecode(cut.end, rate),
        "record_frame": cut.start,
        "frames": cut.frames,
        "source_frame": cut.source,
        "source_seconds": f"{float(cut.source / rate):.6f}",
        "media_rate": str(rate if clip.shown.own is None else clip.shown.own[1]),
        "hold": clip.hold,
        "transition": clip.joint,
        "dissolve": clip.dissolve,
        "fade_in": clip.fade_in,
        "fade_out": clip.fade_out,
        "handle_before": head,
        "handle_after": tail,
        "media": clip.shown.file or clip.shown.generator.get("text", ""),
        "reel": clip.shown.reel,
        "alternates": " ".join(media.file for media in clip.media if media is not clip.shown),
        **dict(_facts(cut)),
        "markers": "; ".join(marker.name for marker in clip.markers),
    }


def _facts(cut: ClipCut) -> Iterator[tuple[str, object]]:
    metadata = cut.clip.shown.metadata
    for name in _FROM_METADATA:
        yield name, metadata.get(name, "")
    yield "verdict", metadata.get("checks", {}).get("verdict", "")
    yield "action", cut.clip.metadata.get("action", "")
