"""Light that flickers, hues that turn, blur under noise, and keyframes of one place."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.quality.moving_clips import FRAMES, HEIGHT, WIDTH, pan, world
from wan_render.quality.landmarks import Landmarks
from wan_render.quality.measuring import measure
from wan_render.quality.samples import Floats
from wan_render.quality.small_frames import detail_of
from wan_render.quality.step_proofs import ENOUGH, step_proof
from wan_render.quality.verdicts import QcResult, QcVerdict, judge
from wan_render.render_values import Pixels

FEW = 17


def _result(clip: Pixels, keyframes: Pixels, check: str) -> QcResult:
    return judge(measure(clip, keyframes[0], keyframes[-1])).checks[check]


def _noisy(clip: Floats | Pixels, strength: float) -> Pixels:
    noise = np.random.default_rng(1).normal(0, strength, clip.shape)
    return np.clip(clip + noise, 0, 255).astype(np.uint8)


def test_a_lamp_that_flickers_over_a_still_picture_starts_no_freeze() -> None:
    light = np.full((FRAMES, 1, 1, 1), 0.1)
    light[[4, 6, 24, 26]] = 0.3
    clip = _noisy(np.repeat(pan(1, 1), FRAMES, 0) * light, 3)
    assert _result(clip, clip, "freeze").verdict is QcVerdict.PASS


@pytest.mark.parametrize(("degrees", "verdict"), [(60, QcVerdict.FAIL), (0, QcVerdict.PASS)])
def test_hues_that_turn_and_come_back_drift(degrees: float, verdict: QcVerdict) -> None:
    samples, turned = pan(1, FEW).astype(np.float32) / 255, []
    for frame, part in zip(samples, np.sin(np.linspace(0, np.pi, FEW)), strict=True):
        hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + degrees * part) % 360
        turned.append(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    clip = np.clip(np.stack(turned) * 255, 0, 255).astype(np.uint8)
    assert _result(clip, clip, "drift").verdict is verdict


@pytest.mark.parametrize(("blur", "verdict"), [(4.0, QcVerdict.FAIL), (0.5, QcVerdict.PASS)])
def test_noise_hides_no_blur_and_is_none(blur: float, verdict: QcVerdict) -> None:
    cells = np.random.default_rng(2).integers(80, 170, (HEIGHT // 20, WIDTH // 20 + 1, 1), np.uint8)
    sharp = np.kron(cells, np.ones((20, 20, 3), np.uint8))[:, :WIDTH]
    grain = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 1, sharp.shape).astype(np.float32), (0, 0), 1.0)
    frame = cv2.GaussianBlur(sharp, (0, 0), blur) + grain * (20 / grain.std())
    still = np.repeat(np.clip(frame, 0, 255).astype(np.uint8)[None], FEW, 0)
    assert _result(still, sharp[None], "sharpness").verdict is verdict


def test_a_row_that_no_octave_can_halve_has_no_energy() -> None:
    picture = np.full((184, 320, 3), 60, np.uint8)
    picture[-8:] = 220  # 23 rows are left after three octaves
    assert detail_of(picture).energy == pytest.approx(np.zeros(6), abs=1e-6)


def test_a_motion_that_explains_the_picture_denies_a_cut_however_few_landmarks_have_it() -> None:
    soft = cv2.GaussianBlur(world(1), (0, 0), 8.0)
    one, other = (np.asarray(soft[:HEIGHT, left : left + WIDTH], np.uint8) for left in (0, 25))
    landmarks = Landmarks(np.stack([one, one, other, other]))
    across, unrelated = landmarks.shared(1, 2), Landmarks(np.stack([one, pan(9, 1)[0]])).shared(0, 1)
    assert across.count < ENOUGH
    assert (across.is_surely_one_place, unrelated.is_surely_one_place) == (True, False)
    proof = step_proof(landmarks, 1, 4, [0, 2])
    assert proof is not None
    assert (proof.lost, proof.leap > 2) == (1.0, True)


def test_a_camera_between_two_views_of_one_place_is_no_double_exposure_and_a_dissolve_is() -> None:
    moving = pan(1, FEW, 4.0)
    light = np.linspace(0, 1, FEW)[:, None, None, None]
    dissolved = (moving[0] * (1 - light) + moving[-1] * light).astype(np.uint8)
    ghosts = [_result(clip, moving, "ghost") for clip in (moving, dissolved)]
    assert [ghost.value for ghost in ghosts] == [0.0, pytest.approx(1, abs=0.1)]
    assert ghosts[1].verdict is QcVerdict.FAIL


def test_a_double_exposure_of_the_first_frames_alone_is_found() -> None:
    one, other = pan(1, 1)[0].astype(np.float32), pan(9, 1)[0]
    share = np.clip(np.arange(FRAMES) / 8, 0, 1)[:, None, None, None]
    clip = (one * (1 - share) + other * share).astype(np.uint8)
    assert _result(clip, clip, "ghost").verdict is QcVerdict.FAIL
