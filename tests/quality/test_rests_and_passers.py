"""What stands still, passes by or is too fast to be sharp, and the faults that look like it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from tests.quality.moving_clips import FRAMES, HEIGHT, WIDTH, pan, world
from wan_render.quality.continuity import DOUBT, continuity_measures
from wan_render.quality.landmarks import Landmarks
from wan_render.quality.measuring import measure
from wan_render.quality.samples import Floats
from wan_render.quality.sharpness import sharpness_measure
from wan_render.quality.small_frames import detail_of, shrunk
from wan_render.quality.step_neighbours import step_neighbours
from wan_render.quality.step_proofs import step_proof
from wan_render.quality.tracking import RETURNS, Steps, tracked
from wan_render.quality.verdicts import Judgement, QcVerdict, judge
from wan_render.render_values import Pixels

START = 20


def _judged(clip: Pixels) -> Judgement:
    return judge(measure(clip, clip[0], clip[-1]))


def _moved_in_front(clip: Pixels, start: int, pace: int, taken: int = FRAMES) -> Pixels:
    """A box of another picture rests in the middle of it, but for so many frames, each of so many pixels."""
    frames, box = clip.copy(), world(5)[:70, :70]
    for at, frame in enumerate(frames):
        left = 60 + min(max(0, at - start), taken) * pace
        frame[20:90, left : left + 70] = box[:, : max(0, WIDTH - left)]
    return frames


def test_a_still_scene_in_which_something_moves_for_a_while_rests_and_does_not_freeze() -> None:
    still = np.repeat(pan(1, 1), FRAMES, 0)
    rested = _judged(_moved_in_front(still, START, 5, 8)).checks["freeze"]
    assert (rested.measure, rested.verdict, rested.frame) == ("rest_share", QcVerdict.FLAG, 0)


def test_a_moving_scene_that_stands_still_at_once_freezes() -> None:
    moving = _moved_in_front(pan(1), 0, 3)
    moving[START:] = moving[START]
    frozen = _judged(moving).checks["freeze"]
    assert (frozen.verdict, frozen.frame) == (QcVerdict.FAIL, START)


def test_a_thing_that_stops_in_the_middle_of_its_motion_freezes_in_front_of_a_still_scene() -> None:
    moved = _moved_in_front(np.repeat(pan(1, 1), FRAMES, 0), 0, 5)
    stopped = np.concatenate([moved[:8], np.repeat(moved[8:9], 15, 0), moved[8:18]])
    assert _judged(stopped).checks["freeze"].verdict is QcVerdict.FAIL


def test_a_camera_that_is_slow_in_the_dark_before_it_is_fast_does_not_freeze() -> None:
    ground, where = world(1).astype(np.float32) * 0.3, np.cumsum(np.where(np.arange(FRAMES) < START, 0.06, 8.0))
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moves = [np.array(((1, 0, x), (0, 1, 0)), np.float32) for x in where]
    clip = np.stack([cv2.warpAffine(ground, move, (WIDTH, HEIGHT), flags=how) for move in moves])
    dithered = (clip + np.random.default_rng(1).uniform(0, 1, clip.shape)).astype(np.uint8)
    assert _judged(dithered).checks["freeze"].verdict is QcVerdict.PASS


def test_something_bright_that_leaves_a_dark_picture_is_no_jump() -> None:
    clip = (np.repeat(pan(1, 1), 25, 0) * 0.12).astype(np.uint8)
    for at, frame in enumerate(clip):
        edge = max(0, (22 - at) * 14)
        frame[: min(edge, HEIGHT)] = world(3)[HEIGHT : HEIGHT + min(edge, HEIGHT), :WIDTH]
    assert _judged(clip).checks["jump"].verdict is not QcVerdict.FAIL


def test_frames_that_are_too_fast_to_be_sharp_say_nothing() -> None:
    usual = [detail_of(pan(1, 1)[0])] * 17
    blurred = replace(usual[0], edges=usual[0].edges * ((1 / 3,), (1,), (1,)))
    soft = [blurred if 2 < at < 15 else each for at, each in enumerate(usual)]
    steps = tracked(np.stack([shrunk(frame) for frame in pan(1, 17)]))
    fast = replace(steps, moved=np.where((np.arange(16) > 1) & (np.arange(16) < 14), 20.0, 1.0))
    sharpness = [sharpness_measure(soft, usual[:1], each, is_held=True) for each in (fast, steps)]
    assert [each[0] > 0.9 for each in sharpness if each is not None] == [True, False]


def test_a_plain_flash_is_one_however_the_camera_moves() -> None:
    unlike, back = np.full(12, 0.5), np.full((13, RETURNS), 0.7)
    unlike[[5, 6]] = 0.75
    spread = np.full(13, 30.0)
    assert [5 in step_neighbours(unlike, back, each)[6].beside for each in (spread, _plain_at(6, spread))] == [
        True,
        False,
    ]


def _plain_at(frame: int, spread: Floats) -> Floats:
    changed = spread.copy()
    changed[frame] = 5.0
    return changed


def test_what_passes_right_beside_a_step_hides_landmarks_as_a_cut_does() -> None:
    still = np.repeat(shrunk(pan(1, 1)[0])[None], 6, 0)
    passed = still.copy()
    for at, share in ((2, 0.3), (3, 0.7), (4, 0.7), (5, 0.7)):
        passed[at, :, : int(share * 160)] = (200, 30, 30)
    cut = np.concatenate([still[:3], np.repeat(shrunk(pan(2, 1)[0])[None], 3, 0)])
    proofs = [step_proof(Landmarks(each), 2, 6, [1, 3], beside=[1, 3]) for each in (passed, cut)]
    assert [each is not None and each.passes for each in proofs] == [True, False]


def test_landmarks_that_follow_the_picture_deny_a_jump_of_small_things() -> None:
    small = np.stack([shrunk(frame) for frame in pan(1, pixels=9.0)])
    lost = _changed(tracked(small), FRAMES - 4, broken=0.2, apart=0.2, new_inside=0.2)
    assert continuity_measures(lost, small).jump <= DOUBT
    assert continuity_measures(lost, np.full_like(small, 90)).jump > DOUBT


def test_flow_alone_proves_no_leap_beside_a_step_that_changes_as_much() -> None:
    plain = np.stack([shrunk(frame) for frame in np.repeat(np.full_like(pan(1, 1), 90), 17, 0)])
    leap = _changed(tracked(plain), 8, broken=0.2, unlike=1.5, moved=33.0)
    assert continuity_measures(leap, plain).cut > DOUBT > continuity_measures(_changed(leap, 7, unlike=1.2), plain).cut


def _changed(steps: Steps, at: int, **values: float) -> Steps:
    """Steps of which one has other values."""
    changed = {name: getattr(steps, name).copy() for name in values}
    for name, value in values.items():
        changed[name][at] = value
    return replace(steps, **changed)
