"""`open`: open the newest film's review page in the browser."""

from __future__ import annotations

import argparse
import webbrowser

from wan_render.cli.chosen_session import say_first, session_of
from wan_render.errors import Problem, UsageError
from wan_render.printable import path_name


def run(arguments: argparse.Namespace) -> int:
    """Open the page if there is a browser. Its path is always printed."""
    session = session_of(arguments).with_backend_of_newest_film()
    say_first(session)
    film = session.store.films.latest(session.plan.slug)
    if film is None:
        found, remedy = (
            f"has no film '{session.plan.slug}' yet",
            f"make it: wan-render render {path_name(session.file)}",
        )
        raise UsageError(Problem(path_name(session.outputs.folder), found, remedy=remedy))
    if not film.page.exists():
        raise UsageError(
            Problem(str(film.folder), "has no review page", remedy=f"make it: wan-render render {session.file}")
        )
    webbrowser.open(film.page.absolute().as_uri())
    print(film.page)
    return 0
