"""What a new version of a film changes, shot by shot, for its page: new takes and why, new shots, shots gone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from wan_render.cut import Cut
from wan_render.keys import canonical
from wan_render.printable import logger
from wan_render.production.film_change import edited, shots_of
from wan_render.production.film_cut import CUT
from wan_render.production.film_warnings import PLAN
from wan_render.production.run import Run
from wan_render.report import FormerVersion
from wan_render.status import ShotStatus
from wan_render.store import FilmVersion
from wan_render.take_changes import changes

LOG = logger("wan_render.production")


def former_version(run: Run, cut: Cut, film: FilmVersion | None) -> FormerVersion | None:
    """The newest version that there is, and what this cut changes; None for the first, and where its records cannot be
    read: then nothing is known of it."""
    if film is None or not film.page.exists():
        return None
    try:
        before = shots_of(json.loads((film.folder / CUT).read_bytes()))
        takes = _chosen_takes(json.loads((film.folder / PLAN).read_bytes()))
        now = shots_of(canonical(cut))
        statuses = {shot.id: shot for shot in run.before.shots}
        changed = {
            name: "; ".join(_changes(before.get(name), event, takes.get(name), statuses.get(name)))
            for name, event in now.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        LOG.info("what is new since %s is not known: %s", film.name, error)
        return None
    gone = tuple(name for name in before if name not in now)
    return FormerVersion(film.name, {name: words for name, words in changed.items() if words}, gone)


def _chosen_takes(plan: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The take of each shot that a plan chose, by the shot's id."""
    return {shot["id"]: take for shot in plan["shots"] for take in shot["takes"] if take["chosen"]}


def _changes(
    before: Mapping[str, Any] | None,
    now: Mapping[str, Any],
    former: Mapping[str, Any] | None,
    shot: ShotStatus | None,
) -> Iterator[str]:
    if before is None:
        yield "new shot"
        return
    old, new = before["source"], now["source"]
    if old != new:
        yield _new_source(old, new, former, shot)
    if words := [word for word in edited(before, now) if word not in _OF_THE_SOURCE]:
        yield f"{', '.join(words)} changed"


_OF_THE_SOURCE = ("picture", "preview mark")
_KINDS = {"key": "a take", "plate": "a still", "text": "a card"}
"""What a shot shows, by the field that its source has in a canonical cut."""


def _new_source(
    old: Mapping[str, Any], new: Mapping[str, Any], former: Mapping[str, Any] | None, shot: ShotStatus | None
) -> str:
    if "reason" in new:
        return "missing now" if "reason" not in old else "still missing"
    if "reason" in old:
        return "no longer missing"
    kind = next(kind for kind in _KINDS if kind in new)
    if kind not in old:
        return f"now {_KINDS[kind]}"
    if kind != "key":
        return "text changed" if kind == "text" else "picture changed"
    words = _take_changes(former, new["key"], shot)
    return f"new take ({', '.join(words)} changed)" if words else "new take"


def _take_changes(former: Mapping[str, Any] | None, key: str, shot: ShotStatus | None) -> tuple[str, ...]:
    """What the take differs in from the former one; nothing where that is not known, or its seed alone is another."""
    takes = shot.takes if shot is not None else ()
    take = next((each.take for each in takes if each.key == key and each.take is not None), None)
    if take is None or former is None:
        return ()
    known = {name: former[name] for name in canonical(take) if name in former}
    return changes(known, take)
