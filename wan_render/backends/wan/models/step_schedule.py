"""The steps that a distilled model was trained for: its noise levels, and what follows a prediction. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from math import atan, cos, sin


class StepSchedule(StrEnum):
    """How a distilled model is sampled. The value is written into the scheduler's configuration.

    EULER:    evenly spaced training steps, moved by the shift, with Euler steps between them.
    RENOISED: the same levels. After each step the clean picture that it predicts is noised again, with new noise.
    RCM:      levels of their own, whatever the shift; noised again as well.
    RCM_200:  the same, beginning with more noise: at sigma 200 instead of 80.
    """

    EULER = "euler"
    RENOISED = "renoised"
    RCM = "rcm"
    RCM_200 = "rcm-200"

    @property
    def renoises(self) -> bool:
        """Whether each step begins with new noise."""
        return self is not StepSchedule.EULER

    def levels(self, steps: int, shift: float) -> tuple[float, ...]:
        """The noise level of each step, from 0 to 1. The last step ends at 0. steps: from 1 to MOST_STEPS."""
        return _LEVELS[self](steps, shift)


MOST_STEPS = 4

_RCM_SIGMA, _RCM_HIGH_SIGMA = 80.0, 200.0
_RCM_ANGLES = (1.5, 1.4, 1.0)
"""The angles of the first step's sigmas, and those of the others. In radians, of TrigFlow: noise has the weight of the
sine, the picture that of the cosine. Source: `turbodiffusion/inference` of thu-ml/TurboDiffusion, which has sigma 200
for I2V of Wan 2.2."""


def _even(steps: int, shift: float) -> tuple[float, ...]:
    plain = (1.0 - step / steps for step in range(steps))
    return tuple(shift * level / (1 + (shift - 1) * level) for level in plain)


def _rcm(sigma: float, steps: int) -> tuple[float, ...]:
    angles = (atan(sigma), *_RCM_ANGLES)[:steps]
    return tuple(sin(angle) / (sin(angle) + cos(angle)) for angle in angles)


_LEVELS: Mapping[StepSchedule, Callable[[int, float], tuple[float, ...]]] = {
    StepSchedule.EULER: _even,
    StepSchedule.RENOISED: _even,
    StepSchedule.RCM: lambda steps, _: _rcm(_RCM_SIGMA, steps),
    StepSchedule.RCM_200: lambda steps, _: _rcm(_RCM_HIGH_SIGMA, steps),
}
