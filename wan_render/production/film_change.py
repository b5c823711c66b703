"""Whether the next render makes a new version of a film whose takes are all in the store, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from wan_render.cut import Cut
from wan_render.keys import canonical, content_key
from wan_render.production.deliver import missing_deliverables
from wan_render.production.film_cut import CUT, FILM_FORM, FORMER_FILM_FORMS, cut_of
from wan_render.production.run import Run
from wan_render.production.shown_bridges import with_shown_bridges
from wan_render.production.shown_takes import with_shown_takes
from wan_render.status import FilmStatus, deliverable_seconds, film_seconds
from wan_render.store import FilmVersion, Store

MOST_NAMED = 3
"""How many shots are named; the rest are counted."""

_FILM_WORDS = {
    "title": "title",
    "rate": "frame rate",
    "size": "raster",
    "delivery": "delivery",
    "fit": "fit",
    "upscale": "upscaling",
    "fade_in": "fade in",
    "fade_out": "fade out",
    "lettering": "fonts of texts",
    "retime": "retiming",
    "match_colours": "colour match",
    "repair": "repair of jumps",
    "easing": "easing of joints",
    "dissolves": "light of dissolves",
    "sound": "sound",
    "subtitles": "subtitles",
    "language": "language",
}
_SHOT_WORDS = {
    "source": "picture",
    "first": "first frame",
    "frames": "length",
    "hold": "hold",
    "joint": "joint",
    "preview": "preview mark",
    "rate": "frame rate",
}


def with_film_change(run: Run) -> FilmStatus:
    """The run's status, with the reason why the film is made again although no take is missing. Writes nothing, and
    hashes no clip."""
    run = with_shown_takes(run)
    found, store = run.before, run.store
    film = store.films.latest(run.plan.slug)
    if film is None or found.to_render:
        return found
    slates = film.slates
    shown = with_shown_bridges(run, {}, store.find)
    cut = cut_of(shown, {}, store.find, doubtful=lambda shot: shot in slates)
    why = _why(film, cut, store)
    if why:
        return replace(found, film_change=why, film_seconds=film_seconds(run.plan))
    missing = missing_deliverables(run.plan, film, cut)
    names, size = tuple(each.form for each in missing), sum(each.bytes for each in missing)
    return replace(found, undelivered=names, film_seconds=deliverable_seconds(missing), bytes=found.bytes + size)


def _why(film: FilmVersion, cut: Cut, store: Store) -> str:
    if film.key == content_key(FILM_FORM, cut):
        if not film.page.exists():
            return f"{film.name} has no review page"
        damage = store.films.incomplete(film)
        return f"{film.name} was changed after it was made: {damage}" if damage else ""
    for form, fault in FORMER_FILM_FORMS.items():
        if film.key == content_key(form, cut):
            return f"{film.name} was made by an older wan-render ({fault})"
    changed = _changes(film, cut)
    return f"since {film.name}: {changed}" if changed else f"{film.name} was made by another version of wan-render"


def _changes(film: FilmVersion, cut: Cut) -> str:
    """How the cut differs from that of the newest version; "" if it does not, or if that one cannot be read."""
    try:
        before = json.loads((film.folder / CUT).read_bytes())
        return "; ".join(_differences(before, canonical(cut)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    whole = [word for name, word in _FILM_WORDS.items() if before.get(name) != now.get(name)]
    if whole:
        yield f"{', '.join(whole)} changed"
    shots_before, shots_now = shots_of(before), shots_of(now)
    if new := [name for name in shots_now if name not in shots_before]:
        yield f"{_named(new)} added"
    if removed := [name for name in shots_before if name not in shots_now]:
        yield f"{_named(removed)} removed"
    if [name for name in shots_before if name in shots_now] != [name for name in shots_now if name in shots_before]:
        yield "order of shots changed"
    changes = {name: edited(shots_before[name], shots_now[name]) for name in shots_now if name in shots_before}
    if named := [f"{name} ({', '.join(words)})" for name, words in changes.items() if words]:
        yield f"{_named(named)} changed"
    if _titles(before) != _titles(now):
        yield "titles changed"


def shots_of(cut: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The events of a canonical cut that are shots, by their ids."""
    return {event["name"]: event for event in cut["events"] if event["name"]}


def _titles(cut: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [event for event in cut["events"] if not event["name"]]


def edited(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two canonical events of one shot, in words."""
    return [word for name, word in _SHOT_WORDS.items() if before.get(name) != now.get(name)]


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
