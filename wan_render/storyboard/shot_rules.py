"""Rules between the keys of a shot and between shots: what a shot can be, what it can follow."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wan_render.authored import PREVIOUS, PathInFile
from wan_render.authored.spelling import Misspelt
from wan_render.authored.times import read_circle
from wan_render.printable import shown
from wan_render.storyboard.mistakes import Mistakes

NOT_RENDERED = ("still", "card", "clip")
ONLY_RENDERED = ("from", "to", "through", "prompt", "takes", "circle", "ng", "render", "qc")
"""What says how a model renders a shot; beside `still`, `card` and `clip` it would have no effect."""


@dataclass(frozen=True)
class WrittenShot:
    """A shot as written, and where. `omitted`: it or its scene is."""

    path: PathInFile
    data: Mapping[str, Any]
    omitted: bool
    mistakes: Mistakes

    def has(self, key: str) -> bool:
        """Whether the key is written, rightly or wrongly."""
        return key in self.data or self.mistakes.has((*self.path, key))

    @property
    def instead(self) -> str:
        """What it shows instead of being rendered, or ""."""
        return next((key for key in NOT_RENDERED if self.has(key)), "")

    def tell(self, key: str, found: str, allowed: str = "", remedy: str = "") -> None:
        """A mistake at one of its keys."""
        self.mistakes.add((*self.path, key), found, allowed, remedy)


def number_items(items: list[Any], key: str, step: int, width: int) -> None:
    """Give those without an id the number of their place, 010, 020, …, or the next that is free."""
    taken = {item.get(key) for item in items if isinstance(item, dict)}
    for place, item in enumerate(items, start=1):
        if isinstance(item, dict) and key not in item:
            value = place * step
            while (text := f"{value:0{width}d}") in taken:
                value += step
            taken.add(text)
            item[key] = text


def number_all(data: dict[str, Any]) -> None:
    """Give every scene and shot its id."""
    number_items(data["scenes"], "scene", 1, 1)
    for scene in data["scenes"]:
        if isinstance(scene, dict):
            number_items(scene.get("shots", []), "shot", 10, 3)


def check_shots(data: dict[str, Any], mistakes: Mistakes) -> None:
    """Every rule between keys and between shots."""
    _check_unique(data["scenes"], ("scenes",), "scene", mistakes)
    for index, scene in enumerate(data["scenes"]):
        if isinstance(scene, dict):
            _check_unique(scene.get("shots", []), ("scenes", index, "shots"), "shot", mistakes)
    sites = list(_sites(data["scenes"], mistakes))
    if not sites and not any(path[:1] in (("scenes",), ("shots",), ()) for path in mistakes.refused | mistakes.meant):
        mistakes.add((), "no shots", "a film has one shot or more", "add shots: with a list of them")
    for site in sites:
        _check_kind(site)
        _check_takes(site)
    _check_order(sites)


def _sites(scenes: list[Any], mistakes: Mistakes) -> Iterator[WrittenShot]:
    for index, scene in enumerate(scenes):
        for place, shot in enumerate(scene.get("shots", []) if isinstance(scene, dict) else []):
            if isinstance(shot, dict):
                omitted = _omits(scene) or _omits(shot)
                yield WrittenShot(("scenes", index, "shots", place), shot, omitted, mistakes)


def _omits(data: Mapping[str, Any]) -> bool:
    return str(data.get("status")).lower() == "omit"


def _check_unique(items: list[Any], path: PathInFile, key: str, mistakes: Mistakes) -> None:
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        name = item.get(key) if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        name = unicodedata.normalize("NFC", name)
        if name in first:
            line = mistakes.marks.get((*path, first[name]), (0, 0))[0]
            found = f"the {key} {shown(name)} is here twice, first in line {line}"
            mistakes.add((*path, index, key), found, f"each {key} has a name of its own", "rename one")
        first.setdefault(name, index)


def _check_kind(site: WrittenShot) -> None:
    if site.instead:
        _check_not_rendered(site, site.instead)
        return
    if site.has("to") and not site.has("from"):
        site.tell("to", "'to' without 'from'", "'from' and 'to', only 'from', or neither", "add 'from'")
    if site.has("through") and not (site.has("from") and site.has("to")):
        site.tell("through", "'through' without 'from' and 'to'", "keyframes between the two", "add both")


def _check_not_rendered(site: WrittenShot, key: str) -> None:
    for other in NOT_RENDERED:
        if other != key and site.has(other):
            site.tell(other, f"both '{key}' and '{other}'", "one of still, card, clip", "delete one")
    for other in (*ONLY_RENDERED, *(("in", "out") if key != "clip" else ())):
        if site.has(other):
            site.tell(other, f"'{other}' beside '{key}'", f"a {key} is not rendered by a model", f"delete '{other}'")


def _check_takes(site: WrittenShot) -> None:
    """A take cannot be both the chosen and a refused one."""
    refused = site.data.get("ng", [])
    try:
        circle = read_circle(site.data["circle"]) if "circle" in site.data else None
    except Misspelt:
        return  # told by the models
    if circle and any(text.isdecimal() and int(text) == circle.take for text in refused if isinstance(text, str)):
        found = f"take {circle.take} is both circled and ng"
        site.tell("circle", found, "a take that is not refused", "delete one of the two")


def _check_order(sites: list[WrittenShot]) -> None:
    for before, site in zip([None, *sites], sites, strict=False):
        if site.data.get("from") == PREVIOUS and not site.omitted and not site.instead:
            _check_previous(site, before)


def _check_previous(site: WrittenShot, before: WrittenShot | None) -> None:
    allowed = "'previous' continues a rendered shot"
    if before is None:
        site.tell("from", "'previous' in the first shot", allowed, "name a keyframe")
    elif before.omitted:
        site.tell("from", "'previous' after a shot that is omitted", allowed, "name a keyframe, or omit this one too")
    elif before.instead:
        site.tell("from", f"'previous' after a {before.instead}", allowed, "name a keyframe")
