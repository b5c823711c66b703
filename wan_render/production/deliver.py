"""Make the deliverables of a finished film: each from the film's own frames, once, one after the other."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from wan_render.cut import Cut, SlateSource
from wan_render.errors import MachineError
from wan_render.keys import canonical, content_key
from wan_render.media.deliverable_codecs import VIDEO_FORMS
from wan_render.media.deliverable_encode import DeliverableWork, write_video
from wan_render.media.deliverable_pictures import write_gif, write_poster, write_sequence, write_webp
from wan_render.media.part_progress import OnDone
from wan_render.media.raster import FilmSources
from wan_render.media.reframing import focus_view
from wan_render.plan import CardText, FilmPlan, PlannedDeliverable
from wan_render.plan.deliverable import CROP_SHAPES, FocusPoint
from wan_render.printable import logger
from wan_render.production.film_cut import read_cut
from wan_render.production.film_stages import FilmStages
from wan_render.production.provenance import DescribedFile, provenance_name, provenance_text
from wan_render.production.run import Run
from wan_render.production.signing import sign, wants_signing
from wan_render.report.timecode import timecode
from wan_render.settings import machine_settings
from wan_render.status import deliverable_seconds
from wan_render.store import VIDEO, FilmVersion
from wan_render.store.delivered_files import DeliveredFile, DeliveredFiles
from wan_render.store.disk import disk_errors, file_digest, write_whole
from wan_render.store.films import read_film
from wan_render.take import Size

LOG = logger("wan_render.production")

DELIVERABLE_FORM = "deliverable/1"
"""Tag and version of the keys of deliverables. Raise it when the same film becomes another file."""


@dataclass(frozen=True)
class FinishedFrames:
    """A cut whose events are all clips and pictures of its size, where these are, and the file of its sound."""

    cut: Cut
    sources: FilmSources
    mix: Path | None


@dataclass(frozen=True)
class DeliverableKey:
    """Everything that a deliverable is made from. film: the key of the film. first_timecode, reel: of masters. poster:
    the film frame of a poster. focus: of crops. None for others."""

    film: str
    form: str
    size: Size
    rate: Fraction
    first_timecode: int | None = None
    reel: str | None = None
    poster: int | None = None
    focus: Mapping[str, tuple[FocusPoint, ...]] | None = None


def missing_deliverables(plan: FilmPlan, film: FilmVersion, cut: Cut) -> tuple[PlannedDeliverable, ...]:
    """Those that a version of a film does not have yet, by its records."""
    files = DeliveredFiles(film.folder)
    return tuple(each for each in plan.deliverables.wanted if files.known(_key(each, plan, film, cut)) is None)


def deliver(
    run: Run, film: FilmVersion, frames: Callable[[], FinishedFrames], stages: FilmStages
) -> tuple[MachineError, ...]:
    """Make the deliverables that a version of a film does not have yet. Describe them and the film, and sign the
    descriptions if this machine has a certificate. The caller holds the lock of the film.

    frames: gives what all of them are made from; called once if one is missing. Returns why some of them could not be
    made or signed. The others are there; the next run tries these again.
    """
    plan, cut, files = run.plan, read_cut(film.folder), DeliveredFiles(film.folder)
    made = read_film(film.folder).made
    if not (film.folder / provenance_name(VIDEO)).exists():  # a film of an earlier version
        write_film_provenance(film.folder, run, cut, made)
    failed: list[MachineError] = []
    with _noted(failed, f"signature of {VIDEO}"):
        _sign(film.folder, VIDEO)
    keys = {planned: _key(planned, plan, film, cut) for planned in plan.deliverables.wanted}
    found = {planned: files.find(key) for planned, key in keys.items()}
    missing = [planned for planned, there in found.items() if there is None]
    ready = _once(frames)
    for planned, there in found.items():
        delivered = there
        with _noted(failed, f"deliverable {planned.form}"):
            if delivered is None:
                run.store.need(planned.bytes)
                work = _work(planned, plan, film, cut, ready())
                progress = stages.of(f"deliver {planned.form}", part=_part(planned, missing))
                delivered = _made(work, keys[planned], plan, film, files, progress)
                _forget(files.path(delivered))
            _describe(delivered, files, run, cut, made)
        if delivered is not None and files.path(delivered).is_file():
            with _noted(failed, f"signature of {delivered.file}"):
                _sign(files.folder, delivered.file)
    return tuple(failed)


@contextmanager
def _noted(failed: list[MachineError], what: str) -> Iterator[None]:
    """Note the error of one file, and go on with the next."""
    try:
        yield
    except MachineError as error:
        first, *others = error.problems
        failed.append(type(error)(replace(first, where=f"{what}: {first.where}"), *others))


def _once(make: Callable[[], FinishedFrames]) -> Callable[[], FinishedFrames]:
    """`make`, called at most once. Afterwards it gives the same result, or raises the same error."""
    ended: list[FinishedFrames | MachineError] = []

    def made() -> FinishedFrames:
        if not ended:
            try:
                ended.append(make())
            except MachineError as error:
                ended.append(error)
        if isinstance(ended[0], MachineError):
            raise ended[0]
        return ended[0]

    return made


def _part(planned: PlannedDeliverable, missing: Sequence[PlannedDeliverable]) -> tuple[float, float]:
    """From where to where a deliverable takes of the time of all that are missing, 0 to 1."""
    before = missing[: missing.index(planned)]
    whole = deliverable_seconds(missing)
    return deliverable_seconds(before) / whole, deliverable_seconds([*before, planned]) / whole


def _sign(folder: Path, name: str) -> None:
    settings = machine_settings()
    if wants_signing(settings):
        sign(folder / name, folder / provenance_name(name), settings)


def write_film_provenance(folder: Path, run: Run, cut: Cut, made: datetime) -> None:
    """Describe where film.mp4 comes from. folder: that of its version. made: when the film was made."""
    video = folder / VIDEO
    file = DescribedFile(VIDEO, "video/mp4", file_digest(video), video.stat().st_size)
    _write_provenance(folder, file, run, cut, made)


def _describe(delivered: DeliveredFile, files: DeliveredFiles, run: Run, cut: Cut, made: datetime) -> None:
    """Describe where a deliverable comes from, unless it is described."""
    if (files.folder / provenance_name(delivered.file)).exists():
        return
    done: tuple[Mapping[str, Any], ...] = ()
    if delivered.form in CROP_SHAPES:
        done = ({"action": "c2pa.cropped", "description": f"to {delivered.size}, around the focus of each shot"},)
    kind = mimetypes.guess_type(delivered.file)[0] or "image/png"
    file = DescribedFile(delivered.file, kind, delivered.sha256, delivered.bytes, done)
    _write_provenance(files.folder, file, run, cut, made)


def _forget(file: Path) -> None:
    """Remove what was said of a damaged deliverable that had this name."""
    for said in (file.with_name(provenance_name(file.name)), file.with_suffix(".c2pa")):
        said.unlink(missing_ok=True)


def _write_provenance(folder: Path, file: DescribedFile, run: Run, cut: Cut, made: datetime) -> None:
    text = provenance_text(file, run.plan, cut, run.store, made)
    with disk_errors(folder):
        write_whole(folder / provenance_name(file.name), text.encode())


def _key(planned: PlannedDeliverable, plan: FilmPlan, film: FilmVersion, cut: Cut) -> str:
    is_master = planned.form in VIDEO_FORMS and not VIDEO_FORMS[planned.form].has_chapters
    return content_key(
        DELIVERABLE_FORM,
        DeliverableKey(
            film=film.key,
            form=planned.form,
            size=planned.size,
            rate=planned.rate,
            first_timecode=plan.deliverables.first_timecode if is_master else None,
            reel=_reel(plan, film) if is_master else None,
            poster=_poster_frame(plan, cut) if planned.form == "poster" else None,
            focus=plan.deliverables.focus if planned.form in CROP_SHAPES else None,
        ),
    )


def _reel(plan: FilmPlan, film: FilmVersion) -> str:
    return f"{plan.slug}_{film.name}"


def _work(
    planned: PlannedDeliverable, plan: FilmPlan, film: FilmVersion, cut: Cut, ready: FinishedFrames
) -> DeliverableWork:
    """cut: of the film, at the raster."""
    view = None
    if (shape := CROP_SHAPES.get(planned.form)) is not None:
        seen = focus_view(cut, shape, plan.deliverables.focus)
        view = (seen, seen.size)
    return DeliverableWork(
        planned,
        ready.cut,
        ready.sources,
        tags=read_film(film.folder).tags,
        view=view,
        mix=ready.mix,
        timecode=timecode(plan.deliverables.first_timecode, ready.cut.rate),
        reel=_reel(plan, film),
    )


def _made(
    work: DeliverableWork, key: str, plan: FilmPlan, film: FilmVersion, files: DeliveredFiles, progress: OnDone
) -> DeliveredFile:
    planned = work.planned

    def write(target: Path) -> None:
        progress(0, planned.frames)
        match planned.form:
            case "png":
                write_sequence(work, target, progress)
            case "poster":
                write_poster(work, _poster_frame(plan, work.cut), target, progress)
            case "gif":
                write_gif(work, target, progress)
            case "webp":
                write_webp(work, target, progress)
            case _:
                write_video(work, target, progress)

    known = DeliveredFile(planned.form, key, planned.size, str(canonical(planned.rate)), planned.frames)
    delivered = files.publish(known, _suffix(planned), _stem(plan, film.name, planned), write)
    LOG.info("made %s", files.path(delivered))
    return delivered


def _stem(plan: FilmPlan, version: str, planned: PlannedDeliverable) -> str:
    """The name of its file, without a suffix: `river-v001-hevc10`."""
    return f"{plan.slug}-{version}-{planned.form}"


def _suffix(planned: PlannedDeliverable) -> str:
    if planned.form in VIDEO_FORMS:
        return VIDEO_FORMS[planned.form].suffix
    return {"png": "", "poster": ".png", "gif": ".gif", "webp": ".webp"}[planned.form]


def _poster_frame(plan: FilmPlan, cut: Cut) -> int:
    """The film frame that the poster shows: as written, else from the middle of the first event with a picture."""
    if plan.deliverables.poster is not None:
        return plan.deliverables.poster
    return next(_middles(cut), cut.frames // 2)


def _middles(cut: Cut) -> Iterator[int]:
    for event, start in zip(cut.events, cut.starts, strict=True):
        if not isinstance(event.source, CardText | SlateSource):
            yield start + event.length // 2
