"""What is soft where its keyframe is sharp, soft at a speed that blurs nothing, or of another colour for a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.quality.moving_clips import FRAMES, HEIGHT, WIDTH, pan
from wan_render.quality.measuring import measure
from wan_render.quality.sharpness import sharpness_measure
from wan_render.quality.small_frames import Detail, detail_of, shrunk
from wan_render.quality.tracking import Steps, tracked
from wan_render.quality.verdicts import QcVerdict, judge
from wan_render.render_values import Pixels

FEW = 17
SHARP = detail_of(pan(1, 1)[0])


def _steps(pixels: float) -> Steps:
    """Of a clip that moves by so many pixels of its small copy in each step."""
    steps = tracked(np.stack([shrunk(frame) for frame in pan(1, FEW)]))
    return replace(steps, moved=np.full(FEW - 1, pixels))


def _soft(*shares: float) -> list[Detail]:
    """Frames whose fine edges are these shares of those of a sharp one."""
    return [replace(SHARP, edges=SHARP.edges * ((share,), (1,), (1,))) for share in shares]


def _sharpness(frames: Sequence[Detail], keyframes: Sequence[Detail], steps: Steps) -> float:
    found = sharpness_measure(frames, keyframes, steps, is_held=True)
    assert found is not None
    return found[0]


def test_a_frame_must_be_as_sharp_as_the_keyframe_that_it_shows() -> None:
    keyframes = _soft(1.0, 0.6)
    blurred, meant = (_soft(*[start] * 5, *[0.6] * 12) for start in (0.55, 1.0))
    near = [_sharpness(frames, keyframes, _steps(2.5)) for frames in (blurred, meant)]
    assert near == [pytest.approx(0.55, abs=0.03), pytest.approx(1.0, abs=0.03)]
    assert _sharpness(blurred, keyframes, _steps(6.0)) == pytest.approx(0.92, abs=0.03)  # too far from it


def test_a_speed_that_blurs_nothing_excuses_no_blur() -> None:
    blurred = _soft(*[1.0] * 4, *[0.4] * 9, *[1.0] * 4)
    fast = np.where((np.arange(FEW - 1) > 2) & (np.arange(FEW - 1) < 13), 12.0, 1.0)
    also_sharp = replace(_steps(1.0), moved=fast + 11)
    assert _sharpness(blurred, _soft(1.0, 1.0), also_sharp) == pytest.approx(0.4, abs=0.03)
    assert _sharpness(blurred, _soft(1.0, 1.0), replace(_steps(1.0), moved=fast)) > 0.9


def test_a_blur_lasts_and_a_shaking_camera_blurs_frames_between_sharp_ones() -> None:
    shaken, blurred = _soft(*[1.0, 0.5] * 8, 1.0), _soft(*[1.0] * 9, *[0.5] * 8)
    found = [_sharpness(frames, _soft(1.0, 1.0), _steps(1.0)) for frames in (shaken, blurred)]
    assert found == [pytest.approx(1.0, abs=0.03), pytest.approx(0.5, abs=0.03)]


@pytest.mark.parametrize(
    ("left", "sharpness"),
    [
        (((0.5, 0.5), (0.9, 0.9), (1, 1)), 0.5),
        (((1, 0.5), (1, 1), (1, 1)), 1.0),  # letters are the sharpest there is
        (((0.5, 0.5), (0.5, 0.5), (0.8, 0.8)), 0.83),  # fog that drifts
    ],
)
def test_thin_lines_and_fog_are_no_blur(left: Sequence[Sequence[float]], sharpness: float) -> None:
    frames = [replace(SHARP, edges=SHARP.edges * left)] * FEW
    assert _sharpness(frames, _soft(1.0, 1.0), _steps(1.0)) == pytest.approx(sharpness, abs=0.03)


def test_keyframes_that_are_nearly_black_have_nothing_to_blur() -> None:
    faint, steps = [replace(SHARP, edges=np.full_like(SHARP.edges, 0.019))] * 2, _steps(1.0)
    assert sharpness_measure(_soft(*[0.1] * FEW), faint, steps, is_held=True) is None


def _coloured(frames: int) -> Pixels:
    """A pan in which so many frames are three times as colourful."""
    clip = pan(1).astype(np.float32)
    grey = clip.mean(axis=-1, keepdims=True)
    more = np.zeros((FRAMES, 1, 1, 1), np.float32)
    more[10 : 10 + frames] = 2
    return np.asarray(np.clip(grey + (clip - grey) * (0.4 + more), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(("frames", "fails"), [(4, False), (14, True)])
def test_colours_that_drift_stay_away_for_a_while(frames: int, fails: bool) -> None:  # noqa: FBT001 - a parameter
    clip = _coloured(frames)
    assert (judge(measure(clip, clip[0], clip[-1])).checks["drift"].verdict is QcVerdict.FAIL) is fails


def _pale(light: float, colour: float) -> Pixels:
    """A pale blue sky that is in another light for half of the clip, or has less of its colour."""
    sky = np.full((FRAMES, HEIGHT, WIDTH, 3), (165.0, 175.0, 250.0))
    sky += np.random.default_rng(1).normal(0, 2, (HEIGHT, WIDTH, 1))
    middle = sky[8:24]
    grey = middle.mean(axis=-1, keepdims=True)
    middle[:] = (grey + (middle - grey) * colour) * light
    return np.asarray(np.clip(sky, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(("light", "colour", "fails"), [(1.2, 1.0, False), (1.0, 0.4, True)])
def test_glare_takes_colours_and_is_no_drift(light: float, colour: float, fails: bool) -> None:  # noqa: FBT001 - a parameter
    clip = _pale(light, colour)
    assert (judge(measure(clip, clip[0])).checks["drift"].verdict is QcVerdict.FAIL) is fails
