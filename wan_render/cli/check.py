"""`check`: list all mistakes in a storyboard. Needs no store and no device."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from wan_render.cli.chosen_session import session_of
from wan_render.cut import film_frames
from wan_render.errors import MachineError, Problem, StoryboardError, UsageError
from wan_render.plan import FilmPlan
from wan_render.plan.drawn_texts import SURELY_FITS
from wan_render.printable import path_name
from wan_render.session.film_session import Session
from wan_render.session.wording import counted_shots


def run(arguments: argparse.Namespace) -> int:
    """Read and plan the file. Raises StoryboardError if it has mistakes; returns 0 with or without warnings."""
    session = session_of(arguments)
    if arguments.json:
        return _as_json(session)
    plan = session.plan
    mistakes, warnings = _of_letters(plan)
    for warning in (*plan.warnings, *warnings):
        print(f"warning: {warning}")
    if mistakes:
        raise StoryboardError(*mistakes)
    seconds = float(film_frames(plan) / plan.rate)
    print(f"{path_name(session.file)}: {counted_shots(plan)}, {seconds:.2f} s, no mistakes")
    return 0


def _of_letters(plan: FilmPlan) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Mistakes, which are letters that no font has, and warnings, of texts that are too long. Short ASCII text without
    subtitles needs no look into fonts."""
    if plan.subtitles is None and all(_is_plain(lettering.text) for lettering in plan.lettering):
        return (), ()
    from wan_render.production.film_warnings import boxes_for_letters, too_long_texts

    try:
        return boxes_for_letters(plan), too_long_texts(plan)
    except MachineError as error:  # the folder of fonts: a setting, and `check` has nothing else to do with the machine
        raise UsageError(*error.problems) from error


def _is_plain(text: str) -> bool:
    return text.isascii() and len(text) <= SURELY_FITS


def _as_json(session: Session) -> int:
    mistakes: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    try:
        mistakes, of_lines = _of_letters(session.plan)
        warnings = (*session.plan.warnings, *of_lines)
    except StoryboardError as error:
        mistakes = error.problems
    report = {
        "version": 1,
        "file": str(session.file),
        "mistakes": [asdict(problem) for problem in mistakes],
        "warnings": [asdict(problem) for problem in warnings],
    }
    print(json.dumps(report, ensure_ascii=False, indent=2))
    return StoryboardError.exit_code if mistakes else 0
