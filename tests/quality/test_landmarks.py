"""What two frames have in common, however far the camera went."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from tests.quality.moving_clips import pan, world
from wan_render.quality.landmarks import Landmarks
from wan_render.quality.step_proofs import ENOUGH, LEAST_AGREEMENT, step_proof
from wan_render.render_values import Pixels

WIDE = np.concatenate([world(1), world(2)], axis=1)


def _seen_from(left: int) -> Pixels:
    """A view of a wide picture, 160x92."""
    return np.asarray(cv2.resize(WIDE[60:180, left : left + 208], (160, 92), interpolation=cv2.INTER_AREA))


def test_a_view_that_is_mostly_gone_is_found_again_and_another_picture_is_not() -> None:
    landmarks = Landmarks(np.stack([_seen_from(0), _seen_from(130), _seen_from(500)]))
    near, far = landmarks.shared(0, 1), landmarks.shared(0, 2)
    assert near.count >= ENOUGH > far.count
    assert abs(near.reach - 130 * 160 / 208) < 3


def test_lost_landmarks_prove_a_cut_and_moved_ones_a_leap() -> None:
    still = np.repeat(pan(1, 1), 3, 0)
    cut = step_proof(Landmarks(np.concatenate([still, np.repeat(pan(2, 1), 3, 0)])), 2, 6, [1, 3])
    moved = np.roll(still, 30, axis=2)
    leap = step_proof(Landmarks(np.concatenate([still, moved])), 2, 6, [1, 3])
    assert cut is not None
    assert leap is not None
    assert cut.lost is not None
    assert leap.lost is not None
    assert cut.lost > 3 > cut.leap
    assert leap.leap > 3 > leap.lost


def test_landmarks_say_whether_the_picture_follows_them() -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 60, (92, 160, 3)), (0, 0), 1.0)
    noisy = [np.clip(_seen_from(left) * 0.2 + 90 + noise, 0, 255).astype(np.uint8) for left in (0, 500)]
    landmarks = Landmarks(np.stack([_seen_from(0), _seen_from(60), *noisy]))
    moved, of_noise = landmarks.shared(0, 1), landmarks.shared(2, 3)
    assert moved.explains > 0.6
    assert of_noise.count >= ENOUGH
    assert of_noise.agrees < LEAST_AGREEMENT
    assert of_noise.explains < 0.1


def test_a_plain_picture_proves_nothing() -> None:
    plain = np.full((6, 92, 160, 3), 90, np.uint8)
    assert step_proof(Landmarks(plain), 2, 6, [1, 3]) is None


def _seen_at(places: Sequence[tuple[int, int]]) -> Pixels:
    """Views of a tall and wide picture, 160x92 each, from so far to the right and down."""
    tall = cv2.resize(WIDE, None, fx=1.6, fy=1.6)
    return np.stack([tall[down : down + 92, right : right + 160] for right, down in places])


def test_a_leap_is_proven_by_one_side_if_the_other_one_has_no_landmarks() -> None:
    plain = np.full((3, 92, 160, 3), 90, np.uint8)
    views = _seen_at([(0, 100), (40, 130), (40, 130), (41, 130), (42, 130)])
    proof = step_proof(Landmarks(np.concatenate([plain, views])), 3, 8, [1, 2, 4, 5, 6])
    assert proof is not None
    assert proof.leap > 2.5
    assert proof.lost is None


def _small(picture: Pixels) -> Pixels:
    return np.asarray(cv2.resize(picture, (160, 92), interpolation=cv2.INTER_AREA))


def test_what_passes_close_by_and_covers_all_is_no_leap() -> None:
    """A lorry covers a still picture at once, goes on, and leaves it: else its way were that of the picture."""
    still, side = _small(pan(1, 1)[0]), _small(pan(2, 1)[0])
    lorry = [np.roll(side, shift, axis=1) for shift in (0, 40)]
    passing = Landmarks(np.stack([still, still, still, *lorry, still, still, still]))
    leaping = Landmarks(np.stack([*lorry[:1] * 4, *lorry[1:] * 4]))
    passed, leapt = (step_proof(each, 3, 8, [1, 2, 4, 5], (), [2, 4]) for each in (passing, leaping))
    assert passed is None
    assert leapt is not None
    assert leapt.leap > 2.5
