"""The shots of `--only 1/020,2`."""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches

from wan_render.errors import Problem, UsageError
from wan_render.plan import FilmPlan
from wan_render.printable import LONGEST_SHOWN, shown


def selected(plan: FilmPlan, text: str) -> frozenset[str]:
    """Ids of the named shots and of all shots in the named scenes. Raises UsageError for an unknown name.

    The bridges of a scene are left to `orders`: the last one may need a shot of the next scene.
    """
    scenes = {shot.scene for shot in plan.shots}
    found: set[str] = set()
    for name in (unicodedata.normalize("NFC", part).strip() for part in text.split(",")):
        if name in scenes:
            found.update(shot.id for shot in plan.shots if shot.scene == name and shot.bridges is None)
        else:
            found.add(one_shot(plan, name))
    return frozenset(found)


def one_shot(plan: FilmPlan, name: str) -> str:
    """The id of a shot, given as `1/020`, or as `020` if only one scene has it. Raises UsageError otherwise."""
    name = unicodedata.normalize("NFC", name)  # like ids; a Mac's terminal may decompose accents
    ids = [shot.id for shot in plan.shots]
    if name in ids:
        return name
    named = [shot.id for shot in plan.shots if shot.name == name]
    if len(named) == 1:
        return named[0]
    if named:
        raise UsageError(Problem(shown(name), "several shots have this name", f"allowed: {', '.join(named)}"))
    raise UsageError(_unknown(name, ids))


def _unknown(name: str, known: list[str]) -> Problem:
    close = get_close_matches(name[:LONGEST_SHOWN], known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "`wan-render plan FILE` lists them"
    return Problem(shown(name), "no such shot or scene", f"for example {', '.join(known[:4])}", hint)
