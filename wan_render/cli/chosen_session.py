"""The session for a command's arguments."""

from __future__ import annotations

import argparse
import os
import sys

from wan_render.session.film_session import Session
from wan_render.settings import FARM_SETTING


def session_of(arguments: argparse.Namespace) -> Session:
    """The session. Raises UsageError for an unknown backend, and for an --allow that is not a folder."""
    if farm := getattr(arguments, "farm", None):
        os.environ[FARM_SETTING] = farm  # this command's other parts read the setting themselves
    return Session.of(
        arguments.file,
        allow=arguments.allow,
        outputs=getattr(arguments, "outputs", None),
        backend=arguments.backend,
        draft=bool(getattr(arguments, "draft", False)),
        max_cost=getattr(arguments, "max_cost", None),
    )


def say_first(session: Session) -> None:
    """Print the opening to stderr, so that stdout has only the command's result."""
    print(session.opening, file=sys.stderr)
