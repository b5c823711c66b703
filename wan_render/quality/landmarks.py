"""Landmarks: places that can be found again in another frame, however far and fast the camera went between the two.

A cut has no landmark in common on its two sides. A whip pan, a shake and a crash zoom keep those that stay in view, and
so does a scene that something near passes in front of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from wan_render.quality.fades import NOISELESS
from wan_render.quality.large_motion import large_motion
from wan_render.quality.quiet_steps import HALF, quiet_picture, quiet_structure
from wan_render.quality.samples import Floats
from wan_render.quality.small_frames import softened
from wan_render.quality.tracking import SOFT, pictures_apart
from wan_render.render_values import Pixels

MOST_LANDMARKS = 300
"""Of a frame."""

FAINT = 0.01
"""Contrast of the faintest landmark (SIFT's contrastThreshold), after the levels were stretched."""

LEAST_RANGE = 24.0
"""Levels of 255 between the darkest and the brightest hundredth that are stretched to all of them, at least."""

SURE = 0.8
"""A landmark is found again if its best match is nearer than this share of the second best (Lowe 2004)."""

NEAR = 2.0
"""Pixels by which a landmark may miss the common motion."""

LEAST_PAIRS = 4
"""Fewer pairs say nothing of a motion."""

COARSE = 2.0
"""Blur in pixels of the pictures in which landmarks are looked for again, if those of the sharp pictures moved
otherwise than the pictures: they may be of noise that stands still."""

LEAST_CHANGE = 0.05
"""Unlikeness of two pictures (tracking.pictures_apart) that needs no explanation."""

EXPLAINED = 0.5
"""A motion that takes away this share of the change is that of the picture."""

SAME_PICTURE, MUCH_CHANGE = 0.6, 0.3
"""A motion that takes away this share of the change says that both show one place, however few landmarks have it:
thousands of pixels agree. But much must have changed (Shared.change): on a plain ground a few discs are all there is.
Of 18 pairs of unlike keyframes one had 0.27 and the others none; two of one place had 0.88 and 0.96."""

LEAST_STRUCTURE = 0.05
"""Energy of a structure at landmarks (quiet_steps.quiet_structure) that counts as none."""

LEAST_COVER = 0.2
"""Share of the frame that the moved picture must cover to say so."""


@dataclass(frozen=True)
class Shared:
    """What two frames have in common.

    count: landmarks that moved together: by one shift, turn and scale.
    reach: how far the corners of the picture moved on average, in pixels of the small copy; 0 if nothing was found.
    explains: 0 to 1: the share of the change of the whole picture that this motion takes away; 0 if little changed.
    agrees: correlation of the pictures without noise at these landmarks: low if they are of noise that stands still.
    change: how unlike the two soft pictures are (tracking.pictures_apart).
    ways: how far each corner of the picture moved, (x, y) in pixels of the small copy; empty if nothing was found.
    """

    count: int
    reach: float
    explains: float
    agrees: float
    change: float = 0.0
    ways: tuple[tuple[float, float], ...] = ()

    @property
    def is_one_place(self) -> bool:
        """Whether the two show the same place, moved or not."""
        return self.explains >= SAME_PICTURE

    @property
    def is_surely_one_place(self) -> bool:
        """Whether that is sure although few landmarks say so."""
        return self.is_one_place and self.change >= MUCH_CHANGE


_NOTHING = Shared(0, 0.0, 0.0, 1.0)


class Landmarks:
    """Those of a clip's small copies, (frames, height, width, 3) uint8 RGB; looked for in a frame when it is needed."""

    def __init__(self, small: Pixels) -> None:
        self._small = small
        self._finder = cv2.SIFT.create(nfeatures=MOST_LANDMARKS, contrastThreshold=FAINT)
        self._known = dict[tuple[int, float], tuple[Floats, Floats]]()
        self._shared = dict[tuple[int, int], Shared]()
        self._structures = dict[int, Floats]()

    def shared(self, one: int, other: int) -> Shared:
        """Between two frames, counted from 0."""
        if (one, other) not in self._shared:
            self._shared[one, other] = self._found(one, other)
        return self._shared[one, other]

    def large_motion(self, one: int, other: int) -> Shared:
        """Between two frames, by their pictures without detail, and without any landmark: Shared.reach and .explains of
        the motion that takes the one to the other best."""
        pair = softened(self._small[one], NOISELESS), softened(self._small[other], NOISELESS)
        motion = large_motion(*pair)
        reach = float(np.linalg.norm(self._ways(motion), axis=1).mean())
        return replace(_NOTHING, reach=reach, explains=_explained(motion, *pair))

    def _found(self, one: int, other: int) -> Shared:
        pair = softened(self._small[one], SOFT), softened(self._small[other], SOFT)
        change = pictures_apart(*pair)
        found = replace(self._moved_together(one, other, 0.0, pair), change=change)
        if found.explains >= EXPLAINED or change < LEAST_CHANGE:
            return found
        coarse = self._moved_together(one, other, COARSE, pair)
        if coarse.explains < EXPLAINED:
            return found
        return replace(coarse, count=max(found.count, coarse.count), change=change)

    def _moved_together(self, one: int, other: int, blur: float, pair: tuple[Floats, Floats]) -> Shared:
        """pair: the soft pictures that the motion should explain."""
        (places, looks), (other_places, other_looks) = self._of(one, blur), self._of(other, blur)
        if min(len(places), len(other_places)) < LEAST_PAIRS:
            return _NOTHING
        pairs = _pairs(looks, other_looks)
        if len(pairs) < LEAST_PAIRS:
            return _NOTHING
        motion, fits = cv2.estimateAffinePartial2D(
            places[pairs[:, 0]], other_places[pairs[:, 1]], method=cv2.RANSAC, ransacReprojThreshold=NEAR
        )
        if motion is None:
            return _NOTHING
        kept = pairs[fits.ravel() > 0]
        agrees = _agreement(
            _at(self._quiet(one), places[kept[:, 0]] / HALF), _at(self._quiet(other), other_places[kept[:, 1]] / HALF)
        )
        ways = self._ways(np.asarray(motion))
        reach, explains = float(np.linalg.norm(ways, axis=1).mean()), _explained(np.asarray(motion), *pair)
        return Shared(len(kept), reach, explains, agrees, ways=tuple((float(x), float(y)) for x, y in ways))

    def _of(self, frame: int, blur: float) -> tuple[Floats, Floats]:
        """Places, (landmarks, 2), and looks, (landmarks, 128)."""
        if (frame, blur) not in self._known:
            picture = cv2.GaussianBlur(self._small[frame], (0, 0), blur) if blur else self._small[frame]
            found, looks = self._finder.detectAndCompute(_stretched(np.asarray(picture, np.uint8)), _EVERYWHERE)
            places = np.array([each.pt for each in found], np.float32).reshape(-1, 2)
            self._known[frame, blur] = places, np.zeros((0, 128), np.float32) if looks is None else np.asarray(looks)
        return self._known[frame, blur]

    def _quiet(self, frame: int) -> Floats:
        if frame not in self._structures:
            self._structures[frame] = quiet_structure(quiet_picture(self._small[frame]))
        return self._structures[frame]

    def _ways(self, motion: Floats) -> Floats:
        height, width = self._small.shape[1:3]
        corners = np.array([(x, y, 1) for x in (0, width) for y in (0, height)])
        return np.asarray(corners @ motion.T - corners[:, :2])


def _at(picture: Floats, places: Floats) -> Floats:
    """The samples of a picture, (height, width), at places (x, y)."""
    columns, rows = np.rint(places).astype(int).T
    return np.asarray(picture[rows.clip(0, picture.shape[0] - 1), columns.clip(0, picture.shape[1] - 1)])


def _agreement(one: Floats, other: Floats) -> float:
    """The correlation of two structures at the same places; 0 where there is none."""
    spread = float(np.sqrt((one * one).mean() * (other * other).mean()))
    return float((one * other).mean()) / max(spread, LEAST_STRUCTURE)


def _explained(motion: Floats, one: Floats, other: Floats) -> float:
    """The share of the change between two soft pictures that a motion of the first one takes away, where it covers the
    other."""
    height, width = one.shape[:2]
    moved = cv2.warpAffine(one, motion, (width, height), borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.warpAffine(np.ones((height, width), np.float32), motion, (width, height)) > 0.99
    if covered.mean() < LEAST_COVER:
        return 0.0
    parts = [picture[covered][None] for picture in (one, other, moved)]
    before, after = pictures_apart(parts[0], parts[1]), pictures_apart(parts[2], parts[1])
    return max(0.0, 1 - after / before) if before >= LEAST_CHANGE else 0.0


_EVERYWHERE: Any = None
"""OpenCV takes None for a mask; its types do not say so."""


def _stretched(picture: Pixels) -> Pixels:
    level = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    low, high = np.quantile(level, (0.01, 0.99))
    stretched = (level - low) * (255 / max(high - low, LEAST_RANGE))
    return np.asarray(np.clip(stretched, 0, 255), np.uint8)


def _pairs(looks: Floats, other_looks: Floats) -> Floats:
    """(pairs, 2): which landmark of the first is surely which of the other. Each is one at most: bricks, which are all
    alike, would all be the handle of a cup."""
    squares = (looks**2).sum(axis=1)[:, None] + (other_looks**2).sum(axis=1) - 2 * looks @ other_looks.T
    nearest = np.argpartition(squares, 1, axis=1)[:, :2]
    first, second = np.sort(np.take_along_axis(squares, nearest, axis=1), axis=1).T
    best = squares.argmin(axis=1)
    sure = np.flatnonzero(first < SURE**2 * second)
    sure = sure[np.argsort(first[sure], kind="stable")]
    _, nearest_ones = np.unique(best[sure], return_index=True)
    sure = np.sort(sure[nearest_ones])
    return np.stack([sure, best[sure]], axis=1)
