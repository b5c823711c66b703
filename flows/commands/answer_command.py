"""`approve` and `reject`: answer a film that waits for approval."""

from __future__ import annotations

import argparse

from flows.commands.farm_client import farm_client
from flows.farm_queue.answering import approve, reject
from flows.farm_queue.film_queue import QueuedFilm, Standing, read_queue
from flows.farm_queue.film_runs import open_question
from flows.farm_queue.queue_report import films_called
from wan_render.errors import Problem, UsageError
from wan_render.printable import printable


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked, then answer it. Raises UsageError if the film doesn't wait for approval."""
    with farm_client() as client:
        film = _unapproved(films_called(arguments.film, read_queue(client)))
        if question := open_question(client, client.read_flow_run(film.run)):
            print(question)
        answer = approve if arguments.renders else reject
        answer(client, film, printable(arguments.note))
    if arguments.renders:
        print(f"{film.slug}: approved; it is rendered when its turn comes")
    else:
        print(f"{film.slug}: not approved; nothing is rendered")
    return 0


def _unapproved(films: tuple[QueuedFilm, ...]) -> QueuedFilm:
    found = next((film for film in films if film.standing is Standing.UNAPPROVED), None)
    if found is None:
        states = ", ".join(film.standing.value for film in films)
        raise UsageError(Problem(films[0].slug, f"doesn't wait for approval: {states}", remedy="wan-render queue"))
    return found
