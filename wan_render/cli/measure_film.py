"""`qc STORYBOARD`: measure the takes of a film that have no measurements, then list all takes with their verdicts."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from wan_render.cli.chosen_session import say_first
from wan_render.cli.takes import list_takes
from wan_render.errors import MachineError, Problem, UsageError
from wan_render.production.measure_stored import UnmeasuredTake, measure_stored, unmeasured_takes
from wan_render.session.film_session import Session
from wan_render.session.wording import counted
from wan_render.status import status

STORYBOARDS = frozenset({".yaml", ".yml"})
"""The endings of storyboards. Any other file is a clip."""

FAILED = 1
"""Exit code if a take in the film has failed its checks."""


def is_storyboard(file: Path) -> bool:
    """Whether a file is a storyboard, by its ending."""
    return file.suffix.lower() in STORYBOARDS


def measure_film(arguments: argparse.Namespace) -> int:
    """Measure and list. If it is stopped, what was measured is kept, and the same command goes on. Raises UsageError,
    and MachineError if a take could not be measured."""
    if arguments.first is not None or arguments.last is not None:
        raise UsageError(Problem("--first, --last", "a storyboard has keyframes of its own", "they belong to a clip"))
    options = {"outputs": arguments.outputs, "backend": arguments.backend, "draft": arguments.draft}
    session = Session.of(arguments.clip, allow=arguments.allow, **options).with_backend_of_newest_film()
    say_first(session)
    problems = _measure(session)
    judged = replace(session)  # a new plan: the verdicts decide which takes the film shows
    list_takes(judged, None, as_json=arguments.json)
    if problems:
        raise MachineError(*problems)
    found = status(judged.plan, judged.store, judged.backend)
    shown = (take for shot in found.shots for take in shot.takes if take.key == shot.chosen)
    return FAILED if any(take.has_failed for take in shown) else 0


def _measure(session: Session) -> tuple[Problem, ...]:
    """Measure what is not measured. Returns why takes could not be."""
    problems: list[Problem] = []
    with session.store.in_use(lambda: print("waiting for a prune to finish", file=sys.stderr)):
        takes = unmeasured_takes(status(session.plan, session.store, session.backend), session.store)
        for place, take in enumerate(takes, 1):
            try:
                measure_stored(take, session.store)
                print(f"[{place}/{len(takes)}] {_name(take)}: measured", file=sys.stderr, flush=True)
            except (MachineError, ValueError) as error:
                problem = Problem(_name(take), f"could not be measured: {error}")
                print(f"[{place}/{len(takes)}] {problem}", file=sys.stderr, flush=True)
                problems.append(problem)
    if takes:
        print(f"{counted(len(takes) - len(problems), 'take')} measured", file=sys.stderr)
    return tuple(problems)


def _name(take: UnmeasuredTake) -> str:
    return f"{take.shot} take {take.number}"
