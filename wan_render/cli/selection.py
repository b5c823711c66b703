"""Which shots `--only 1/020,2` means."""

from __future__ import annotations

from difflib import get_close_matches

from wan_render.errors import Problem, UsageError
from wan_render.plan import FilmPlan


def selected(plan: FilmPlan, text: str) -> frozenset[str]:
    """Ids of the shots and of all shots of the scenes that are named. Raises UsageError for an unknown name."""
    ids = [shot.id for shot in plan.shots]
    scenes = {shot.scene for shot in plan.shots}
    found: set[str] = set()
    for name in (part.strip() for part in text.split(",")):
        if name in ids:
            found.add(name)
        elif name in scenes:
            found.update(shot.id for shot in plan.shots if shot.scene == name)
        else:
            raise UsageError(_unknown(name, [*ids, *sorted(scenes)]))
    return frozenset(found)


def one_shot(plan: FilmPlan, name: str) -> str:
    """The id, if the film has that shot. Raises UsageError otherwise."""
    ids = [shot.id for shot in plan.shots]
    if name not in ids:
        raise UsageError(_unknown(name, ids))
    return name


def _unknown(name: str, known: list[str]) -> Problem:
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "`wan-render plan FILE` lists them"
    return Problem(f"'{name}'", "no such shot or scene in the film", f"for example {', '.join(known[:4])}", hint)
