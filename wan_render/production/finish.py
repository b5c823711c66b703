"""Make the next version of a film from a run's takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wan_render import __version__
from wan_render.cut import Cut, SlateSource
from wan_render.errors import (
    DiskError,
    DiskFullError,
    FfmpegError,
    MachineError,
    Problem,
    Stopped,
    WanRenderError,
)
from wan_render.keys import canonical, content_key
from wan_render.media.film_encode import make_film
from wan_render.media.preview import write_preview
from wan_render.printable import logger, printable
from wan_render.production.film_cut import CUT, FILM_FORM, cut_of
from wan_render.production.film_warnings import PLAN, lettering_warnings
from wan_render.production.former_version import former_version
from wan_render.production.pictures import Pictures
from wan_render.production.review_gathering import review_of
from wan_render.production.run import Run
from wan_render.production.shown_takes import log_failed_takes, with_shown_takes
from wan_render.production.tags import cut_takes, film_tags
from wan_render.render_values import Pixels
from wan_render.report import write_film_index, write_report
from wan_render.status import film_bytes, painting_label, plan_json
from wan_render.store import PAGE, VIDEO, FilmRecord, FilmVersion, Store
from wan_render.take import AnyPlate, Take, short

LOG = logger("wan_render.production")


def finish(
    run: Run,
    failures: Mapping[str, str],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005 - named for callers
    waiting: Callable[[str], None] = LOG.warning,
) -> FilmVersion:
    """Make the film from the clips in the store, with a slate for every missing shot. An unchanged film is not made
    again.

    failures: take key → why it could not be rendered, for its slate. progress: called with the film frames done and
    their total. waiting: called with a sentence if another run is making this film. Raises MachineError, "no film was
    made: …", if the disk, ffmpeg or a clip fails; then no new version of the film is visible.
    """
    try:
        film = _finished(run, failures, progress, waiting)
    except MachineError as error:
        first, *others = error.problems
        raise type(error)(replace(first, where=f"no film was made: {first.where}"), *others) from error
    _list_films(run.store)
    return film


def _finished(
    run: Run, failures: Mapping[str, str], progress: Callable[[int, int], None], waiting: Callable[[str], None]
) -> FilmVersion:
    run = with_shown_takes(run)
    log_failed_takes(run)
    cut = cut_of(run, failures, run.store.verify)
    key = content_key(FILM_FORM, cut)
    _remember(run)
    films, slug = run.store.films, run.plan.slug
    with films.lock(slug, lambda: waiting(f"waiting for another run to finish the film {slug}")):
        if (unchanged := films.unchanged(slug, key)) is not None and unchanged.page.exists():
            return replace(unchanged, reused=True)
        run.store.need(film_bytes(run.plan))
        return films.publish(slug, lambda folder, version: _write(run, cut, key, folder, version, progress))


@dataclass(frozen=True)
class Sources:
    """The clips and stills of a cut, from the store and the plan's pictures. See media.FilmSources."""

    store: Store
    pictures: Mapping[str, Path]

    def clip(self, key: str) -> Path:
        """The lossless clip of a take. Raises MachineError if it is no longer in the store."""
        if (clip := self.store.find(key)) is None:
            raise MachineError(
                Problem(f"take {key}", "is no longer in the outputs folder", "", "run the same command again")
            )
        return clip.video

    def picture(self, plate: AnyPlate) -> Pixels:
        """A still: a fitted picture or a painted keyframe. Raises PictureError, or RenderError for a keyframe that is
        not painted yet."""
        return Pictures(self.store, self.pictures).pixels(plate)


def _remember(run: Run) -> None:
    """Record which takes every shot id now has, also takes that were found and only renamed."""
    present: dict[str, dict[int, Take]] = {
        shot.id: {
            take.number: take.take
            for take in shot.takes
            if take.take is not None and run.store.find(take.key) is not None
        }
        for shot in run.before.shots
    }
    paintings = run.plan.paintings.items()
    present |= {painting_label(name): {1: take} for name, take in paintings if run.store.find(take.key)}
    run.store.remember_all(run.plan.slug, {shot: takes for shot, takes in present.items() if takes})


def _write(
    run: Run, cut: Cut, key: str, folder: Path, version: str, progress: Callable[[int, int], None]
) -> FilmRecord:
    """Write every file of a version except its record, into a folder that is not visible yet."""
    made = datetime.now(UTC)
    tags = film_tags(run.plan, cut, version, run.store)
    make_film(cut, Sources(run.store, run.plan.pictures), folder / VIDEO, tags=tags, progress=progress)
    _write_json(folder / CUT, {"version": 1, **canonical(cut)})
    _write_json(folder / PLAN, plan_json(run.plan, run.before, lettering_warnings(run.plan)))
    _report(run, cut, version, folder, made)
    return FilmRecord(
        key=key,
        slug=run.plan.slug,
        title=cut.title,
        frames=cut.frames,
        rate=canonical(cut.rate),
        takes=cut_takes(cut),
        slates={event.name: event.source.reason for event in cut.events if isinstance(event.source, SlateSource)},
        files={},
        tags=tags,
        made=made,
        wan_render=__version__,
    )


def _report(run: Run, cut: Cut, version: str, folder: Path, made: datetime) -> None:
    """Write the page and its files. The film is finished, so any failure here is only a warning."""
    try:
        _make_missing_previews(run)
        former = former_version(run, cut, run.store.films.latest(run.plan.slug))
        with review_of(run, cut, version, folder / VIDEO, made, former) as review:
            write_report(review, folder)
    except (Stopped, DiskFullError):
        raise
    except Exception as error:
        (folder / PAGE).unlink(missing_ok=True)
        LOG.warning("%s %s has no review page (%s); the next run makes one", run.plan.slug, version, _in_words(error))
        LOG.info("the review page failed", exc_info=error)


def _list_films(store: Store) -> None:
    """Write the page that lists the store's films. The film is there: whatever goes wrong is a warning."""
    try:
        with store.films.lock_index():
            write_film_index(store)
    except Exception as error:
        LOG.warning("%s was not written (%s); the next film writes it", store.root / PAGE, _in_words(error))
        LOG.info("why it was not", exc_info=error)


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, WanRenderError) else f"{type(error).__name__}: {error}"


def _make_missing_previews(run: Run) -> None:
    """Make previews of takes that could not get one when they were written. Without one, the page shows a still."""
    for key in dict.fromkeys(take.key for shot in run.before.shots for take in shot.takes):
        clip = run.store.find(key)
        if clip is None or clip.preview.exists():
            continue
        try:
            write_preview(clip.video, clip.preview)
        except (FfmpegError, DiskError) as error:
            LOG.warning("the preview of take %s cannot be made: %s", short(key), error.problems[0].found)


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    # Printable: a file's name may have lone surrogates, which UTF-8 cannot encode. JSON restores the escapes.
    file.write_text(printable(json.dumps(value, ensure_ascii=False, indent=1)) + "\n", encoding="utf-8")
