"""Upscales every take of a cut: the same film, of clips and stills as large as the delivery.

Each upscaled take is an intermediate of the whole take, so trimming a shot upscales nothing again, and a killed run
goes on with the next take. Everything after this stage sees a cut whose raster is the delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, Protocol

from wan_render.cut import ClipSource, Cut, Event
from wan_render.errors import MachineError, Problem
from wan_render.keys import content_key
from wan_render.media.clip import read_frames
from wan_render.media.clip_coding import INTERMEDIATE_CODING
from wan_render.media.geometry import Placement, fit
from wan_render.media.part_progress import OnDone, part_progress
from wan_render.media.raster import FilmSources
from wan_render.plan import StillPicture
from wan_render.plates import conform
from wan_render.printable import logger
from wan_render.render_values import Pixels
from wan_render.store import Store
from wan_render.store.publishing import publishing
from wan_render.take import AnyPlate, FramePlate, Plate, Size, short
from wan_render.upscale.clip_upscaler import ClipToUpscale
from wan_render.upscale.enlarged_clip import enlarge_clip
from wan_render.upscale.placed_picture import enlarged_raster, part_shown, placed
from wan_render.upscaling import Upscaling

LOG = logger("wan_render.production")

UPSCALED_FORM = "upscaled/1"
"""Tag and version of the keys of upscaled takes. Raise it when the same take becomes other frames."""

OnStageOf = Callable[[str], OnDone]


class UpscalesClips(Protocol):
    """Upscales one clip somewhere: in this process, or on a device of the farm."""

    def __call__(self, job: ClipToUpscale, progress: OnDone) -> None:
        """Write `job.target`. Raises MachineError; Stopped, and what `progress` raises."""


@dataclass(frozen=True)
class UpscaledTake:
    """Everything that determines an upscaled take."""

    take: str
    upscaling: Upscaling
    size: Size
    delivery: Size
    fit: Literal["cover", "contain"]


@dataclass(frozen=True)
class UpscaledSources:
    """The sources of a cut after upscaling. files: key of an intermediate → its file. takes: take → intermediate."""

    pictures: Mapping[str, Path]
    placement: Placement
    files: Mapping[str, Path]
    takes: Mapping[str, Path]

    def clip(self, key: str) -> Path:
        """The file of an upscaled take."""
        return self.files[key]

    def picture(self, plate: AnyPlate) -> Pixels:
        """A still at the delivery's size: a picture is fitted anew, a frame of a take is that of the upscaled take."""
        if isinstance(plate, FramePlate):
            return next(read_frames(self.takes[plate.take], plate.frame, 1))
        return self._fitted(plate)

    def _fitted(self, plate: Plate) -> Pixels:
        """From the picture file itself, which usually has more detail than the raster."""
        whole = conform(self.pictures[plate.picture], replace(plate, size=enlarged_raster(self.placement, plate.size)))
        return placed(part_shown(whole, self.placement, plate.size), self.placement)


def upscaled(
    cut: Cut, store: Store, pictures: Mapping[str, Path], weights: Path | None, work: UpscalesClips, stage: OnStageOf
) -> tuple[Cut, FilmSources]:
    """The cut with every take at the delivery's size, and its sources.

    pictures: SHA-256 → file of every plate. weights: the file of the network; None for Lanczos, which this process
    computes. stage: gives what to call with the frames done and their total. Raises MachineError if a take is gone, and
    what `work` raises.
    """
    if cut.upscale is None:
        raise ValueError("the cut asks for no upscaling")
    work = work if cut.upscale.has_network else enlarge_clip
    placement = fit(cut.size, cut.delivery, cut.fit)
    keys = {take: content_key(UPSCALED_FORM, _upscaled_take(cut, take)) for take in dict.fromkeys(_takes(cut))}
    names = {event.source.key: event.name for event in reversed(cut.events) if isinstance(event.source, ClipSource)}
    clips = {take: _found(store, take) for take in keys}
    total, done = sum(clip[1] for clip in clips.values()), 0
    kept: dict[str, Future[Path]] = {}
    with publishing(store.intermediates) as each:
        for take, key in keys.items():
            video, frames, rate = clips[take]
            name = names.get(take, f"take {short(take)}")
            report = part_progress(stage(f"upscale {name}"), done, total)

            def write(target: Path, video: Path = video, frames: int = frames, rate: Fraction = rate) -> None:
                report(0, frames)  # noqa: B023 - called before the loop goes on
                assert cut.upscale is not None  # noqa: S101 - for mypy: checked above
                job = ClipToUpscale(video, frames, rate, placement, cut.upscale, weights or Path(), target)
                work(job, report)  # noqa: B023

            what = f"{name}, {cut.size} to {cut.delivery} by {cut.upscale.in_words}"
            kept[key] = each.made(key, what, INTERMEDIATE_CODING.suffix, write)
            done += frames
            report(frames, frames)
    files = {key: made.result() for key, made in kept.items()}
    takes = {take: files[key] for take, key in keys.items()}
    sources = UpscaledSources(pictures, placement, files, takes)
    events = tuple(_with_upscaled(event, keys) for event in cut.events)
    return replace(cut, events=events, size=cut.delivery, upscale=None), sources


def _upscaled_take(cut: Cut, take: str) -> UpscaledTake:
    assert cut.upscale is not None  # noqa: S101 - for mypy: the caller checked
    return UpscaledTake(take, cut.upscale, cut.size, cut.delivery, cut.fit)


def _takes(cut: Cut) -> Iterator[str]:
    """The takes whose frames the film shows, in its order."""
    for event in cut.events:
        match event.source:
            case ClipSource(key):
                yield key
            case StillPicture(FramePlate(take=take)):
                yield take


def _with_upscaled(event: Event, keys: Mapping[str, str]) -> Event:
    if isinstance(event.source, ClipSource):
        return replace(event, source=ClipSource(keys[event.source.key]))
    return event


def _found(store: Store, take: str) -> tuple[Path, int, Fraction]:
    """A take's clip: its file, frames and rate."""
    if (clip := store.find(take)) is None:
        problem = Problem(f"take {take}", "is no longer in the outputs folder", "", "run the same command again")
        raise MachineError(problem)
    return clip.video, clip.frames, clip.rate
