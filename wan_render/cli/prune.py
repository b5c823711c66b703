"""`prune`: list unused takes, and delete them with --yes."""

from __future__ import annotations

import argparse
import sys

from wan_render.cli.chosen_session import say_first, session_of
from wan_render.errors import Problem, UsageError
from wan_render.session.film_session import Session
from wan_render.session.wording import counted
from wan_render.store.disk import gigabytes
from wan_render.store.prune import LOG_DAYS, Kind, Prunable, prunable, prune
from wan_render.take import short


def run(arguments: argparse.Namespace) -> int:
    """List what can be deleted. Deletes it only with --yes."""
    if arguments.keep < 0:
        raise UsageError(Problem("--keep", f"invalid value {arguments.keep}", "0 or more versions"))
    session = session_of(arguments)
    say_first(session)
    pins = tuple(_pins(session))
    if arguments.yes:
        deleted = prune(session.plan, session.store, arguments.keep, pins, waiting=_waiting)
        _print(deleted, "deleted")
    else:
        found = prunable(session.plan, session.store, arguments.keep, pins)
        _print(found, "unused")
        if found:
            print("nothing was deleted; use --yes to delete them")
    return 0


def _pins(session: Session) -> list[str]:
    """Pins of every shot, including omitted ones."""
    shots = (shot for scene in session.document.storyboard.scenes for shot in scene.shots)
    return [shot.circle.pin for shot in shots if shot.circle is not None and shot.circle.pin is not None]


def _print(found: tuple[Prunable, ...], what: str) -> None:
    """Print each take, and one line each for all stages, all intermediates and all logs."""
    takes, stages, intermediates, logs = ([each for each in found if each.kind is kind] for kind in Kind)
    for take in takes:
        made = f"{take.made:%Y-%m-%d %H:%M}" if take.made is not None else ""
        print(f"{short(take.key)}  {gigabytes(take.bytes):>8}  {made:16}  {take.what}")
    print(f"{what}: {counted(len(takes), 'take')}, {gigabytes(sum(take.bytes for take in takes))}")
    if stages:
        total = gigabytes(sum(stage.bytes for stage in stages))
        print(f"{what}: {counted(len(stages), 'stage')}, {total}")
    if intermediates:
        total = gigabytes(sum(intermediate.bytes for intermediate in intermediates))
        print(f"{what}: {counted(len(intermediates), 'intermediate')}, {total}")
    if logs:
        total = gigabytes(sum(log.bytes for log in logs))
        print(f"{what}: {counted(len(logs), 'log')} older than {LOG_DAYS} days, {total}")


def _waiting() -> None:
    print("waiting for a run in this outputs folder to finish", file=sys.stderr)
