"""The noise levels at which a take is sampled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from wan_render.backends.wan.models.step_schedule import StepSchedule
from wan_render.backends.wan.profiles.render_profile import Profile, Schedule
from wan_render.backends.wan.profiles.step_scheduler import StepScheduler
from wan_render.take import Sampling, Take


def prepared_steps(schedule: StepSchedule, take: Take, device: torch.device) -> StepScheduler:
    """The scheduler of a model that was distilled for few steps, with its timesteps set, whatever the profile."""
    scheduler = StepScheduler(schedule, take.sampling.shift, take.seed)
    scheduler.set_timesteps(take.sampling.steps, device)
    return scheduler


def prepared_scheduler(
    profile: Profile, sampling: Sampling, models_own: Callable[[float], Any], device: torch.device
) -> Any:
    """A scheduler with its timesteps set. models_own: makes the model's own scheduler for a shift.

    A distilled LoRA was trained at evenly spaced training steps (for four: 1000, 750, 500, 250), which the shift then
    moves, with plain Euler steps between them. `set_timesteps(4)` would choose other timesteps.
    """
    if profile.schedule is Schedule.MODEL:
        scheduler = models_own(sampling.shift)
        scheduler.set_timesteps(sampling.steps, device=device)
        return scheduler
    distilled: Any = FlowMatchEulerDiscreteScheduler(shift=sampling.shift)  # type: ignore[no-untyped-call]
    distilled.set_timesteps(sigmas=distilled_levels(sampling.steps), device=device)
    return distilled


def distilled_levels(steps: int) -> list[float]:
    """Evenly spaced noise levels before the shift, from 1 down. The last step ends at 0."""
    return [1.0 - step / steps for step in range(steps)]
