"""Rules between the keys of a shot, and between shots."""

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
ONLY_RENDERED = ("from", "to", "through", "prompt", "takes", "circle", "ng", "render", "qc", "cloud")
"""Keys that say how a model renders a shot. With `still`, `card` or `clip` they would have no effect."""

ONLY_CLIPS = ("focus", "fit", "clip_sound")
"""Keys that say how a video file is shown. In other shots, keyframes have the first two."""


@dataclass(frozen=True)
class WrittenShot:
    """A shot as written, and its place. omitted: whether it or its scene has `status: omit`."""

    path: PathInFile
    data: Mapping[str, Any]
    omitted: bool
    mistakes: Mistakes

    def has(self, key: str) -> bool:
        """Whether the key is written, even if it has a mistake."""
        return key in self.data or self.mistakes.has((*self.path, key))

    @property
    def instead(self) -> str:
        """What it shows instead of being rendered, or ""."""
        return next((key for key in NOT_RENDERED if self.has(key)), "")

    def add_mistake(self, key: str, found: str, allowed: str = "", remedy: str = "") -> None:
        """Add a mistake at one of its keys."""
        self.mistakes.add((*self.path, key), found, allowed, remedy)


def number_items(items: list[Any], key: str, step: int, width: int) -> None:
    """Number the items without an id by their place, 010, 020, …; a number that is taken is skipped."""
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
    shots = list(_written_shots(data["scenes"], mistakes))
    if not shots and not any(path[:1] in (("scenes",), ("shots",), ()) for path in mistakes.refused | mistakes.meant):
        mistakes.add((), "no shots", "a film has one shot or more", "add shots: with a list of them")
    for shot in shots:
        _check_kind(shot)
        _check_takes(shot)
    _check_order(shots)


def _written_shots(scenes: list[Any], mistakes: Mistakes) -> Iterator[WrittenShot]:
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
            found = f"the {key} {shown(name)} is here twice, first on line {line}"
            mistakes.add((*path, index, key), found, f"each {key} has a name of its own", "rename one")
        first.setdefault(name, index)


def _check_kind(shot: WrittenShot) -> None:
    for key in ONLY_CLIPS if shot.instead != "clip" else ():
        if shot.has(key):
            remedy = "write it in the keyframe" if key != "clip_sound" else f"delete '{key}'"
            shot.add_mistake(key, f"'{key}' without 'clip'", "only a shot with a video file has it", remedy)
    if shot.instead:
        _check_not_rendered(shot, shot.instead)
        return
    if shot.has("to") and not shot.has("from"):
        shot.add_mistake("to", "'to' without 'from'", "'from' and 'to', only 'from', or neither", "add 'from'")
    if shot.has("through") and not (shot.has("from") and shot.has("to")):
        shot.add_mistake("through", "'through' without 'from' and 'to'", "keyframes between the two", "add both")


def _check_not_rendered(shot: WrittenShot, key: str) -> None:
    for other in NOT_RENDERED:
        if other != key and shot.has(other):
            shot.add_mistake(other, f"both '{key}' and '{other}'", "one of still, card, clip", "delete one")
    for other in (*ONLY_RENDERED, *(("in", "out") if key != "clip" else ())):
        if shot.has(other):
            shot.add_mistake(
                other, f"'{other}' with '{key}'", f"a {key} is not rendered by a model", f"delete '{other}'"
            )


def _check_takes(shot: WrittenShot) -> None:
    """Check that no take is both circled and refused."""
    refused = shot.data.get("ng", [])
    try:
        circle = read_circle(shot.data["circle"]) if "circle" in shot.data else None
    except Misspelt:
        return  # already reported by its type
    if circle and any(text.isdecimal() and int(text) == circle.take for text in refused if isinstance(text, str)):
        found = f"take {circle.take} is both circled and ng"
        shot.add_mistake("circle", found, "a take that is not refused", "delete one of the two")


def _check_order(shots: list[WrittenShot]) -> None:
    for before, shot in zip([None, *shots], shots, strict=False):
        if shot.data.get("from") == PREVIOUS and not shot.omitted and not shot.instead:
            _check_previous(shot, before)


def _check_previous(shot: WrittenShot, before: WrittenShot | None) -> None:
    allowed = "'previous' continues a rendered shot"
    if before is None:
        shot.add_mistake("from", "'previous' in the first shot", allowed, "name a keyframe")
    elif before.omitted:
        shot.add_mistake(
            "from", "'previous' after an omitted shot", allowed, "name a keyframe, or omit this shot as well"
        )
    elif before.instead:
        remedy = "name a keyframe" if before.instead != "clip" else "write from: {clip: FILE, frame: last}"
        shot.add_mistake("from", f"'previous' after a {before.instead}", allowed, remedy)
