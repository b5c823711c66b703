"""Leaps inside motion and under noise, cuts between noisy pictures, and flashes; and what only looks like them."""

from __future__ import annotations

import cv2
import numpy as np

from tests.quality.moving_clips import HEIGHT, WIDTH, assert_jump_is_found, pan, world
from wan_render.quality.flashes import plain_flashes
from wan_render.quality.large_motion import large_motion
from wan_render.quality.measuring import measure
from wan_render.quality.small_frames import shrunk, softened
from wan_render.quality.tracking import tracked
from wan_render.quality.verdicts import QcVerdict, judge
from wan_render.render_values import Pixels

CUT = 14


def _failed(clip: Pixels) -> set[str]:
    return set(judge(measure(clip, clip[0], clip[-1])).named(QcVerdict.FAIL))


def _noisy(clip: Pixels, strength: float) -> Pixels:
    """Noise that boils, and as much that stands still."""
    dice = np.random.default_rng(3)
    still = dice.normal(0, strength, clip.shape[1:])
    return np.clip(clip + still + dice.normal(0, strength, clip.shape), 0, 255).astype(np.uint8)


def _plain(frames: int, left: tuple[int, int, int], right: tuple[int, int, int]) -> Pixels:
    """A disc that drifts over a gradient between two colours."""
    part = np.linspace(0, 1, WIDTH, dtype=np.float32)[None, :, None]
    ground = np.broadcast_to(np.array(left) * (1 - part) + np.array(right) * part, (HEIGHT, WIDTH, 3))
    clip = np.stack([np.ascontiguousarray(ground, np.uint8)] * frames)
    for at, frame in enumerate(clip):
        cv2.circle(frame, (60 + at, 50), 18, (20, 160, 90), -1, cv2.LINE_AA)
    return clip


def test_a_leap_in_a_pan_is_found_beside_steps_that_change_as_much() -> None:
    calm = pan(4, 33, 6.0)
    jumped = calm.copy()
    jumped[-3:] = [np.roll(frame, (16, 24), (0, 1)) for frame in calm[-3:]]
    assert_jump_is_found(jumped, calm, 30)


def test_a_pan_that_becomes_faster_and_faster_does_not_leap() -> None:
    where = np.cumsum(1.35 ** np.arange(14))
    ground = world(5)
    moves = [np.array(((1, 0, x), (0, 1, x / 3)), np.float32) for x in where]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    clip = [np.asarray(cv2.warpAffine(ground, move, (WIDTH, HEIGHT), flags=flags), np.uint8) for move in moves]
    assert {"jump", "cut"}.isdisjoint(_failed(np.stack(clip)))


def test_a_picture_that_is_larger_all_at_once_is_found_under_noise_that_stands_still() -> None:
    calm = _plain(21, (90, 80, 140), (60, 60, 180))
    jumped = calm.copy()
    zoom = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0, 1.4)
    jumped[-2:] = [cv2.warpAffine(frame, zoom, (WIDTH, HEIGHT)) for frame in calm[-2:]]
    assert_jump_is_found(_noisy(jumped, 9), _noisy(calm, 9), 19)


def test_a_cut_between_pictures_of_noise_is_found() -> None:
    grey, dark = _plain(CUT, (150, 145, 155), (160, 150, 150)), np.asarray(pan(6, 14) // 4, np.uint8)
    assert "cut" in _failed(_noisy(np.concatenate([grey, dark]), 24))


def test_a_lamp_that_is_switched_on_over_noise_is_no_cut() -> None:
    clip = pan(7, 28, 1.0).astype(np.float32)
    across, down = np.linspace(-1, 1, WIDTH)[None, :, None], np.linspace(-1, 1, HEIGHT)[:, None, None]
    spot = 0.3 + 0.7 * np.exp(-((across - 0.3) ** 2) - down**2)
    clip[:CUT] *= 0.3
    clip[CUT:] *= spot
    assert {"jump", "cut"}.isdisjoint(_failed(_noisy(clip.astype(np.uint8), 5)))


def test_a_cut_from_a_still_picture_into_a_whip_pan_is_found() -> None:
    still = np.repeat(world(8)[None, :HEIGHT, :WIDTH], CUT, 0)
    assert "cut" in _failed(_noisy(np.concatenate([still, pan(9, 6, 40.0)]), 3))


def test_a_plain_frame_is_a_flash_if_the_picture_is_back_after_it() -> None:
    clip = _plain(28, (10, 20, 190), (10, 140, 90))
    clip[CUT] = 255
    small = np.stack([shrunk(frame) for frame in clip])
    found = plain_flashes(tracked(small), small)
    assert found[CUT - 1] > 5
    assert np.delete(found, CUT - 1).max() == 1


def test_a_plain_frame_between_two_shots_is_no_flash() -> None:
    clip = np.concatenate([pan(3, 8), pan(11, 8)])
    clip[8] = 255
    small = np.stack([shrunk(frame) for frame in clip])
    assert plain_flashes(tracked(small), small).max() == 1


def test_a_large_motion_is_that_of_the_camera() -> None:
    picture = world(10)[:HEIGHT, :WIDTH]
    zoom = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 0, 1.35)
    zoom[:, 2] += (14, -9)
    moved = cv2.warpAffine(picture, zoom, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    found = large_motion(softened(picture, 4.0), softened(np.asarray(moved, np.uint8), 4.0))
    corners = np.array([(x, y, 1) for x in (0, WIDTH) for y in (0, HEIGHT)])
    assert np.abs(corners @ (found - zoom).T).max() < 8
