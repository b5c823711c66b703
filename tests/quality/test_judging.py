"""Clips with one fault each, and clips without."""

from __future__ import annotations

import json
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.quality.moving_clips import FRAMES, pan, world
from wan_render.quality.measurements import Measurements
from wan_render.quality.measuring import measure
from wan_render.quality.thresholds import CHECKS
from wan_render.quality.verdicts import Judgement, QcVerdict, judge
from wan_render.render_values import Pixels


def judged(clip: Pixels, first: Pixels | None = None, last: Pixels | None = None) -> Judgement:
    return judge(measure(clip, first, last))


@pytest.fixture(scope="module")
def clip() -> Pixels:
    return pan(1)


def test_a_clip_that_ends_on_its_keyframes_passes(clip: Pixels) -> None:
    judgement = judged(clip, clip[0], clip[-1])
    assert judgement.verdict is QcVerdict.PASS
    assert all(result.verdict is QcVerdict.PASS for result in judgement.checks.values())


def test_checks_of_keyframes_do_not_apply_without_them(clip: Pixels) -> None:
    judgement = judged(clip)
    absent = [name for name, result in judgement.checks.items() if result.verdict is None]
    assert absent == ["first", "last", "ghost"]
    assert judgement.verdict is QcVerdict.PASS


def _other_end(clip: Pixels) -> Pixels:
    return np.concatenate([clip[:-4], np.repeat(pan(9, 1), 4, 0)])


def _swapped(clip: Pixels) -> Pixels:
    return clip[::-1]


def _cut(clip: Pixels) -> Pixels:
    return np.concatenate([clip[:16], pan(9)[16:]])


def _frozen(clip: Pixels) -> Pixels:
    return np.concatenate([clip[:10], np.repeat(clip[10:11], FRAMES - 10, 0)])


def _blacked_out(clip: Pixels) -> Pixels:
    return np.concatenate([clip[:10], clip[10:14] * 0, clip[14:]])


def _flattened(clip: Pixels) -> Pixels:
    return np.concatenate([clip[:10], clip[10:14] * 0 + np.uint8(130), clip[14:]])


def _garbage(clip: Pixels) -> Pixels:
    noise = np.random.default_rng(3).integers(0, 256, clip[10:14].shape, np.uint8)
    return np.concatenate([clip[:10], noise, clip[14:]])


def _dissolved(clip: Pixels) -> Pixels:
    parts = np.linspace(0, 1, FRAMES)
    return np.stack([cv2.addWeighted(clip[0], 1 - part, clip[-1], part, 0) for part in parts])


def _blurred(clip: Pixels) -> Pixels:
    return np.stack([*clip[:8], *(cv2.GaussianBlur(frame, (0, 0), 8) for frame in clip[8:-8]), *clip[-8:]])


def _tinted(clip: Pixels) -> Pixels:
    ramp = np.sin(np.linspace(0, np.pi, FRAMES))[:, None, None, None] * np.array((0.5, -0.3, -0.6))
    tinted: Pixels = np.clip(clip * (1 + ramp), 0, 255).astype(np.uint8)
    return tinted


def _saturated(clip: Pixels) -> Pixels:
    """More and more, and back: no hue changes."""
    ramp = np.sin(np.linspace(0, np.pi, FRAMES))[:, None, None, None] * 1.6
    grey = clip.mean(axis=-1, keepdims=True)
    saturated: Pixels = np.clip(grey + (clip - grey) * (1 + ramp), 0, 255).astype(np.uint8)
    return saturated


def _darkened(clip: Pixels) -> Pixels:
    """The end is too dark, and shows what it should."""
    return np.asarray(clip * np.linspace(1, 0.5, FRAMES)[:, None, None, None]).astype(np.uint8)


def _whitened(clip: Pixels) -> Pixels:
    """One frame, in which the picture shines through."""
    return np.concatenate([clip[:10], np.clip(clip[10:11].astype(int) + 190, 0, 255).astype(np.uint8), clip[11:]])


def _blocky(clip: Pixels) -> Pixels:
    height, width = clip.shape[1:3]
    coarse = [cv2.resize(frame, (width // 8, height // 8), interpolation=cv2.INTER_AREA) for frame in clip[8:-8]]
    blocks = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_NEAREST) for frame in coarse]
    return np.stack([*clip[:8], *blocks, *clip[-8:]])


def _leapt_nearer(clip: Pixels) -> Pixels:
    """The last frames are the same picture, a third larger."""
    height, width = clip.shape[1:3]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, 1.35)
    return np.stack([*clip[:-3], *(cv2.warpAffine(frame, matrix, (width, height)) for frame in clip[-3:])])


def _coloured_grain(clip: Pixels) -> Pixels:
    grain = np.random.default_rng(6).normal(0, 60, (*clip.shape[1:3], 3))
    grain = cv2.GaussianBlur(grain - grain.mean(axis=-1, keepdims=True), (0, 0), 1) * 3
    return np.asarray(np.clip(clip + grain, 0, 255)).astype(np.uint8)


def _frozen_with_grain(clip: Pixels) -> Pixels:
    grain = np.random.default_rng(8).normal(0, 4, clip.shape)
    return np.clip(_frozen(clip) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (_other_end, "last"),
        (_swapped, "first"),
        (_other_end, "jump"),
        (_leapt_nearer, "jump"),
        (_cut, "cut"),
        (_frozen, "freeze"),
        (_blacked_out, "black"),
        (_flattened, "flat"),
        (_garbage, "noise"),
        (_dissolved, "ghost"),
        (_blurred, "sharpness"),
        (_tinted, "drift"),
        (_saturated, "drift"),
        (_darkened, "last"),
        (_whitened, "flat"),
        (_blocky, "sharpness"),
        (_coloured_grain, "noise"),
        (_frozen_with_grain, "freeze"),
    ],
)
def test_a_fault_fails_its_check(clip: Pixels, spoil: Callable[[Pixels], Pixels], check: str) -> None:
    long = pan(1, pixels=6) if check == "ghost" else clip
    judgement = judged(spoil(long), long[0], long[-1])
    assert judgement.verdict is QcVerdict.FAIL
    assert check in judgement.named(QcVerdict.FAIL)


def test_noise_lasts_three_frames_and_one_is_a_flash(clip: Pixels) -> None:
    noisy = _garbage(clip)
    one = np.concatenate([clip[:10], noisy[10:11], clip[11:]])
    failed = judged(one, clip[0], clip[-1]).named(QcVerdict.FAIL)
    assert "cut" in failed
    assert "noise" not in failed


def test_a_picture_that_stands_still_passes() -> None:
    still = np.repeat(pan(2, 1), FRAMES, 0)
    assert judged(still, still[0], still[0]).verdict is QcVerdict.PASS


def test_the_json_form_is_that_of_the_issue(clip: Pixels) -> None:
    found = json.loads(json.dumps(judged(clip, clip[0]).to_json()))
    assert set(found) == {"verdict", "checks"}
    assert tuple(found["checks"]) == CHECKS
    assert all(set(result) == {"value", "threshold", "verdict"} for result in found["checks"].values())
    assert found["checks"]["last"] == {"value": None, "threshold": None, "verdict": None}
    assert found["verdict"] == "pass"


def test_a_check_without_measure_does_not_apply() -> None:
    judgement = judge(Measurements(81, 0.01, {}))
    assert judgement.verdict is QcVerdict.PASS
    assert all(result.verdict is None for result in judgement.checks.values())


def test_one_frame_is_no_clip() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        measure(world(1)[None])


def _lit(clip: Pixels) -> Pixels:
    """A lamp is switched on."""
    light = np.where(np.arange(len(clip)) < 20, 0.35, 1.0)[:, None, None, None]
    return np.asarray(clip * light).astype(np.uint8)


def _whipped(clip: Pixels) -> Pixels:
    return pan(4, len(clip), pixels=14) if len(clip) < 15 else pan(4, 15, pixels=12)


def _dark(clip: Pixels) -> Pixels:
    return np.asarray(clip * 0.12).astype(np.uint8)


def _on_threes(clip: Pixels) -> Pixels:
    """Each drawing is held for three frames, with the flicker of a VAE."""
    held = clip[np.arange(len(clip)) // 3 * 3]
    noise = np.random.default_rng(7).normal(0, 3, clip.shape)
    return np.clip(held + noise, 0, 255).astype(np.uint8)


def _warm_lamp(clip: Pixels) -> Pixels:
    """A lamp in another colour is switched on."""
    light = np.where(np.arange(len(clip)) < 9, 0.2, 1.0)[:, None, None, None]
    return np.asarray(clip * light * (1 - (light > 0.5) * np.array((0, 0.05, 0.15)))).astype(np.uint8)


def _whip_between_stills(clip: Pixels) -> Pixels:
    """A hand holds the camera still, turns it quickly, and holds it again."""
    way = np.clip((np.arange(len(clip)) - 11) / 11, 0, 1)
    wide = cv2.resize(world(4), None, fx=1.5, fy=1.5)
    frames = []
    for at, x in enumerate(way * way * (3 - 2 * way) * 400):
        blurred = cv2.blur(wide, (41, 1)) if 3 < x < 397 else wide
        top = round(3 + 2 * float(np.sin(at)))
        frames.append(blurred[top : top + 120, int(x) : int(x) + 208])
    return np.stack(frames)


def _whip_there_and_back(clip: Pixels) -> Pixels:
    """Over a wide picture, and nothing blurs it."""
    wide = np.concatenate([world(4), world(24)], axis=1)
    pace = 0.15 + 20 * np.exp(-(((np.arange(17) - 8) / 1.6) ** 2))
    way = 300 * (1 - np.abs(1 - 2 * np.cumsum(pace) / pace.sum()))
    return np.stack([wide[60:180, round(x) : round(x) + clip.shape[2]] for x in way])


def _fogged(clip: Pixels) -> Pixels:
    """Fog comes and goes."""
    fog = 0.6 * np.sin(np.linspace(0, np.pi, FRAMES))[:, None, None, None]
    return np.asarray(clip * (1 - fog) + 190 * fog).astype(np.uint8)


def _fogged_at_the_end(clip: Pixels) -> Pixels:
    """Fog comes, with a shade of its own: the last keyframe looks like half of the first one."""
    fog = 0.7 * np.linspace(0, 1, FRAMES)[:, None, None, None]
    shade = np.linspace(120, 230, clip.shape[2])[None, None, :, None]
    return np.asarray(np.repeat(clip[:1], FRAMES, 0) * (1 - fog) + shade * fog).astype(np.uint8)


def _up_to_the_sky(clip: Pixels) -> Pixels:
    """A quick turn to a sky, which is all that some frames show."""
    sky = np.linspace(225, 245, clip.shape[1])[:, None, None] + np.random.default_rng(2).normal(0, 2, clip.shape[1:])
    tree = np.array(sky)
    tree[-12:, 80:110] = 90
    tall = np.concatenate([tree, sky, clip[0]]).astype(np.uint8)
    tops = (clip.shape[1] * (1 + np.cos(np.linspace(0, np.pi, FRAMES)))).astype(int)
    return np.stack([tall[top : top + clip.shape[1]] for top in tops])


def _faint_at_the_end(clip: Pixels) -> Pixels:
    """Fog leaves little of the picture; the loss of a VAE is as strong as before."""
    light = np.where(np.arange(FRAMES) < 16, 1.0, 0.06)[:, None, None, None]
    return np.asarray(clip * light + 60 * (1 - light)).astype(np.uint8)


def _faded(clip: Pixels) -> Pixels:
    """To black, as the last keyframe wants it."""
    return np.asarray(clip * np.linspace(1, 0, FRAMES)[:, None, None, None]).astype(np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        *(_lit, _whipped, _dark, _on_threes, _warm_lamp, _whip_between_stills, _whip_there_and_back),
        *(_fogged, _faded, _fogged_at_the_end, _up_to_the_sky),
    ],
)
def test_what_is_meant_is_no_fault(clip: Pixels, change: Callable[[Pixels], Pixels]) -> None:
    changed = change(clip)
    judgement = judged(changed, changed[0], changed[-1])
    assert judgement.verdict is not QcVerdict.FAIL, judgement.named(QcVerdict.FAIL)


def test_noise_hides_no_keyframe(clip: Pixels) -> None:
    lit = _faint_at_the_end(clip)
    noise = cv2.GaussianBlur(np.random.default_rng(9).normal(0, 40, clip.shape[1:]), (0, 0), 1.2)
    noisy = np.clip(lit + noise, 0, 255).astype(np.uint8)
    assert judged(noisy, lit[0], lit[-1]).checks["last"].verdict is not QcVerdict.FAIL
    assert "last" in judged(noisy, lit[0], np.asarray(pan(9, 1)[0] * 0.06 + 56).astype(np.uint8)).named(QcVerdict.FAIL)


def test_a_plain_end_under_noise_is_its_keyframe_and_no_other_picture(clip: Pixels) -> None:
    plain = np.full_like(clip[0], 90)
    shut = np.stack([np.concatenate([plain[:, : 6 * at], frame[:, 6 * at :]], axis=1) for at, frame in enumerate(clip)])
    shut[-3:] = plain
    noise = cv2.GaussianBlur(np.random.default_rng(4).normal(0, 30, clip.shape[1:]), (0, 0), 1.2)
    shut[-1] = np.clip(plain + noise, 0, 255).astype(np.uint8)
    judgement = judged(shut, shut[0], plain)
    assert {"last", "jump", "cut"}.isdisjoint(judgement.named(QcVerdict.FAIL))
    assert "last" in judged(shut, shut[0], np.asarray(pan(9, 1)[0])).named(QcVerdict.FAIL)


def test_a_lamp_that_goes_out_leaves_no_black_frame(clip: Pixels) -> None:
    light = np.where(np.arange(FRAMES) < 16, 0.5, 0.03)[:, None, None, None]
    dim = np.asarray(np.repeat(clip[:1], FRAMES, 0) * light).astype(np.uint8)
    assert {"black", "flat"}.isdisjoint(judged(dim, dim[0]).named(QcVerdict.FAIL))


def test_a_night_without_keyframes_is_not_black(clip: Pixels) -> None:
    night = np.asarray(clip * 0.05).astype(np.uint8)
    assert judged(night).verdict is not QcVerdict.FAIL
    assert "black" in judged(night // 8).named(QcVerdict.FAIL)


def test_an_end_with_the_loss_of_a_vae_passes(clip: Pixels) -> None:
    dice = np.random.default_rng(5)
    lossy = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.0) * 1.03 + dice.normal(0, 14, frame.shape) for frame in clip])
    judgement = judged(np.clip(lossy, 0, 255).astype(np.uint8), clip[0], clip[-1])
    assert judgement.verdict is QcVerdict.PASS, judgement.checks


def test_between_keyframes_with_others_on_the_way_no_ghost_is_looked_for() -> None:
    long = pan(1, pixels=6)
    found = measure(_dissolved(long), long[0], long[-1], passes_through=True)
    assert judge(found).checks["ghost"].verdict is None
