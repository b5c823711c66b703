"""Freezes: frames that repeat while the clip moves otherwise.

A scene that stands still, in which something moves for a while, stands still before that and after it: those are
rests. The rest of the clip tells the two apart: a freeze stops all of the picture, or a motion that is always there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from wan_render.quality.samples import Floats, mean_product, mean_square, without_mean
from wan_render.quality.small_frames import frame_difference, softened, strongest_change
from wan_render.render_values import Pixels

STILL_SHARE, LEAST_STILL, MOST_STILL = 0.12, 0.15, 0.6
"""A frame stands still if nothing in it moves by more than this share of the clip's usual motion, and in any case
below and above these levels of 255: noise that a frozen picture may have."""

NOISIER, NOT_MOVED = 1.25, 1.6
"""There may be more noise. Then a frame stands still if it changes by up to the first, in terms of the clip's least
change. And a run stands still if it changes, from its first frame to its last, by up to the second, in terms of its
usual step, or by less than what stands still. Noise does not add up, and slow motion does: in the dark it is slow."""

LEAST_MOTION = 1.0
"""Levels of 255. A clip that usually moves less cannot freeze."""

USUAL = 0.85
"""Share of the steps that change less than what is usual."""

LEAST_CHANGE = 0.1
"""Change of the structure of the places that change most (Steps.stirred). A clip that usually
has less stands still, whatever its light does."""

BEYOND_REST = 2.0
"""A run can be a freeze only if the clip usually moves by so many times what changes in the run, and its light does not
count: a lamp that flickers changes a still picture, and moves nothing. It was 1.3 there, and from 9 on in freezes."""

ABRUPT = 0.4
"""A freeze begins or ends at once: next to it the clip moves by at least this share of its usual motion. Whatever comes
to rest slows down before."""

LEAST_ABRUPT = 0.05 / 255
"""What moves less, 0 to 1, neither stops nor starts at once."""

BORDER = 0.2
"""Share of each side where motion does not count for that."""

LEAST_RUN = 5
"""Frames. Shorter runs are film that was drawn on twos or threes."""

RESTING = 0.4
"""A scene stands still if, in its largest steps, this share of the places that have some structure stay as they are:
up to 0.31 in 41 of 42 freezes of benchmarks/qc, from 0.58 on in 13 rests, and in a freeze in front of a still scene."""

RESTS_ELSEWHERE = 0.1
"""And this share of the steps outside of the run stand still as well. Where a thing never rests, a stop is a freeze."""

MOST_RESTING = 0.9
"""Of the largest steps, by that share: something near may cover a still scene in most of them."""

LARGE_STEPS, BEYOND_NOISE = 0.5, 1.6
"""This share of the steps outside of a run are its largest, if they change more than so many times its noise."""

SOFT = 1.5
"""Blur in pixels of what is compared place by place."""

STRUCTURED = 0.3
"""Places have structure if they are steeper than half of the gradient that this share of them exceed."""


@dataclass(frozen=True)
class FreezeMeasures:
    """The longest freeze in frames and as a share of the clip, and where it begins. motion: Measurements.motion.

    rest: the longest rest as a share of the clip, and where it begins.
    """

    frames: int
    share: float
    at: int
    motion: float
    rest: float = 0.0
    rest_at: int = 0


def freeze_measures(small: Pixels, stirred: Floats) -> FreezeMeasures:
    """small: (frames, height, width, 3) uint8 RGB, at least two frames. stirred: Steps.stirred."""
    differences = np.array([frame_difference(one, other) for one, other in pairwise(small)])
    motion = float(np.median(differences))
    inner = np.array([frame_difference(one, other) for one, other in pairwise(_without_border(small))])
    strongest = np.array([strongest_change(one, other) for one, other in pairwise(small)])
    usual = float(np.quantile(strongest, USUAL))
    if usual < LEAST_MOTION or float(np.quantile(stirred, USUAL)) < LEAST_CHANGE:
        return FreezeMeasures(0, 0.0, 0, motion)
    limit = np.clip(STILL_SHARE * usual, LEAST_STILL, MOST_STILL)
    noisy = max(limit, min(STILL_SHARE * usual, NOISIER * float(strongest.min())))
    runs = {*_runs(strongest < limit), *_runs(strongest < noisy)}
    moves = _usual_motion(small) if runs else 0.0
    runs = {run for run in runs if moves >= max(LEAST_MOTION, BEYOND_REST * float(np.median(strongest[slice(*run)])))}
    found = [run for run in sorted(runs) if not _has_moved(small, strongest, limit, *run)]
    abrupt = [run for run in found if any(_abrupt_ends(inner, *run))]
    rests = {run for run in abrupt if not all(_abrupt_ends(inner, *run)) and _is_rest(small, strongest, limit, *run)}
    frames, at = _longest(run for run in abrupt if run not in rests)
    rest, rest_at = _longest(rests)
    return FreezeMeasures(frames, frames / len(small), at, motion, rest / len(small), rest_at)


def _usual_motion(small: Pixels) -> float:
    """How much the clip usually moves, without what its light does, as strongest_change has it."""
    return float(np.quantile([_change_in_one_light(one, other) for one, other in pairwise(small)], USUAL))


def _change_in_one_light(one: Pixels, other: Pixels) -> float:
    """The strongest change beside the best gain and offset. They darken the brighter one: noise grows no stronger."""
    one, other = (without_mean(np.asarray(each, np.float32)) for each in _bright_first(one, other))
    gain = mean_product(one, other) / max(mean_square(one), 1.0)
    return strongest_change(one * min(1.0, max(0.0, gain)), other)


def _bright_first(one: Pixels, other: Pixels) -> tuple[Pixels, Pixels]:
    return (one, other) if one.mean() >= other.mean() else (other, one)


def _longest(runs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Frames of the longest run, the first one of equals, and its first frame; 0 without any."""
    found = [(end - start + 1, start) for start, end in runs]
    return max(found, key=lambda run: (run[0], -run[1]), default=(0, 0))


def _without_border(small: Pixels) -> Pixels:
    """What leaves the picture moves at its border last."""
    rows, columns = (int(BORDER * side) for side in small.shape[1:3])
    return np.ascontiguousarray(small[:, rows : small.shape[1] - rows, columns : small.shape[2] - columns])


def _runs(still: Floats) -> list[tuple[int, int]]:
    """Runs of still steps that are long enough, as [start, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(int), [0]])))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(int(start), int(end)) for start, end in pairs if end - start >= LEAST_RUN - 1]


def _has_moved(small: Pixels, strongest: Floats, limit: float, start: int, end: int) -> bool:
    """Whether steps that are too small to be seen add up: a slow camera in the dark."""
    usual = float(np.median(strongest[start:end]))
    return strongest_change(small[start], small[end]) > max(limit, NOT_MOVED * usual)


def _abrupt_ends(differences: Floats, start: int, end: int) -> tuple[bool, bool]:
    """Whether a run begins at once, and whether it ends at once."""
    differences = differences - np.median(differences[start:end])  # of noise
    outside = np.concatenate([differences[:start], differences[end:]])
    if not len(outside):
        return False, False
    least = max(LEAST_ABRUPT, ABRUPT * float(np.median(outside)))
    begins = start > 1 and differences[start - 1] >= least  # the first and the last step may be the loss of an end
    ends = end < len(differences) - 1 and differences[end] >= least
    return bool(begins), bool(ends)


def _is_rest(small: Pixels, strongest: Floats, limit: float, start: int, end: int) -> bool:
    """Whether all of the picture stands still outside of a run as well at times, and most of it always."""
    noise = max(limit, NOISIER * float(np.median(strongest[start:end])))
    outside = np.concatenate([np.arange(start), np.arange(end, len(strongest))])
    if float((strongest[outside] < noise).mean()) < RESTS_ELSEWHERE:
        return False
    least = max(BEYOND_NOISE * noise, float(np.quantile(strongest[outside], 1 - LARGE_STEPS)))
    shares = [_still_share(small[at], small[at + 1], noise) for at in outside[strongest[outside] >= least]]
    return bool(shares) and float(np.quantile(shares, MOST_RESTING)) >= RESTING


def _still_share(one: Pixels, other: Pixels, noise: float) -> float:
    """Of the places of a small picture that have structure: the share that changes less than noise, in levels of 255.
    0 without any."""
    level = cv2.transform(softened(one, SOFT), np.full((1, 3), 255 / 3, np.float32))
    steep = cv2.magnitude(*(cv2.Sobel(level, cv2.CV_32F, x, 1 - x, scale=0.125) for x in (1, 0)))
    structured = steep > max(noise, float(np.quantile(steep, 1 - STRUCTURED)) / 2)
    change = np.abs(cv2.GaussianBlur(cv2.subtract(one, other, dtype=cv2.CV_32F), (0, 0), SOFT)).max(axis=-1)
    return float((change[structured] < noise).mean()) if structured.any() else 0.0
