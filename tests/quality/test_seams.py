"""How visible a joint is."""

from __future__ import annotations

from tests.quality.moving_clips import pan
from wan_render.quality.measuring import measure
from wan_render.quality.seams import seam_ratio


def test_a_joint_inside_a_motion_is_invisible() -> None:
    clip = pan(1)
    one, other = clip[:17], clip[17:]
    ratio = seam_ratio(one[-1], other[0], measure(one).motion, measure(other).motion)
    assert 0.5 < ratio < 1.5


def test_a_joint_of_unlike_pictures_is_visible() -> None:
    one, other = pan(1), pan(9)
    assert seam_ratio(one[-1], other[0], measure(one).motion, measure(other).motion) > 4


def test_a_joint_of_two_stills_is_measured_in_half_levels() -> None:
    picture = pan(1, 1)[0]
    assert seam_ratio(picture, picture, 0.0, 0.0) == 0
    brighter = (picture // 2 + 1).astype("uint8")
    assert abs(seam_ratio(picture // 2, brighter, 0.0, 0.0) - 2) < 0.3
