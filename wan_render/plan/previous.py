"""`from: previous`: the frame on which the previous shot ends; and the clip of a shot in the film."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wan_render.plan.film_plan import NotYet, PlannedShot, Rendered
from wan_render.take import FramePlate, Size, TakePart


@dataclass(frozen=True)
class PinnedClip:
    """A clip in the store that a pin keeps in the film, whatever its shot says now.

    has_latents: whether its latents are beside it.
    """

    key: str
    frames: int
    size: Size
    has_latents: bool = False


PinnedClips = Callable[[str], PinnedClip | None]
"""The only clip whose key begins with these digits; None if there is none, or more than one."""


def no_pinned_clips(_digits: str) -> PinnedClip | None:
    """The PinnedClips without a store: finds none."""
    return None


def end_of(before: PlannedShot, size: Size, kept: PinnedClips) -> FramePlate | NotYet:
    """The last frame of a shot's take in the film, as the first plate of the next shot; or why there is none."""
    clip = clip_in_film(before, size, kept)
    if isinstance(clip, NotYet):
        return NotYet(f"continues {clip.reason}")
    return FramePlate(clip.take, clip.frames - 1, size)


def clip_in_film(shot: PlannedShot, size: Size, kept: PinnedClips) -> TakePart | NotYet:
    """All frames of a shot's take in the film (the circled one, else the first that is not `ng`), rendered or not; or
    why it has none: `1/020: …`."""
    if not isinstance(shot.content, Rendered):
        why = shot.content.reason if isinstance(shot.content, NotYet) else "is not rendered"
        return NotYet(f"{shot.id}: {why}")
    content = shot.content
    take = next(planned.take for planned in content.takes if planned.number == content.chosen)
    if content.pin is None or take.key.startswith(content.pin):
        return TakePart(take.key, 0, take.frames)
    clip = kept(content.pin)
    if clip is None:
        return NotYet(f"{shot.id}, which is pinned to @{content.pin}: no single clip has such a key")
    if clip.size != size:
        return NotYet(f"{shot.id}, whose pinned clip is {clip.size}: the film's raster is {size}")
    return TakePart(clip.key, 0, clip.frames)
