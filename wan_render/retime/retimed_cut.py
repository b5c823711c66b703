"""Retimes every clip of a cut that has a pace or another rate than the film: the same film, of clips as shown."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from wan_render.cut import ClipSource, Cut, Event
from wan_render.keys import content_key
from wan_render.media.clip_coding import INTERMEDIATE_CODING
from wan_render.media.part_progress import OnDone, part_progress
from wan_render.media.raster import FilmSources, SourcesWithOwnClips
from wan_render.retime.clip_retimer import ClipRetimer, ClipToRetime, RetimedPart
from wan_render.retime.interpolator import weights_of
from wan_render.store.intermediates import Intermediates
from wan_render.store.publishing import publishing

RETIMED_FORM = "retimed/1"
"""Tag and version of the keys of retimed clips."""


class RetimesClips(Protocol):
    """Retimes one clip somewhere: in this process, or on a device of the farm."""

    def __call__(self, job: ClipToRetime, progress: OnDone) -> None:
        """Write `job.target`. Raises MachineError; Stopped, and what `progress` raises."""


def retimed(
    cut: Cut,
    sources: FilmSources,
    intermediates: Intermediates,
    progress: OnDone,
    work: RetimesClips | None = None,
) -> tuple[Cut, FilmSources]:
    """The cut with every clip at the film's rate and its own pace, and its sources. Nothing is made for clips that are
    shown as they are.

    Each retimed clip is an intermediate. progress: called with the frames of retimed clips that are done, and their
    total. work: for a method with weights; without it, and by other methods, clips are retimed in this process, on the
    CPU. Raises MachineError if a clip cannot be read, DiskError, WeightsError, and what `work` raises.
    """
    if cut.retime is None:
        return cut, sources
    weights = weights_of(cut.retime)
    if work is None or weights is None:
        work = ClipRetimer("cpu").retime
    parts = {at: _part(cut, at) for at, event in enumerate(cut.events) if _is_retimed(event)}
    total, done = sum(part.frames for part in parts.values()), 0
    kept: dict[str, Future[Path]] = {}
    events = list(cut.events)
    with publishing(intermediates) as each:
        for at, part in parts.items():
            key, event = content_key(RETIMED_FORM, part), cut.events[at]
            clip, following = sources.clip(part.clip), sources.clip(part.following) if part.following else None
            report = part_progress(progress, done, total)
            job = ClipToRetime(part, clip, following, cut.size, weights, Path())
            what = f"{event.name}, {_change(part)}, by {part.form}"
            kept[key] = each.made(key, what, INTERMEDIATE_CODING.suffix, partial(_write, job, work, report))
            events[at] = replace(event, source=ClipSource(key), first=0, rate=None, pace=None)
            done += part.frames
            progress(done, total)
    files = {key: made.result() for key, made in kept.items()}
    return replace(cut, events=tuple(events), retime=None), SourcesWithOwnClips(sources, files)


def _is_retimed(event: Event) -> bool:
    return event.rate is not None or event.pace is not None


def _change(part: RetimedPart) -> str:
    """`16 to 24 frames per second, evened`."""
    rates = f"{float(part.rate):g} to {float(part.film_rate):g} frames per second"
    words = (rates if part.rate != part.film_rate else "", "motion evened" if part.pace is not None else "")
    return ", ".join(filter(None, words))


def _write(job: ClipToRetime, work: RetimesClips, report: OnDone, target: Path) -> None:
    report(0, job.part.frames)
    work(replace(job, target=target), report)


def _part(cut: Cut, at: int) -> RetimedPart:
    event = cut.events[at]
    if not isinstance(event.source, ClipSource) or cut.retime is None:
        raise ValueError(f"event {at} of the cut has no clip to retime")
    rate, is_held = event.rate or cut.rate, event.hold > 0
    part = RetimedPart(
        cut.retime, event.source.key, event.first, event.frames, is_held, rate, cut.rate, pace=event.pace
    )
    following = cut.events[at + 1] if event.joint is not None and event.joint.kind == "continuous" else None
    if following is None or not isinstance(following.source, ClipSource):
        return part
    return replace(part, following=following.source.key, following_first=following.source_frame(0, cut.rate))
