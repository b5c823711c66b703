"""`from: previous`: the frame on which the previous shot ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wan_render.plan.film_plan import NotYet, PlannedShot, Rendered
from wan_render.take import FramePlate, Size


@dataclass(frozen=True)
class PinnedClip:
    """A clip in the store that a pin keeps in the film, whatever its shot says now."""

    key: str
    frames: int
    size: Size


PinnedClips = Callable[[str], PinnedClip | None]
"""The only clip whose key begins with these digits; None if there is none, or more than one."""


def no_pinned_clips(_digits: str) -> PinnedClip | None:
    """The PinnedClips without a store: finds none."""
    return None


def end_of(before: PlannedShot, size: Size, kept: PinnedClips) -> FramePlate | NotYet:
    """The last frame of a shot's take in the film (the circled one, else the first that is not `ng`), as the first
    plate of the next shot; or why there is none."""
    if not isinstance(before.content, Rendered):
        why = before.content.reason if isinstance(before.content, NotYet) else "is not rendered"
        return NotYet(f"continues {before.id}: {why}")
    content = before.content
    take = next(planned.take for planned in content.takes if planned.number == content.chosen)
    if content.pin is None or take.key.startswith(content.pin):
        return FramePlate(take.key, take.frames - 1, size)
    clip = kept(content.pin)
    if clip is None:
        return NotYet(f"continues {before.id}, which is pinned to @{content.pin}: no single clip has such a key")
    if clip.size != size:
        return NotYet(f"continues {before.id}, whose pinned clip is {clip.size}: the film's raster is {size}")
    return FramePlate(clip.key, clip.frames - 1, size)
