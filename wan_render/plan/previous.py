"""`from: previous`: the picture that the shot before ends on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wan_render.plan.film_plan import NotYet, PlannedShot, Rendered
from wan_render.take import FramePlate, Size


@dataclass(frozen=True)
class PinnedClip:
    """A clip that is there and that a pin keeps in the film, whatever its shot says now."""

    key: str
    frames: int
    size: Size


PinnedClips = Callable[[str], PinnedClip | None]
"""The one clip whose key begins with these digits; None where there is none or more than one."""


def nothing_kept(_digits: str) -> PinnedClip | None:
    """Where no store is looked at: no clip is there."""
    return None


def end_of(before: PlannedShot, size: Size, kept: PinnedClips) -> FramePlate | NotYet:
    """The last frame of the take of a shot that goes into the film (circled, else the first that is not `ng`), as the
    plate of the shot after it; or why there is none."""
    if not isinstance(before.content, Rendered):
        why = before.content.reason if isinstance(before.content, NotYet) else "is not rendered"
        return NotYet(f"continues {before.id}: {why}")
    content = before.content
    take = next(planned.take for planned in content.takes if planned.number == content.chosen)
    if content.pin is None or take.key.startswith(content.pin):
        return FramePlate(take.key, take.frames - 1, size)
    clip = kept(content.pin)
    if clip is None:
        return NotYet(f"continues {before.id}, whose circle keeps @{content.pin}: no one such clip is there")
    if clip.size != size:
        return NotYet(f"continues {before.id}, whose kept clip is {clip.size}: the film's raster is {size}")
    return FramePlate(clip.key, clip.frames - 1, size)
