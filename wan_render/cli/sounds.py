"""`sounds`: make the sounds from words, and list all sounds of a film."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from wan_render.cli.chosen_session import say_first, session_of
from wan_render.plan import FilmPlan, PlannedSound
from wan_render.session.columns import aligned

NOT_MADE = 1
"""Exit code if a sound could not be made."""


def run(arguments: argparse.Namespace) -> int:
    """Make the sounds that are not made yet; then list all, with the time when each is heard."""
    session = session_of(arguments)
    say_first(session)
    session = session.with_sounds(lambda sentence: print(sentence, file=sys.stderr))
    for line in aligned(list(_rows(session.plan))):
        print(line)
    return NOT_MADE if session.plan.unmade_sounds else 0


def _rows(plan: FilmPlan) -> Iterator[tuple[str, ...]]:
    for sound in plan.sounds:
        yield (sound.owner or "film", sound.kind, *_times(sound), sound.name)
    for asked in plan.unmade_sounds:
        yield ("", "", "not made", "", asked.name)


def _times(sound: PlannedSound) -> tuple[str, str]:
    start, length = float(sound.placed.start), float(sound.placed.length)
    return f"{start:.2f} s", f"{start + length:.2f} s"
