"""Gather what the report says about one version of a film, from the run, the cut and the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

from wan_render import __version__
from wan_render.cut import Cut, Event, SlateSource
from wan_render.errors import PictureError, RenderError
from wan_render.footage.footage_part import FootagePart
from wan_render.keys import content_key
from wan_render.plan import CardText, NotYet, PlannedShot, Rendered, StillPicture
from wan_render.production.conformed_cut import conformed_file
from wan_render.production.film_seams import film_seams
from wan_render.production.film_warnings import film_warnings
from wan_render.production.matched_colours import MatchedEnd, matching_words
from wan_render.production.motion_report import NO_MOTION, MotionReport
from wan_render.production.pictures import Pictures
from wan_render.production.render_take import write_picture
from wan_render.production.review_takes import review_take
from wan_render.production.review_texts import sounds_of, texts_of
from wan_render.production.run import Run
from wan_render.purchase import spent_words
from wan_render.report.review import FormerVersion, Review, ReviewShot, ShownCrop
from wan_render.sound.mix_report import MixReport
from wan_render.status import ShotStatus
from wan_render.store import Clip, Store
from wan_render.take import AnyPlate, Plate

CROP_SIDE = 512
"""Longer side, in pixels, of a picture that shows a crop: that of the page's thumbnails."""


@contextmanager
def review_of(
    run: Run,
    cut: Cut,
    version: str,
    video: Path,
    made: datetime,
    former: FormerVersion | None,
    sound: MixReport | None = None,
    ends: Sequence[MatchedEnd] = (),
    motion: MotionReport = NO_MOTION,
) -> Iterator[Review]:
    """The review of a film that was just made. Its pictures of missing shots exist only within the context.

    They are in the folder that becomes the film's version, so the next run removes them if this one is killed.
    """
    plan = run.plan
    with TemporaryDirectory(prefix=".pictures-", dir=video.parent) as folder:
        plates = _Plates(Pictures(run.store, plan.pictures), Path(folder), plan.cropped)
        events = dict(zip((event.name for event in cut.events), zip(cut.events, cut.starts, strict=True), strict=True))
        planned = (shot for shot in run.before.shots if shot.planned is not None)
        shots = (_shot(run, shot, *events[shot.id], cut.rate, plates) for shot in planned)
        seams = film_seams(run.store, cut)
        yield Review(
            title=plan.title,
            slug=plan.slug,
            version=version,
            storyboard=plan.file.name,
            video=video,
            frames=cut.frames,
            rate=cut.rate,
            delivery=cut.delivery,
            upscaled=cut.upscale.in_words if cut.upscale is not None else "",
            backend=plan.backend,
            preview=run.backend.id.partition("/")[0] if run.backend.is_preview else "",
            made=made,
            tool=f"wan-render {__version__}",
            warnings=(*map(str, film_warnings(plan, run.before)), *_of_sound(sound)),
            shots=tuple(
                replace(
                    shot,
                    seam=seams.get(shot.id),
                    colours=matching_words(ends, shot.id),
                    easing=motion.easing_of(shot.id),
                    repair=motion.repair_of(shot.id),
                    texts=texts_of(cut, *events[shot.id]),
                    sounds=sounds_of(plan, cut, shot.id),
                    footage=_footage(events[shot.id][0], cut, run.store),
                )
                for shot in shots
            ),
            former=former,
            subtitles=cut.subtitles,
            sound="" if sound is None else sound.in_words,
            deliverables=tuple(each.in_words for each in plan.deliverables.wanted),
            sounds=sounds_of(plan, cut, ""),
            spent=spent_words(run.store.purchases.read(plan.slug)),
        )


def _footage(event: Event, cut: Cut, store: Store) -> Path | None:
    """The conformed video of a shot that shows a video file, which has the delivery's size in an upscaled film."""
    part = event.source
    if not isinstance(part, FootagePart):
        return None
    sizes = (cut.size, cut.delivery)
    return next(filter(None, (conformed_file(part, size, store.intermediates) for size in sizes)), None)


def _of_sound(sound: MixReport | None) -> tuple[str, ...]:
    return () if sound is None or not sound.warning else (sound.warning,)


@dataclass(frozen=True)
class _Plates:
    """Writes the fitted pictures of shots without a clip, on demand."""

    pictures: Pictures
    folder: Path
    cropped: Mapping[str, Fraction]

    def file(self, plate: AnyPlate) -> Path | None:
        """The file of a fitted plate. None if the picture is missing or changed, or the take is not rendered; the slate
        says so."""
        file = self.folder / f"{_name(plate)}.png"
        if not file.exists():
            with suppress(PictureError, RenderError):
                write_picture(file, self.pictures.pixels(plate))
        return file if file.exists() else None

    def crop(self, plate: Plate) -> ShownCrop | None:
        """The crop of a plate. None if little is cropped, or if the picture is missing or changed."""
        lost = self.cropped.get(plate.picture)
        if lost is None or plate.fit != "cover":
            return None
        file = self.folder / f"crop-{_name(plate)}.png"
        if not file.exists():
            with suppress(PictureError):
                write_picture(file, self.pictures.crop(plate, CROP_SIDE))
        return ShownCrop(file, float(lost)) if file.exists() else None


def _name(plate: AnyPlate) -> str:
    """The name of a plate's file. One picture may be fitted in several ways."""
    return content_key("plate/1", plate)


def _shot(run: Run, status: ShotStatus, event: Event, start: int, rate: Fraction, plates: _Plates) -> ReviewShot:
    shot = status.planned
    if shot is None:
        raise ValueError(f"{status.id} is omitted: it is not in the film")
    source, store = event.source, run.store
    return ReviewShot(
        id=shot.id,
        slugline=shot.slugline,
        action=shot.content.text if isinstance(shot.content, CardText) else shot.action,
        notes=shot.notes,
        what="not yet" if isinstance(shot.content, NotYet) else shot.what,
        model=shot.model,
        start=start,
        frames=event.length,
        first=event.source_frame(0, rate),
        last=event.source_frame(event.frames - 1, rate),
        hold=event.hold,
        keyframes=_keyframes(store, shot, status, plates),
        takes=tuple(review_take(store, take, status.chosen, run.plan.models) for take in status.takes),
        slate=source.reason if isinstance(source, SlateSource) else None,
        log=store.logs.newest_of(status.chosen) if isinstance(source, SlateSource) and status.chosen else None,
        crops=_crops(shot, plates),
    )


def _crops(shot: PlannedShot, plates: _Plates) -> dict[str, ShownCrop]:
    """The crops of the planned keyframes, by name. None for a pinned clip, which may have had others."""
    match shot.content:
        case StillPicture(plate):
            named: list[tuple[str | None, AnyPlate | None]] = [(shot.from_name, plate)]
        case Rendered(takes, pin=None):
            take = takes[0].take
            through = zip(shot.through_names, (leg.plate for leg in take.through), strict=True)
            named = [(shot.from_name, take.first), *through, (shot.to_name, take.last)]
        case _:
            return {}
    found = {name: plates.crop(plate) for name, plate in named if name and isinstance(plate, Plate)}
    return {name: crop for name, crop in found.items() if crop is not None}


def _keyframes(store: Store, shot: PlannedShot, status: ShotStatus, plates: _Plates) -> tuple[tuple[str, Path], ...]:
    clip = store.find(status.chosen) if status.chosen else None
    first, last = _pictures(shot, clip, plates)
    named = ((shot.from_name, first), *_through(shot, plates), (shot.to_name, last))
    return tuple((name or "", picture) for name, picture in named if picture is not None)


def _through(shot: PlannedShot, plates: _Plates) -> Iterator[tuple[str, Path | None]]:
    """The keyframes that the shot passes through. None for a pinned clip, whose keyframes are unknown."""
    if isinstance(shot.content, Rendered) and shot.content.pin is None:
        legs = shot.content.takes[0].take.through
        yield from zip(shot.through_names, map(plates.file, (leg.plate for leg in legs)), strict=True)


def _pictures(shot: PlannedShot, clip: Clip | None, plates: _Plates) -> tuple[Path | None, Path | None]:
    if clip is not None:
        return clip.first, clip.last
    match shot.content:
        case StillPicture(plate):
            return plates.file(plate), None
        case Rendered(takes):
            ends = takes[0].take.first, takes[0].take.last
            first, last = (plates.file(plate) if plate is not None else None for plate in ends)
            return first, last
        case _:
            return None, None
