"""`submit`: check films at once, then queue them on the farm."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from flows.farm_home.prefect_settings import check_prefect_settings
from flows.farm_queue.local_time import next_occurrence
from wan_render.errors import InputError, Problem
from wan_render.printable import path_name
from wan_render.session.film_session import Session
from wan_render.session.shot_selection import selected


def run(arguments: argparse.Namespace) -> int:
    """Queue all films; none if something is wrong with one of them."""
    at = None if arguments.at is None else next_occurrence(arguments.at, datetime.now(UTC))
    sessions = _checked(arguments)
    # Prefect takes a second: it is imported after the mistakes were found.
    check_prefect_settings()
    from flows.commands.submitting import submit

    submit(sessions, at=at, only=arguments.only, approval=arguments.approval, priority=arguments.priority)
    return 0


def _checked(arguments: argparse.Namespace) -> list[Session]:
    """The sessions of all files. Raises InputError with the mistakes of all of them."""
    sessions = [
        Session.of(
            file.absolute(),
            allow=arguments.allow,
            outputs=arguments.outputs,
            backend=arguments.backend,
            draft=arguments.draft,
            max_cost=arguments.max_cost,
        )
        for file in arguments.files
    ]
    problems = [problem for session in sessions for problem in _mistakes(session, arguments.only)]
    if not problems:
        problems = list(_same_films(sessions))
    if problems and len(sessions) > 1:
        remedy = "correct this, then submit all of them again"
        problems.append(Problem("submit", "no film was queued", remedy=remedy))
    if problems:
        raise InputError(*problems)
    return sessions


def _mistakes(session: Session, only: str | None) -> Sequence[Problem]:
    try:
        if only is not None:
            selected(session.plan, only)
        for path in (session.plan.file, session.outputs.folder):
            str(path).encode()
    except InputError as error:
        return error.problems
    except UnicodeEncodeError:
        remedy = "rename it, or make this film without the farm: wan-render render"
        return (Problem(path_name(session.file), "its path is not UTF-8, as the farm's server wants it", "", remedy),)
    return ()


def _same_films(sessions: Sequence[Session]) -> Iterator[Problem]:
    seen: dict[str, Session] = {}
    for session in sessions:
        if (first := seen.setdefault(session.slug, session)) is not session:
            found = f"makes the film {session.slug}, as {path_name(first.file)} does"
            yield Problem(path_name(session.file), found, remedy="submit one of them, or give one another slug")
