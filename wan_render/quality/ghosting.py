"""Double exposures: frames between two unlike keyframes that a blend of both explains, instead of motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from wan_render.quality.ends import likeness
from wan_render.quality.landmarks import Landmarks
from wan_render.quality.samples import Floats, mean_product, mean_square
from wan_render.quality.small_frames import contrast_of, shrunk, softened
from wan_render.quality.tracking import LEAST_CONTRAST, WINDOW, structure_of, unlikeness
from wan_render.render_values import Pixels

ALIKE = 0.7
"""Keyframes that are at least so alike (ends.likeness) have no ghosts: what is between them looks like both."""

PLAIN = 3 / 255
"""Contrast, samples 0 to 1. A black keyframe, or one of another colour, has less."""

SAME_STRUCTURE = 0.65
"""Keyframes whose structure is less unlike show the same place in another light (tracking.unlikeness)."""

SAME_MOVED = 0.5
"""Correlation of the structures, moved onto each other, from which they show the same place."""

BETWEEN, PART_OF_THE_WAY = (0.25, 0.5, 0.75), (0.2, 0.8)
"""Places in the clip of the frames that are looked at, and how far from a keyframe a view between the two is, as a
share of how far these are from each other."""

SAME_EDGES = 0.35
"""Correlation of edges, moved onto a frame, from which two keyframes show the same place: light changes it."""

SOFT = 2.0
"""Blur in pixels: pictures that move a little while they are blended are ghosts as well."""

LEAST_PART = 0.2
"""Part of each keyframe in a double exposure."""

ENOUGH_EDGES = 0.4
"""A blend that explains less than this of a frame's edges explains less of the frame."""

BETTER = 0.03
"""Share of a frame's edges that both pictures together explain beyond what the better one of them does alone. Fog and
night leave one picture, and a blend with another one explains nothing more: 0.02 at most."""

SHARE, LEAST_GHOSTS = 0.1, 2
"""A clip is as ghostly as the frame above which this share of its frames are, and at least so many."""

NO_GHOST = 0.3
"""What a blend explains of a frame that nobody would take for a double exposure: two thirds of what is flagged."""

REGISTERED = 11
"""How many frames around the middle are compared with keyframes that were moved onto them first."""

MOST_SHIFT, MOST_SCALE = 0.15, 1.4
"""How far a keyframe is moved for that, as a share of the longer side, and enlarged or reduced. A dissolve of moving
stills stays within; a pan moves farther."""

LEAST_COVER = 0.5
"""Share of the frame that both moved keyframes must cover."""


@dataclass(frozen=True)
class GhostMeasures:
    """How well a blend of the keyframes explains the frames between them: 1 is a dissolve, 0 is motion.

    still: by the keyframes as they are, the value that a tenth of the frames reaches. moved: by keyframes that were
    moved onto the frames. at, moved_at: the ghostliest frames.
    """

    still: float
    at: int
    moved: float
    moved_at: int


def ghost_measures(small: Pixels, first: Pixels, last: Pixels) -> GhostMeasures | None:
    """None if the keyframes are alike, or show the same place in another light or from a little farther, or if one of
    them is plain: a fade is meant then. 0 if the camera goes from one to the other.

    small: (frames, height, width, 3) uint8 RGB; first, last: in full size.
    """
    one, other = shrunk(first), shrunk(last)
    pair = softened(one, SOFT), softened(other, SOFT)
    if likeness(one, other) >= ALIKE or min(map(contrast_of, pair)) < PLAIN or _is_same_place(one, other):
        return None
    if _is_passed_through(one, other, small):
        return GhostMeasures(0.0, 0, 0.0, 0)
    edges = [_edges(picture) for picture in pair]
    still = np.array([_explained(softened(frame, SOFT), pair, edges) for frame in small])
    where = np.unique(np.linspace(0.25, 0.75, REGISTERED) * (len(small) - 1)).astype(int)
    moving = _explained_by_moved_pairs([softened(small[at], SOFT) for at in where], pair)
    count = min(len(still), max(LEAST_GHOSTS, int(SHARE * len(still))))
    value, at = float(np.sort(still)[-count]), int(still.argmax())
    by_moved = float(np.sort(moving)[-min(LEAST_GHOSTS, len(moving))])
    if value > max(by_moved, NO_GHOST):  # the light of a dark scene may look like a blend of keyframes that stay
        ghostliest = [softened(small[each], SOFT) for each in np.argsort(-still, kind="stable")[:LEAST_GHOSTS]]
        value = min(value, max([by_moved, *(_explained_by_moved(frame, *pair) for frame in ghostliest)]))
    return GhostMeasures(max(0.0, value), at, max(0.0, by_moved), int(where[moving.argmax()]))


def _is_passed_through(one: Pixels, other: Pixels, small: Pixels) -> bool:
    """Whether the camera goes from one keyframe to the other: by landmarks both show one place, and so does a frame
    between them, from elsewhere. In a dissolve each picture stays where it is."""
    looked_at = [small[int(part * (len(small) - 1))] for part in BETWEEN]
    landmarks = Landmarks(np.stack([one, other, *looked_at]))
    whole = landmarks.shared(0, 1)
    if not whole.is_surely_one_place:
        return False
    views = [landmarks.shared(*pair) for at in range(2, 2 + len(BETWEEN)) for pair in ((0, at), (at, 1))]
    low, high = (share * whole.reach for share in PART_OF_THE_WAY)
    return any(view.is_one_place and low <= view.reach <= high for view in views)


def _is_same_place(one: Pixels, other: Pixels) -> bool:
    structures = [structure_of(picture) for picture in (one, other)]
    if unlikeness(*structures) < SAME_STRUCTURE:
        return True
    soft = [cv2.cvtColor(cv2.GaussianBlur(each, (0, 0), SOFT), cv2.COLOR_GRAY2RGB) for each in structures]
    moved = _Moved.onto(soft[0], soft[1])
    return moved is not None and moved.correlation > SAME_MOVED


def _explained(frame: Floats, pair: Sequence[Floats], edges: Sequence[Floats], where: Floats | None = None) -> float:
    """How far the best blend of two pictures explains a frame, less if it does not explain its edges, or one of the two
    does so alone: light and fog look like a part of another picture, but for those.

    edges: those of the two (_edges). where: the pixels that count, (height, width); None for all.
    """
    found = _blended(*_those(where, frame, *pair))
    if found <= 0:
        return 0.0
    parts = _those(where, _edges(frame), *edges)
    enough = max(0.0, _blended(*parts)) / ENOUGH_EDGES
    return found * min(1.0, enough, _better_together(*parts) / BETTER)


def _those(where: Floats | None, *pictures: Floats) -> Sequence[Floats]:
    return pictures if where is None else [picture[where] for picture in pictures]


def _better_together(frame: Floats, one: Floats, other: Floats) -> float:
    """0 to 1: the share of a frame that the best one of two pictures leaves, and both together explain."""
    pictures = np.stack([one.ravel(), other.ravel()])
    products, weights = pictures @ pictures.T, pictures @ frame.ravel()
    alone = float(np.max(np.clip(weights, 0, None) ** 2 / np.maximum(products.diagonal(), LEAST_CONTRAST**2)))
    together = float(weights @ np.linalg.lstsq(products, weights, rcond=None)[0])
    whole = float((frame * frame).sum())
    return max(0.0, together - alone) / max(whole - alone, LEAST_CONTRAST**2)


def _blended(frame: Floats, one: Floats, other: Floats) -> float:
    """1 less what is left of a frame beside the best blend of two pictures, in terms of how unlike the two are."""
    way, gone, none = cv2.subtract(other, one), cv2.subtract(frame, one), LEAST_CONTRAST**2
    length = mean_square(way)
    part = mean_product(gone, way) / (length + none)
    if not LEAST_PART <= part <= 1 - LEAST_PART:
        return 0.0
    rest = cv2.addWeighted(gone, 1, way, -part, 0)
    return 1 - mean_square(rest) / (part * (1 - part) * length + none)


def _explained_by_moved_pairs(frames: Sequence[Floats], pair: Sequence[Floats]) -> Floats:
    """Of each frame. Every second one is looked at first, and the others only if one of these is a ghost at all."""
    found, seconds, others = np.zeros(len(frames)), slice(1, None, 2), slice(0, None, 2)
    found[seconds] = [_explained_by_moved(frame, *pair) for frame in frames[seconds]]
    if found.any() or len(frames) < REGISTERED:
        found[others] = [_explained_by_moved(frame, *pair) for frame in frames[others]]
    return found


def _explained_by_moved(frame: Floats, one: Floats, other: Floats) -> float:
    """The same with both pictures moved onto the frame; 0 if they cannot be. The picture that is easier to see is moved
    first, the other one onto what is left."""
    firsts = [_Moved.onto(frame, picture) for picture in (one, other)]
    found = [moved for moved in firsts if moved is not None]
    if not found:
        return 0.0
    seen = max(found, key=lambda moved: moved.correlation)
    hidden = _Moved.onto(_without(frame, seen), other if seen is firsts[0] else one)
    if hidden is None:
        return 0.0
    where = seen.covers & hidden.covers
    if _shows_the_same(seen.picture, hidden.picture, where):
        return 0.0
    if where.mean() < LEAST_COVER:
        return 0.0
    pair = seen.picture, hidden.picture
    return _explained(frame, pair, [_edges(picture) for picture in pair], where)


def _shows_the_same(one: Floats, other: Floats, where: Floats) -> bool:
    """Whether two pictures, moved onto each other, have the same edges: one place, in another light."""
    first, second = (_edges(picture)[where] for picture in (one, other))
    spread = float(np.sqrt((first * first).sum() * (second * second).sum()))
    return spread > 0 and float((first * second).sum()) > SAME_EDGES * spread


def _edges(picture: Floats) -> Floats:
    level = cv2.cvtColor(np.asarray(picture, np.float32), cv2.COLOR_RGB2GRAY)
    return np.asarray(level - cv2.GaussianBlur(level, (0, 0), WINDOW))


def _without(frame: Floats, seen: _Moved) -> Floats:
    """What is left of a frame without as much of a picture as is in it."""
    centred, picture = (each - each.mean(axis=(0, 1)) for each in (frame, seen.picture))
    part = float((centred * picture)[seen.covers].mean()) / (float((picture * picture)[seen.covers].mean()) + 1e-6)
    return np.asarray(centred - np.clip(part, 0, 1) * picture)


@dataclass(frozen=True)
class _Moved:
    """A picture that was moved onto a frame, the pixels of the frame that it covers, and how well they correlate."""

    picture: Floats
    covers: Floats
    correlation: float

    @staticmethod
    def onto(frame: Floats, picture: Floats) -> _Moved | None:
        """Shift and scale a picture so that it correlates best (Evangelidis and Psarakis 2008). None if that does not
        converge, or moves it too far."""
        height, width = frame.shape[:2]
        goal, given = (cv2.cvtColor(np.asarray(each, np.float32), cv2.COLOR_RGB2GRAY) for each in (frame, picture))
        start = np.eye(2, 3, dtype=np.float32)
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-3)
        try:
            correlation, matrix = cv2.findTransformECC(goal, given, start, cv2.MOTION_AFFINE, stop, _EVERYWHERE, 5)
        except cv2.error:  # the frame shows nothing of the picture
            return None
        if _is_far(np.asarray(matrix), width, height):
            return None
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        covered = cv2.warpAffine(np.ones((height, width), np.float32), matrix, (width, height), flags=flags)
        return _Moved(moved, covered > 0.99, float(correlation))


_EVERYWHERE: Any = None
"""OpenCV takes None for a mask; its types do not say so."""


def _is_far(matrix: Floats, width: int, height: int) -> bool:
    middle = np.array((width / 2, height / 2, 1))
    shift = float(np.abs(matrix @ middle - middle[:2]).max()) / max(width, height)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    return shift > MOST_SHIFT or not 1 / MOST_SCALE <= scale <= MOST_SCALE
