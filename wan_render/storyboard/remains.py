"""The part of a faulty storyboard that can still be planned, so that mistakes of meaning are reported as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wan_render.authored import PREVIOUS, PathInFile
from wan_render.storyboard.mistakes import Mistakes

_SHOT = 4
"""Steps of a shot's path: scenes, 0, shots, 2."""


def remains(data: Mapping[str, Any], mistakes: Mistakes) -> dict[str, Any] | None:
    """The canonical form with `status: omit` for the shots that have mistakes and those that continue them.

    None if there are mistakes outside of shots and pictures, since any shot may depend on these.
    """
    if mistakes.full or mistakes.elsewhere or not all(_is_local(path) for path in mistakes.refused):
        return None
    mistaken = {path[:_SHOT] for path in mistakes.refused if path[0] == "scenes"}
    scenes, lost = [], False
    for index, scene in enumerate(data["scenes"]):
        shots: list[Any] = []
        for place, shot in enumerate(scene.get("shots", ())):
            written = ("scenes", index, "shots", place)
            lost = written in mistaken or (lost and shot.get("from") == PREVIOUS)
            shots.append({"shot": f"mistaken-{place}", "status": "omit"} if lost else shot)
        scenes.append({**scene, "shots": shots})
    return {**data, "scenes": scenes}


def _is_local(path: PathInFile) -> bool:
    """Whether a mistake is in a shot or a picture."""
    in_shot = len(path) >= _SHOT and path[0] == "scenes" and path[2] == "shots"
    return in_shot or (len(path) == 3 and path[0] == "keyframes" and path[2] in ("image", "clip", "frame"))
