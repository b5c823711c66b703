"""`render`: render the missing takes on every device, and make the film."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from wan_render.cli.chosen_session import say_first, session_of
from wan_render.cli.progress_bars import Reporter, reporter
from wan_render.errors import Problem, UsageError
from wan_render.farm.chosen_farm import open_farm
from wan_render.farm.device_finisher import DeviceFinisher
from wan_render.farm.held_takes import held_in
from wan_render.farm.run_terms import RunTerms
from wan_render.farm.scheduler import render_all
from wan_render.production.failures import failures
from wan_render.production.film_change import with_film_change
from wan_render.production.film_warnings import warnings_of
from wan_render.production.finish import finish
from wan_render.production.run import Run, begin
from wan_render.session.film_session import Session
from wan_render.session.forecast_text import expected, forecast
from wan_render.session.retaking import Retaking
from wan_render.session.run_devices import run_devices
from wan_render.session.shot_selection import selected
from wan_render.session.wording import counted
from wan_render.store import FilmVersion
from wan_render.store.delivered_files import DeliveredFiles
from wan_render.take import short

NOT_WHOLE = 1
"""Exit code for a film that lacks something: with slates in place of missing shots, or without sounds or deliverables
that could not be made."""


def run(arguments: argparse.Namespace) -> int:
    """Make the film. The last line printed is its path."""
    if arguments.retake is not None:
        from wan_render.cli.takes import retake

        retake(session_of(arguments), arguments.retake)
    session = session_of(arguments)
    say_first(session)
    if arguments.no_film:
        return _takes(session.with_prompts(lambda sentence: print(sentence, file=sys.stderr)), arguments)
    if arguments.keep_going:
        raise UsageError(Problem("--keep-going", "has no meaning without --no-film", remedy="leave it out"))
    session = session.made_ready(lambda sentence: print(sentence, file=sys.stderr))
    with (
        _rendered(session, arguments.only) as (run, reasons, report),
        DeviceFinisher(session.store.root, report.say) as work,
    ):
        film = finish(run, reasons, progress=report.finishing, waiting=report.say, work=work)
    _print_json(film) if arguments.json else _print(film)
    return NOT_WHOLE if film.lacks else 0


def _takes(session: Session, arguments: argparse.Namespace) -> int:
    """Render takes without a film."""
    with _rendered(session, arguments.only, film=False) as (run, reasons, _):
        labels = {order.take.key: f"{order.shot} take {order.number}" for order in run.orders}
        missing = {labels.get(key, short(key)): reason for key, reason in reasons.items()}
        done = len(run.orders) - len(missing)
    if arguments.json:
        report = {"version": 1, "takes": len(run.orders), "rendered": done, "missing": missing}
        print(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        for label, reason in missing.items():
            print(f"not rendered: {label}: {reason}", file=sys.stderr)
        print(f"takes: {done} of {len(run.orders)} rendered" if run.orders else "takes: all are there")
    return NOT_WHOLE if missing and not arguments.keep_going else 0


@contextmanager
def _rendered(
    session: Session, only: str | None, *, film: bool = True
) -> Iterator[tuple[Run, Mapping[str, str], Reporter]]:
    """The run after its takes were rendered; why takes are missing, by their keys; and what shows its progress.

    film: whether a film is made of them; only the forecast says so.
    """
    plan, backend, store = session.plan_to_render, session.backend, session.store
    shots = None if only is None else selected(plan, only)
    devices = run_devices(session, plan)
    with (
        reporter() as report,
        begin(plan, backend, store, only=shots, devices=devices, waiting=report.say) as run,
    ):
        for sentence in warnings_of(run):
            report.say(f"warning: {sentence}")
        groups, price = session.settings.groups, session.settings.gpu_hour_price
        before = with_film_change(run)
        before = before if film else replace(before, film_seconds=0.0)
        sentence = forecast(before, run.orders, devices, groups, price)
        report.begin(run.orders, sentence, expected(before, run.orders, devices, groups, price))
        with open_farm(session.settings, devices, store.root) as farm:
            retaking = Retaking(run, session.planned_again)
            terms = RunTerms(follow_up=retaking.follow_up, held_by=held_in(store))
            results = render_all(run.orders, farm, report.event, terms)
        yield retaking.run, failures(results), report


def _print(film: FilmVersion) -> None:
    for sentence in film.lacks:
        print(sentence, file=sys.stderr)
    unchanged = "unchanged, " if film.reused else ""
    print(f"film: {unchanged}{counted(film.frames, 'frame')}, {float(film.seconds):.2f} s")
    if film.page.exists():
        print(f"page: {film.page}")
    for delivered in DeliveredFiles(film.folder).paths():
        print(f"deliverable: {delivered}")
    print(film.video)


def _print_json(film: FilmVersion) -> None:
    report = {
        "version": 1,
        "film": str(film.video),
        "page": str(film.page),
        "frames": film.frames,
        "seconds": float(film.seconds),
        "slates": dict(film.slates),
        "not_made": [str(error.problems[0]) for error in film.unmade],
        "unchanged": film.reused,
        "deliverables": [str(delivered) for delivered in DeliveredFiles(film.folder).paths()],
    }
    print(json.dumps(report, ensure_ascii=False, indent=2))
