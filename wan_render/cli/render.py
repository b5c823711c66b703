"""`render`: render the missing takes on every device, and make the film."""

from __future__ import annotations

import argparse
import json
import sys

from wan_render.cli.chosen_session import say_first, session_of
from wan_render.cli.progress_bars import reporter
from wan_render.devices import local_devices
from wan_render.farm.local import LocalFarm
from wan_render.farm.run_terms import RunTerms
from wan_render.farm.scheduler import render_all
from wan_render.production.failures import failures
from wan_render.production.film_change import with_film_change
from wan_render.production.film_warnings import warnings_of
from wan_render.production.finish import finish
from wan_render.production.run import begin
from wan_render.session.film_session import Session
from wan_render.session.forecast_text import expected, forecast
from wan_render.session.retaking import Retaking
from wan_render.session.shot_selection import selected
from wan_render.session.wording import counted
from wan_render.store import FilmVersion

WITH_SLATES = 1
"""Exit code for a film with slates in place of missing shots."""


def run(arguments: argparse.Namespace) -> int:
    """Make the film. The last line printed is its path."""
    if arguments.retake is not None:
        from wan_render.cli.takes import retake

        retake(session_of(arguments), arguments.retake)
    session = session_of(arguments)
    say_first(session)
    film = _film(session, arguments.only)
    _print_json(film) if arguments.json else _print(film)
    return WITH_SLATES if film.slates else 0


def _film(session: Session, only: str | None) -> FilmVersion:
    plan, backend, store = session.plan_to_render, session.backend, session.store
    shots = None if only is None else selected(plan, only)
    devices = local_devices(session.settings, backend.device_kinds)
    with (
        reporter() as report,
        begin(plan, backend, store, only=shots, devices=devices, waiting=report.say) as run,
    ):
        for sentence in warnings_of(run):
            report.say(f"warning: {sentence}")
        groups, price = session.settings.groups, session.settings.gpu_hour_price
        before = with_film_change(run)
        sentence = forecast(before, run.orders, devices, groups, price)
        report.begin(run.orders, sentence, expected(before, run.orders, devices, groups, price))
        with LocalFarm(devices, store.root) as farm:
            retaking = Retaking(run, session.planned_again)
            results = render_all(run.orders, farm, report.event, RunTerms(follow_up=retaking.follow_up))
        return finish(retaking.run, failures(results), progress=report.finishing, waiting=report.say)


def _print(film: FilmVersion) -> None:
    for shot, reason in film.slates.items():
        print(f"slate: {shot}: {reason}", file=sys.stderr)
    unchanged = "unchanged, " if film.reused else ""
    print(f"film: {unchanged}{counted(film.frames, 'frame')}, {float(film.seconds):.2f} s")
    if film.page.exists():
        print(f"page: {film.page}")
    print(film.video)


def _print_json(film: FilmVersion) -> None:
    report = {
        "version": 1,
        "film": str(film.video),
        "page": str(film.page),
        "frames": film.frames,
        "seconds": float(film.seconds),
        "slates": dict(film.slates),
        "unchanged": film.reused,
    }
    print(json.dumps(report, ensure_ascii=False, indent=2))
