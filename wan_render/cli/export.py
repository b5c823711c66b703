"""`export`: write the newest film for editing software, or its takes as jobs."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace

from wan_render.cli import job_export
from wan_render.cli.chosen_session import say_first, session_of
from wan_render.cli.job_export import JOB_FORMATS
from wan_render.editors.export_film import Exported, export_film
from wan_render.editors.export_request import check_format, export_request
from wan_render.errors import Problem, UsageError
from wan_render.printable import path_name
from wan_render.production.export_sources import ExportSources
from wan_render.production.film_change import with_film_change
from wan_render.production.film_cut import read_cut
from wan_render.production.run import Run
from wan_render.session.film_session import Session
from wan_render.session.wording import counted
from wan_render.status import status
from wan_render.store import FilmVersion


def run(arguments: argparse.Namespace) -> int:
    """Export the newest version of the film. The last line printed is the file that an editor opens."""
    if arguments.to in JOB_FORMATS:
        return job_export.run(arguments)
    check_format(arguments.to, others=tuple(JOB_FORMATS))
    session = session_of(arguments).with_backend_of_newest_film()
    say_first(session)
    film = _newest(session)
    cut = read_cut(film.folder)
    if changed := _changed(session, film):
        print(f"note: {changed}", file=sys.stderr)
    request = export_request(cut, arguments.to, arguments.rate, arguments.media, arguments.out)
    sources = ExportSources(cut, session.plan, session.store)
    with session.store.in_use(lambda: print("waiting for a prune to finish", file=sys.stderr)):
        made = export_film(film, cut, session.plan, session.store, sources.prepared, request, _progress)
    made = replace(made, notes=(*made.notes, *sources.notes))
    _print_json(film, made) if arguments.json else _print(film, made)
    return 0


def _newest(session: Session) -> FilmVersion:
    """The newest version of the film. Raises UsageError that names the missing takes if there is none."""
    film = session.store.films.latest(session.slug)
    if film is not None:
        return film
    found = status(session.plan, session.store, session.backend)
    missing = [shot.id for shot in found.shots if any(take.clip is None for take in shot.takes)]
    lacking = f", and the takes of {', '.join(missing)} are missing" if missing else ""
    where = path_name(session.outputs.folder)
    remedy = f"render it first: wan-render render {path_name(session.file)}{' --draft' if session.draft else ''}"
    raise UsageError(Problem(where, f"has no film '{session.slug}' yet{lacking}", "a film that was rendered", remedy))


def _changed(session: Session, film: FilmVersion) -> str:
    """A sentence if the storyboard now gives another film; "" if it doesn't."""
    plan, store = session.plan, session.store
    run = Run(plan, session.backend, store, status(plan, store, session.backend), ())
    found = with_film_change(run)
    why = f"{counted(len(found.to_render), 'take')} to render" if found.to_render else found.film_change
    return f"the storyboard gives another film than {film.name} now ({why}); {film.name} is exported" if why else ""


def _progress(name: str, done: int, total: int) -> None:
    """One line for each file, which a terminal draws again while it grows."""
    if sys.stderr.isatty():
        print(f"\rmedia: {name}: {done}/{total} frames", end="\n" if done == total else "", file=sys.stderr)
    elif done == total:
        print(f"media: {name}: {counted(total, 'frame')}", file=sys.stderr)


def _print(film: FilmVersion, made: Exported) -> None:
    timeline = made.timeline
    clips, alternates = len(timeline.clips), sum(len(clip.media) - 1 for clip in timeline.clips)
    told = f"{counted(clips, 'clip')}, {counted(alternates, 'alternate')}, {counted(timeline.frames, 'frame')}"
    print(f"export: {timeline.metadata['film']} {film.name}, {told} at {timeline.rate} per second")
    for note in made.notes:
        print(f"note: {note}")
    for sentence in made.left_out or ("nothing",):
        print(f"left out: {sentence}")
    print(made.document)


def _print_json(film: FilmVersion, made: Exported) -> None:
    report = {
        "version": 1,
        "film": str(film.video),
        "export": str(made.document),
        "rate": str(made.timeline.rate),
        "frames": made.timeline.frames,
        "clips": len(made.timeline.clips),
        "notes": list(made.notes),
        "left_out": list(made.left_out),
    }
    print(json.dumps(report, ensure_ascii=False, indent=2))
