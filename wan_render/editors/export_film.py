"""Export a film: write its media and its document into a new folder, which appears complete."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wan_render.cut import ClipSource, Cut, Event
from wan_render.editors.cut_timeline import CutTimeline, MediaPiece, MediaPlan, cut_timeline
from wan_render.editors.edit_table import edit_table_text
from wan_render.editors.editor_timeline import EditorTimeline
from wan_render.editors.export_request import ExportRequest
from wan_render.editors.fcpxml_document import fcpxml_text
from wan_render.editors.left_out import left_out
from wan_render.editors.mlt_document import mlt_text
from wan_render.editors.otio_adapters import adapted_text
from wan_render.editors.otio_document import otio_text
from wan_render.editors.sound_stems import SoundPiece, require_sounds, write_stem
from wan_render.errors import Problem, UsageError
from wan_render.footage.footage_part import FootagePart
from wan_render.keys import content_key
from wan_render.media.prores import conformed_length, write_prores
from wan_render.media.raster import FilmSources
from wan_render.plan import FilmPlan, StillPicture
from wan_render.retime.retimed_cut import retimed
from wan_render.store import Clip, FilmVersion, Store
from wan_render.store.disk import disk_errors, flush, flush_tree
from wan_render.store.file_locks import locked
from wan_render.store.films import SRT, VTT
from wan_render.take import FramePlate, Plate, short

EXPORTS, MEDIA = "exports", "media"
PRORES_FORM, STEM_FORM = "prores/1", "stem/1"
"""Tags and versions of the ways media is made. Raise one when the same media is different."""

BYTES_PER_PIXEL = 0.7
"""Of ProRes 422 HQ, which has about 220 Mbit/s at 1920x1080 and 30 frames per second; rounded up."""

Prepares = Callable[[Cut], tuple[Cut, FilmSources]]
OnPiece = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Exported:
    """An export on disk. document: what an editor opens. notes: what could not be taken along from the store.
    left_out: what the format cannot hold."""

    folder: Path
    document: Path
    timeline: EditorTimeline
    notes: tuple[str, ...]
    left_out: tuple[str, ...]


def export_film(
    film: FilmVersion,
    cut: Cut,
    plan: FilmPlan,
    store: Store,
    prepared: Prepares,
    request: ExportRequest,
    progress: OnPiece,
) -> Exported:
    """Export a version of a film. An export is never overwritten; one that was interrupted continues.

    prepared: gives a cut as it is made into media, and its sources. progress: called with the name of a file of media,
    the frames done and their total. Raises UsageError if a take or a sound of the film is gone, and the errors of
    `write_prores`.
    """
    _require_takes(cut, store, film)
    _require_pictures(cut, plan, film)
    require_sounds(cut.sound, plan.sound_files)
    home = store.root / EXPORTS / plan.slug
    with locked(store.root.absolute() / EXPORTS / ".locks" / plan.slug, lambda: None):
        folder = (request.folder or _free_folder(home, film, request)).absolute()
        _check_place(folder)
        made = cut_timeline(cut, plan, store, film.name, _media_plan(request, folder))
        store.need(sum(_expected_bytes(piece, request) for piece in made.pieces))
        files = {
            f"{piece.name}.mov": _media_file(piece, made, store, prepared, request, progress) for piece in made.pieces
        }
        files |= {f"{piece.name}.wav": _stem_file(piece, plan, store) for piece in made.stems}
        document = folder / f"{plan.slug}{request.suffix}"
        with _appearing(folder) as part:
            _fill(part, document, made.timeline, files, request)
            _add_subtitles(film, part, plan.slug)
    return Exported(folder, document, made.timeline, made.notes, left_out(made.timeline, request.form))


def _require_takes(cut: Cut, store: Store, film: FilmVersion) -> None:
    clips = [(event.name, key) for event in cut.events if (key := _take_shown(event))]
    gone = [f"{name} (take {short(key)})" for name, key in clips if store.verify(key) is None]
    if gone:
        found = f"takes of it are no longer in the outputs folder: {', '.join(gone)}"
        raise UsageError(Problem(f"film {film.name}", found, "all of its takes", "render the film again"))


def _take_shown(event: Event) -> str:
    """The key of the take that an event shows, or a frame of which it shows as a still; "" for others."""
    match event.source:
        case ClipSource(key) | StillPicture(FramePlate(take=key)):
            return key
        case _:
            return ""


def _require_pictures(cut: Cut, plan: FilmPlan, film: FilmVersion) -> None:
    """Raise UsageError if a still or a video file of the film is another one now."""
    plates = [(event.name, event.source.plate) for event in cut.events if isinstance(event.source, StillPicture)]
    gone = [name for name, plate in plates if isinstance(plate, Plate) and plate.picture not in plan.pictures]
    parts = [(event.name, event.source) for event in cut.events if isinstance(event.source, FootagePart)]
    gone += [name for name, part in parts if part.footage not in plan.footage]
    if gone:
        found = f"the pictures of {', '.join(gone)} are no longer those of the storyboard"
        remedy = "put them back, or render the film again"
        raise UsageError(Problem(f"film {film.name}", found, "the pictures that the film shows", remedy))


def _free_folder(home: Path, film: FilmVersion, request: ExportRequest) -> Path:
    """`v003-edl-24`, or with a number after it if that exists."""
    name = f"{film.name}-{request.form}-{request.rate}".replace("/", "_")
    candidates = (home / (name if number == 1 else f"{name}-{number}") for number in range(1, 10**6))
    return next(folder for folder in candidates if not os.path.lexists(folder))


def _check_place(folder: Path) -> None:
    """Raise DiskError if the folder cannot be made: before the media, which may take an hour."""
    probe = folder.with_name(f".part-{folder.name}")
    with disk_errors(folder):
        shutil.rmtree(probe, ignore_errors=True)
        probe.mkdir(parents=True)
        probe.rmdir()


def _media_plan(request: ExportRequest, folder: Path) -> MediaPlan:
    def link(clip: Clip) -> str:
        return Path(os.path.relpath(clip.video.absolute(), folder)).as_posix()

    def original(file: Path) -> str:
        return Path(os.path.relpath(file, folder)).as_posix()

    if not request.is_linked:
        return MediaPlan(request.rate, MEDIA)
    return MediaPlan(request.rate, MEDIA, link, original)


def _expected_bytes(piece: MediaPiece, request: ExportRequest) -> int:
    size = piece.cut.delivery
    return round(conformed_length(piece.cut, request.rate) * size.width * size.height * BYTES_PER_PIXEL)


def _media_file(
    piece: MediaPiece, made: CutTimeline, store: Store, prepared: Prepares, request: ExportRequest, progress: OnPiece
) -> Path:
    """The file of a piece, made now if an earlier export did not make the same."""
    media = (media for clip in made.timeline.clips for media in clip.media)
    reel = next(each.reel for each in media if each.name == piece.name)

    alone, sources = prepared(piece.cut)

    def report(done: int, total: int) -> None:
        progress(piece.name, done, total)

    def write(target: Path) -> None:
        cut, files = retimed(alone, sources, store.intermediates, report)
        write_prores(cut, files, request.rate, reel, target, report)

    key = content_key(PRORES_FORM, {"cut": alone, "rate": request.rate, "reel": reel})
    return store.intermediates.made(key, f"ProRes of {piece.name}", ".mov", write)


def _stem_file(piece: SoundPiece, plan: FilmPlan, store: Store) -> Path:
    key = content_key(STEM_FORM, piece)
    return store.intermediates.made(
        key, f"stem {piece.name}", ".wav", lambda target: write_stem(piece, plan.sound_files, target)
    )


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when it is complete."""
    part = folder.with_name(f".part-{folder.name}")
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            yield part
            flush_tree(part)
            part.rename(folder)  # an empty folder of this name is replaced
            flush(folder.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _fill(part: Path, document: Path, timeline: EditorTimeline, files: dict[str, Path], request: ExportRequest) -> None:
    if request.holds_media:
        _write_archive(part / document.name, otio_text(timeline), files)
        return
    if files:
        (part / MEDIA).mkdir()
    for name, file in files.items():
        _place(file, part / MEDIA / name)
    text = _document_text(timeline, request, document.parent)
    (part / document.name).write_text(text, encoding="utf-8", newline="")


def _add_subtitles(film: FilmVersion, part: Path, slug: str) -> None:
    """Copy the film's subtitles, if it has any. Their times are seconds, which hold at every rate."""
    for file in (film.folder / SRT, film.folder / VTT):
        if file.is_file():
            shutil.copyfile(file, part / f"{slug}{file.suffix}")


def _document_text(timeline: EditorTimeline, request: ExportRequest, folder: Path) -> str:
    match request.form:
        case "otio":
            return otio_text(timeline)
        case "mlt":
            return mlt_text(timeline)
        case "fcpx":
            return fcpxml_text(timeline, folder)
        case "csv":
            return edit_table_text(timeline)
        case form:
            return adapted_text(timeline, form, folder)


def _write_archive(target: Path, document: str, files: dict[str, Path]) -> None:
    """An .otioz file: a zip archive, uncompressed, of `content.otio`, `version.txt` and the media. Equal contents give
    equal bytes."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("version.txt"), "1.0.0")
        archive.writestr(zipfile.ZipInfo("content.otio"), document.encode())
        for name, file in files.items():
            with file.open("rb") as source, archive.open(_member(f"{MEDIA}/{name}"), "w", force_zip64=True) as place:
                shutil.copyfileobj(source, place, 1 << 20)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_STORED
    return member


def _place(file: Path, target: Path) -> None:
    """The file under another name: a hard link, or a copy on another file system."""
    try:
        target.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, target)
