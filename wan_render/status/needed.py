"""The takes that other takes need first: those that they begin on or are joined from, and what these need in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from wan_render.take import Take


def with_needs(takes: Iterable[Take], by_key: Mapping[str, Take], is_there: Callable[[str], bool]) -> tuple[Take, ...]:
    """The takes, each once, and before each one the missing takes that it needs.

    A missing take that is not in the plan (a kept clip that was deleted) is left out: the take that needs it will
    report it.
    """
    found: dict[str, Take] = {}
    for take in takes:
        _visit(take, by_key, is_there, found)
    return tuple(found.values())


def _visit(take: Take, by_key: Mapping[str, Take], is_there: Callable[[str], bool], found: dict[str, Take]) -> None:
    """Depth first without recursion: a film may continue through hundreds of shots."""
    path = [take]
    while path:
        now = path[-1]
        lacking = [key for key in now.needs if key not in found and key in by_key and not is_there(key)]
        if lacking:
            path.append(by_key[lacking[0]])
            continue
        found.setdefault(now.key, now)
        path.pop()
