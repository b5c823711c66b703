"""The session for a command's arguments."""

from __future__ import annotations

import argparse
import sys

from wan_render.session.film_session import Session


def session_of(arguments: argparse.Namespace) -> Session:
    """The session. Raises UsageError for an unknown backend, and for an --allow that is not a folder."""
    return Session.of(
        arguments.file,
        allow=arguments.allow,
        outputs=getattr(arguments, "outputs", None),
        backend=arguments.backend,
        draft=bool(getattr(arguments, "draft", False)),
    )


def say_first(session: Session) -> None:
    """Print the opening to stderr, so that stdout has only the command's result."""
    print(session.opening, file=sys.stderr)
