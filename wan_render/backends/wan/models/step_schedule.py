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
    """

    EULER = "euler"
    RENOISED = "renoised"
    RCM = "rcm"

    @property
    def renoises(self) -> bool:
        """Whether each step begins with new noise."""
        return self is not StepSchedule.EULER

    def levels(self, steps: int, shift: float) -> tuple[float, ...]:
        """The noise level of each step, from 0 to 1. The last step ends at 0. steps: from 1 to MOST_STEPS."""
        return _LEVELS[self](steps, shift)


MOST_STEPS = 4

_RCM_ANGLES = (atan(80.0), 1.5, 1.4, 1.0)
"""In radians, of TrigFlow: noise has the weight of the sine, the picture that of the cosine."""


def _even(steps: int, shift: float) -> tuple[float, ...]:
    plain = (1.0 - step / steps for step in range(steps))
    return tuple(shift * level / (1 + (shift - 1) * level) for level in plain)


def _rcm(steps: int, _shift: float) -> tuple[float, ...]:
    return tuple(sin(angle) / (sin(angle) + cos(angle)) for angle in _RCM_ANGLES[:steps])


_LEVELS: Mapping[StepSchedule, Callable[[int, float], tuple[float, ...]]] = {
    StepSchedule.EULER: _even,
    StepSchedule.RENOISED: _even,
    StepSchedule.RCM: _rcm,
}
