"""Frames in between by optical flow in both directions, after Super SloMo (Jiang et al. 2018, eq. 4)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import cv2

from wan_render.optical_flow import Field, agrees, both_ways, coordinates, grey, moved, one_thread, scaled
from wan_render.render_values import Pixels
from wan_render.retime.interpolator import UNLIKE, Pair, nearer_pictures

MEASURED = 832
"""The long side, in pixels, at which flow is measured. Larger ones cost more without benefit."""


class FlowInterpolator:
    """Both pictures, moved along their flow to the same moment and mixed."""

    def between(self, pairs: Iterable[Pair]) -> Iterator[list[Pixels]]:
        """As many pairs at a time as there are cores, one per thread: OpenCV releases the GIL."""
        remaining, cores = iter(pairs), os.cpu_count() or 1
        while batch := list(islice(remaining, cores)):
            with one_thread, ThreadPoolExecutor(cores) as pool:
                made = list(pool.map(_between, batch))
            yield from made


def _between(pair: Pair) -> list[Pixels]:
    if pair.is_still:
        return nearer_pictures(pair)
    forward, backward = both_ways(grey(pair.left, MEASURED), grey(pair.right, MEASURED))
    if min(agrees(forward, backward).mean(), agrees(backward, forward).mean()) < UNLIKE:
        return nearer_pictures(pair)
    height, width, _ = pair.left.shape
    flows = scaled(forward, (width, height)), scaled(backward, (width, height))
    places = coordinates(pair.left)
    return [_mixed(pair, *flows, places, float(part)) for part in pair.parts]


def _mixed(pair: Pair, forward: Field, backward: Field, places: Field, part: float) -> Pixels:
    rest = 1 - part
    to_left = cv2.addWeighted(forward, -rest * part, backward, part * part, 0)
    to_right = cv2.addWeighted(forward, rest * rest, backward, -part * rest, 0)
    left, right = moved(pair.left, cv2.add(places, to_left)), moved(pair.right, cv2.add(places, to_right))
    return cv2.addWeighted(left, rest, right, part, 0)  # type: ignore[return-value]
