"""Make the next version of a film from a run's takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
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
from wan_render.media.film_encode import FilmSources, make_film
from wan_render.media.preview import write_preview
from wan_render.media.subtitle_blocks import subtitle_blocks
from wan_render.media.subtitle_files import srt, vtt
from wan_render.plan import FilmPlan
from wan_render.printable import logger, printable
from wan_render.production.clip_finisher import ClipFinisher, FinishesClips
from wan_render.production.conformed_cut import conformed
from wan_render.production.deliver import FinishedFrames, deliver, write_film_provenance
from wan_render.production.evened_motion import evened_motion
from wan_render.production.film_cut import CUT, FILM_FORM, cut_of, read_cut
from wan_render.production.film_sound import film_mix
from wan_render.production.film_stages import ENCODE, FilmStages, OnStage
from wan_render.production.film_timeline import TIMELINE, write_timeline
from wan_render.production.film_warnings import PLAN, lettering_warnings
from wan_render.production.former_version import former_version
from wan_render.production.matched_colours import MatchedEnd, matched_colours, matching_tag
from wan_render.production.motion_report import MotionReport, log_motion, measured_again
from wan_render.production.review_gathering import review_of
from wan_render.production.run import Run
from wan_render.production.shown_bridges import log_cuts, with_shown_bridges
from wan_render.production.shown_takes import log_failed_takes, with_shown_takes
from wan_render.production.signing import wants_signing
from wan_render.production.store_sources import Sources
from wan_render.production.tags import cut_takes, film_tags
from wan_render.production.upscaled_cut import upscaled
from wan_render.report import write_film_index, write_report
from wan_render.retime.retimed_cut import retimed
from wan_render.settings import machine_settings
from wan_render.sound.mix_report import MixReport
from wan_render.status import film_bytes, film_stage_seconds, painting_label, plan_json
from wan_render.store import PAGE, SRT, VIDEO, VTT, FilmRecord, FilmVersion, Store
from wan_render.take import Take, short

LOG = logger("wan_render.production")


def finish(
    run: Run,
    failures: Mapping[str, str],
    *,
    progress: OnStage = lambda stage: None,  # noqa: ARG005 - named for callers
    waiting: Callable[[str], None] = LOG.warning,
    work: FinishesClips | None = None,
) -> FilmVersion:
    """Make the film from the clips in the store, with a slate for every missing shot. An unchanged film is not made
    again.

    failures: take key → why it could not be rendered, for its slate. progress: called as the stages of finishing go on.
    waiting: called with a sentence if another run is making this film. work: upscales and retimes clips; None does it
    in this process, on the CPU. Raises MachineError, "no film was made: …", if the disk, ffmpeg or a clip fails; then
    no new version of the film is visible. What was finished of it is kept as intermediates, and the next run goes on
    from there. Deliverables and sounds that could not be made are `unmade` of the film; they do not keep it from being
    finished.
    """
    try:
        film = _finished(run, failures, progress, waiting, work or ClipFinisher("cpu").finish_clip)
    except MachineError as error:
        first, *others = error.problems
        raise type(error)(replace(first, where=f"no film was made: {first.where}"), *others) from error
    _list_films(run.store)
    unmade: tuple[WanRenderError, ...] = _unmade_sounds(run.plan)
    if run.plan.deliverables.wanted or wants_signing(machine_settings()):
        unmade += _deliver(run, film, progress, waiting, work or ClipFinisher("cpu").finish_clip)
        _list_films(run.store)
    return replace(film, unmade=unmade)


def _unmade_sounds(plan: FilmPlan) -> tuple[WanRenderError, ...]:
    """Why sounds from words are not in the film."""
    unknown = Problem("", "could not be made", remedy="the log says why; the next run tries it again")
    return tuple(
        MachineError(replace(asked.why or unknown, where=f"sound {asked.name}")) for asked in plan.unmade_sounds
    )


def _finished(
    run: Run,
    failures: Mapping[str, str],
    progress: OnStage,
    waiting: Callable[[str], None],
    work: FinishesClips,
) -> FilmVersion:
    planned = with_shown_takes(run)
    run = with_shown_bridges(planned, failures, planned.store.verify)
    log_failed_takes(run)
    log_cuts(planned, run)
    cut = cut_of(run, failures, run.store.verify)
    key = content_key(FILM_FORM, cut)
    _remember(run)
    films, slug = run.store.films, run.plan.slug
    with films.lock(slug, lambda: waiting(f"waiting for {films.maker(slug)} to finish the film {slug}")):
        if (unchanged := films.unchanged(slug, key)) is not None and unchanged.page.exists():
            return replace(unchanged, reused=True)
        run.store.need(film_bytes(run.plan))
        return films.publish(slug, lambda folder, version: _write(run, cut, key, folder, version, progress, work))


def _deliver(
    run: Run, film: FilmVersion, progress: OnStage, waiting: Callable[[str], None], work: FinishesClips
) -> tuple[MachineError, ...]:
    """Make the deliverables of a film that it does not have yet. Returns why some could not be made."""
    seconds = {"deliver": 1.0} if film.reused else film_stage_seconds(run.plan)
    slug, stages = run.plan.slug, FilmStages(seconds, progress)

    def frames() -> FinishedFrames:
        shown, _ = matched_colours(read_cut(film.folder), run.store)
        return _finished_frames(run, shown, stages, work)[0]

    films = run.store.films
    try:
        with films.lock(slug, lambda: waiting(f"waiting for {films.maker(slug)} to deliver the film {slug}")):
            return deliver(run, film, frames, stages)
    except MachineError as error:  # of all of them: the film is locked for too long, or cannot be read
        first, *others = error.problems
        return (type(error)(replace(first, where=f"deliverables: {first.where}"), *others),)


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
    run.store.memory.remember(run.plan.slug, {shot: takes for shot, takes in present.items() if takes})


def _write(
    run: Run, cut: Cut, key: str, folder: Path, version: str, progress: OnStage, work: FinishesClips
) -> FilmRecord:
    """Write every file of a version except its record, into a folder that is not visible yet."""
    made = datetime.now(UTC)
    shown, ends = matched_colours(cut, run.store)
    tags = {**film_tags(run.plan, cut, version, run.store), **matching_tag(ends)}
    stages = FilmStages(film_stage_seconds(run.plan), progress)
    sound, motion = _make_video(run, shown, folder / VIDEO, tags, stages, work)
    _write_subtitles(cut, folder)
    _write_json(folder / CUT, {"version": 1, **canonical(cut)})
    _write_timeline(run, cut, version, folder)
    write_film_provenance(folder, run, cut, made)
    _write_json(folder / PLAN, plan_json(run.plan, run.before, lettering_warnings(run.plan)))
    _report(run, cut, version, folder, made, sound, ends, motion)
    return FilmRecord(
        key=key,
        slug=run.plan.slug,
        title=cut.title,
        frames=cut.frames,
        rate=canonical(cut.rate),
        takes=cut_takes(cut),
        slates={event.name: event.source.reason for event in cut.events if isinstance(event.source, SlateSource)},
        files={},
        tags={**tags, **motion.tags},
        made=made,
        wan_render=__version__,
        sound=sound,
    )


def _make_video(
    run: Run, cut: Cut, target: Path, tags: Mapping[str, str], stages: FilmStages, work: FinishesClips
) -> tuple[MixReport | None, MotionReport]:
    """Write film.mp4. Every stage but the last keeps its results as intermediates. Returns how loud it is, None for a
    silent film, and what was done to its motion."""
    ready, loudness, motion = _finished_frames(run, cut, stages, work)
    if loudness is not None and loudness.warning:
        LOG.warning("%s", loudness.warning)
    motion = measured_again(motion, ready.cut, ready.sources)
    log_motion(motion)
    tags = {**tags, **motion.tags}
    make_film(ready.cut, ready.sources, target, tags=tags, progress=stages.of(ENCODE), mix=ready.mix)
    return loudness, motion


def _finished_frames(
    run: Run, cut: Cut, stages: FilmStages, work: FinishesClips
) -> tuple[FinishedFrames, MixReport | None, MotionReport]:
    """What the film and its deliverables are encoded from, how loud it is, and what is done to its motion. They are
    intermediates, made now or kept."""
    store = run.store
    cut, motion = evened_motion(cut, store, stages.of("motion", "shot"))
    mix = film_mix(cut, run.plan, store, stages.of("sound", "second"), lambda: None)
    cut, sources = _at_delivery_size(run, cut, stages, work)
    cut, sources = conformed(cut, sources, run.plan.footage, store.intermediates, stages.of("conform"))
    cut, sources = retimed(cut, sources, store.intermediates, stages.of("retime"), work)
    if mix is None:
        return FinishedFrames(cut, sources, None), None, motion
    return FinishedFrames(cut, sources, mix.file), mix.report, motion


def _at_delivery_size(run: Run, cut: Cut, stages: FilmStages, work: FinishesClips) -> tuple[Cut, FilmSources]:
    """The cut and its sources; upscaled if the film asks for it."""
    pictures = run.plan.pictures
    if cut.upscale is None:
        return cut, Sources(run.store, pictures)
    return upscaled(cut, run.store, pictures, run.plan.upscaler, work, stages.of)


def _write_timeline(run: Run, cut: Cut, version: str, folder: Path) -> None:
    """Write the cut for editors. The film is finished, so any failure here is only a warning."""
    try:
        write_timeline(run, cut, version, folder)
    except Exception as error:
        LOG.warning("%s %s has no %s (%s)", run.plan.slug, version, TIMELINE, _in_words(error))
        LOG.info("%s failed", TIMELINE, exc_info=error)


def _write_subtitles(cut: Cut, folder: Path) -> None:
    """Write film.srt and film.vtt, if the film has subtitles and wants files."""
    if cut.subtitles is not None and "files" in cut.subtitles.forms:
        blocks = subtitle_blocks(cut.subtitles.cues, cut.delivery)
        for name, text in ((SRT, srt(blocks)), (VTT, vtt(blocks))):
            (folder / name).write_text(text, encoding="utf-8", newline="")


def _report(
    run: Run,
    cut: Cut,
    version: str,
    folder: Path,
    made: datetime,
    sound: MixReport | None,
    ends: Sequence[MatchedEnd],
    motion: MotionReport,
) -> None:
    """Write the page and its files. The film is finished, so any failure here is only a warning."""
    try:
        _make_missing_previews(run)
        former = former_version(run, cut, run.store.films.latest(run.plan.slug))
        with review_of(run, cut, version, folder / VIDEO, made, former, sound, ends, motion) as review:
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
