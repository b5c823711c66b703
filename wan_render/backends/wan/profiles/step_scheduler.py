"""Samples a distilled model in the steps that it was trained for. Has what the denoising loop uses of a scheduler of
diffusers."""

from __future__ import annotations

import torch

from wan_render.backends.wan.models.step_schedule import StepSchedule

TRAINING_STEPS = 1000


class StepScheduler:
    """The steps of one take.

    seed: of the take. New noise continues the sequence of numbers that the take's first noise begins, on the CPU, so it
    is the same on every device.
    """

    def __init__(self, schedule: StepSchedule, shift: float, seed: int) -> None:
        self._schedule, self._shift = schedule, shift
        self._random = torch.Generator().manual_seed(seed)
        self._levels: tuple[float, ...] = ()
        self._at = 0
        self.timesteps = torch.empty(0)

    def set_timesteps(self, steps: int, device: torch.device) -> None:
        """Set the steps of a take."""
        self._levels = (*self._schedule.levels(steps, self._shift), 0.0)
        self.timesteps = torch.tensor(self._levels[:-1], dtype=torch.float32, device=device) * TRAINING_STEPS

    def set_begin_index(self, index: int) -> None:
        """The number of the next step."""
        self._at = index

    def first(self, noise: torch.Tensor) -> torch.Tensor:
        """The latents of the first step, from noise of deviation 1."""
        torch.randn(noise.shape, generator=self._random)  # the numbers that this noise was made of
        return noise * self._levels[0]

    def step(
        self,
        prediction: torch.Tensor,
        t: torch.Tensor,  # noqa: ARG002 - as diffusers' schedulers
        latents: torch.Tensor,
        *,
        return_dict: bool = False,  # noqa: ARG002 - as diffusers' schedulers
    ) -> tuple[torch.Tensor]:
        """The latents of the next step, float32. prediction: the velocity, from the picture to the noise."""
        level, following = self._levels[self._at], self._levels[self._at + 1]
        self._at += 1
        velocity = prediction.to(torch.float32)
        picture = latents.to(torch.float32) - level * velocity
        if not following:
            return (picture,)
        if not self._schedule.renoises:
            return (picture + following * velocity,)
        noise = torch.randn(latents.shape, generator=self._random).to(latents.device)
        return ((1 - following) * picture + following * noise,)
