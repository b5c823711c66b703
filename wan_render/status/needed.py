"""What has to be rendered so that some takes can be: what they begin on or are joined from, and in turn theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from wan_render.take import Take


def with_needs(takes: Iterable[Take], by_key: Mapping[str, Take], is_there: Callable[[str], bool]) -> tuple[Take, ...]:
    """The takes, each once, and before each the ones that it needs and that are not there.

    What is needed, is not there and is no take of the plan (a kept clip that was deleted since) is left out: what
    needs it will say so.
    """
    found: dict[str, Take] = {}
    for take in takes:
        _visit(take, by_key, is_there, found)
    return tuple(found.values())


def _visit(take: Take, by_key: Mapping[str, Take], is_there: Callable[[str], bool], found: dict[str, Take]) -> None:
    """Depth first without recursion: a film may continue through hundreds of shots."""
    way = [take]
    while way:
        now = way[-1]
        lacking = [key for key in now.needs if key not in found and key in by_key and not is_there(key)]
        if lacking:
            way.append(by_key[lacking[0]])
            continue
        found.setdefault(now.key, now)
        way.pop()
