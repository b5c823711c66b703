"""Conforms the video files of a cut: the same film, of clips in the film's shape.

Each part of a file that is shown is an intermediate, so a killed run goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from wan_render.cut import ClipSource, Cut
from wan_render.errors import InputError, MachineError, Problem
from wan_render.facts import forget_digest
from wan_render.footage.footage_frames import conformed_frames
from wan_render.footage.footage_part import FOOTAGE_FORM, FootagePart, SizedFootage
from wan_render.keys import content_key
from wan_render.media.clip import write_pictures
from wan_render.media.clip_coding import INTERMEDIATE_CODING
from wan_render.media.part_progress import OnDone, part_progress
from wan_render.media.raster import FilmSources, SourcesWithOwnClips
from wan_render.settings import machine_settings
from wan_render.store.disk import disk_errors, file_digest
from wan_render.store.intermediates import Intermediates
from wan_render.store.publishing import publishing
from wan_render.take import Size


def conformed(
    cut: Cut, sources: FilmSources, footage: Mapping[str, Path], intermediates: Intermediates, progress: OnDone
) -> tuple[Cut, FilmSources]:
    """The cut with a clip at its size for every part of a video file, and its sources.

    footage: SHA-256 → file. progress: called with the frames done and their total. Raises MachineError if a file was
    changed or removed since it was planned, or DiskError.
    """
    parts = {event.source: event.name for event in reversed(cut.events) if isinstance(event.source, FootagePart)}
    total, done = sum(part.frames for part in parts), 0
    keys, kept = {}, {}
    with publishing(intermediates) as each:
        for part, name in reversed(parts.items()):
            wanted = SizedFootage(part, cut.size)
            keys[part] = key = content_key(FOOTAGE_FORM, wanted)
            report = part_progress(progress, done, total)

            def write(target: Path, wanted: SizedFootage = wanted, name: str = name, report: OnDone = report) -> None:
                _write(footage.get(wanted.part.footage), wanted, name, target, report)

            kept[key] = each.made(key, f"{name}, a video file at {cut.size}", INTERMEDIATE_CODING.suffix, write)
            done += part.frames
            progress(done, total)
    files = {key: made.result() for key, made in kept.items()}
    if not parts:
        return cut, sources
    events = (
        replace(event, source=ClipSource(keys[event.source])) if isinstance(event.source, FootagePart) else event
        for event in cut.events
    )
    return replace(cut, events=tuple(events)), SourcesWithOwnClips(sources, files)


def conformed_file(part: FootagePart, size: Size, intermediates: Intermediates) -> Path | None:
    """The conformed video of a part at a size; None if it is not made."""
    return intermediates.find(content_key(FOOTAGE_FORM, SizedFootage(part, size)))


def _write(file: Path | None, wanted: SizedFootage, name: str, target: Path, report: OnDone) -> None:
    total = wanted.part.frames
    report(0, total)
    _check(file, wanted.part.footage, name)
    assert file is not None  # noqa: S101 - for mypy: checked
    try:
        frames = conformed_frames(file, wanted, lambda done: report(done, total))
        write_pictures(target, frames, wanted.size, wanted.part.rate, INTERMEDIATE_CODING)
    except InputError as error:
        raise MachineError(*error.problems) from error


def _check(file: Path | None, digest: str, name: str) -> None:
    """Raise MachineError if the file is not the one that was planned."""
    again = "run the same command again"
    if file is None:
        raise MachineError(Problem(name, "its video file is no longer that of the storyboard", "", again))
    with disk_errors(file):
        changed = file_digest(file) != digest
    if changed:
        forget_digest(machine_settings().cache, file)
        raise MachineError(Problem(f"{name}: {file.name}", "was changed since the plan was made", "", again))
