"""Colours that wander off: the same places of the picture change their colour little by little."""

from __future__ import annotations

import numpy as np

from wan_render.quality.tracking import Steps


def drift_measure(steps: Steps, *, is_held: bool) -> tuple[float, int]:
    """How far a and b of Lab of the tracked places go away, the largest, and the frame.

    is_held: the clip ends on a keyframe, so that a steady change from the first colours to the last is meant.
    """
    wandered = np.concatenate([np.zeros((1, 2)), np.cumsum(steps.tint, axis=0)])
    if is_held:
        wandered = wandered - wandered[-1] * np.linspace(0, 1, len(wandered))[:, None]
    away = np.linalg.norm(wandered, axis=1)
    return float(away.max()), int(away.argmax())
