"""Join the segments of a take that passes through keyframes. A shared frame appears once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from wan_render.media.clip import read_frames
from wan_render.production.pictures import unavailable
from wan_render.render_values import Pixels
from wan_render.store import Clip, Store
from wan_render.take import Take


def joined_frames(take: Take, store: Store) -> Iterator[Pixels]:
    """The frames of a take with `through`, from the clips of its segments, bit-exactly.

    The last frame of a segment and the first of the next show the same keyframe. The first of the two is used.
    Raises RenderError if a segment is missing.
    """
    clips = [_clip(segment, store) for segment in take.segments]
    return chain.from_iterable(_parts(clips))


def _parts(clips: list[Clip]) -> Iterator[Iterator[Pixels]]:
    for place, clip in enumerate(clips):
        first = 0 if place == 0 else 1
        yield read_frames(clip.video, first, clip.frames - first)


def _clip(segment: Take, store: Store) -> Clip:
    if (clip := store.verify(segment.key)) is None:
        raise unavailable(store, segment.key, "a shot is joined from it")
    return clip
