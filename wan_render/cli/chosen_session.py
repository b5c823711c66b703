"""The session that a command's arguments ask for."""

from __future__ import annotations

import argparse
import sys

from wan_render.session.film_session import Session


def session_of(arguments: argparse.Namespace) -> Session:
    """Raises UsageError for an unknown backend, and for an --allow that names no folder."""
    return Session.of(
        arguments.file,
        allow=arguments.allow,
        outputs=getattr(arguments, "outputs", None),
        backend=arguments.backend,
        draft=bool(getattr(arguments, "draft", False)),
    )


def say_first(session: Session) -> None:
    """Print the opening to stderr, where it disturbs nobody who reads what a command prints."""
    print(session.opening, file=sys.stderr)
