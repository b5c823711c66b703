"""The right clip that is nearest to what a model made of keyframes and prompt.

What a scene leaves open may be as the model has it: height and earliness are searched for, and mist counts neither as
right nor as wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from benchmarks.learnt.moving_scenes import EARLIEST, HEIGHTS, MIST_WAVES, Scenes, drawn, mist_deviations, random_scenes
from benchmarks.learnt.nearness import Nearness
from benchmarks.learnt.packed_frames import EDGE, packed
from benchmarks.learnt.small_model import Scale

TRIED = 11
"""Heights and earlinesses that are tried, evenly spread; and once more, around the best."""


@dataclass(frozen=True)
class Nearest:
    """How near the nearest right clip is, and the mist's mean square over what it is in right clips."""

    nearness: Nearness
    mist: float


class RightClips:
    """Of a scale; computed on a device."""

    def __init__(self, scale: Scale, device: torch.device) -> None:
        self._scale, self._device = scale, device
        alone = torch.eye(math.prod(MIST_WAVES), device=device).view(-1, *MIST_WAVES)
        scenes = random_scenes(1, scale.size.width / scale.size.height, torch.Generator(device))
        scenes = scenes.part([0] * len(alone))
        with_mist, without = (
            packed(self._drawn(replace(scenes, mist=mist))) for mist in (alone, torch.zeros_like(alone))
        )
        self._mist, self._waves = torch.linalg.qr((with_mist - without).flatten(1).T)

    def nearest(self, latents: torch.Tensor, scene: Scenes) -> Nearest:
        """Of latents (1, 16, latent frames, height, width) to those of one scene that are right for its prompt."""
        scene = scene.on(self._device)
        clear, strengths = self._parted(latents.to(self._device, torch.float32))
        heights, earliness = (
            torch.linspace(low, high, TRIED, device=self._device) for low, high in (HEIGHTS, (-EARLIEST, EARLIEST))
        )
        for _ in range(2):
            best = self._best(clear, scene, heights, earliness)
            heights, earliness = (
                float(found) + (each - each.mean()) * 2 / TRIED
                for found, each in ((best.heights, heights), (best.earliness, earliness))
            )
        right, without_mist = self._parted(packed(self._drawn(best)))
        expected = mist_deviations(self._device).flatten()
        return Nearest(Nearness.of(clear, right), float(((strengths - without_mist) / expected).square().mean()))

    def _best(self, clear: torch.Tensor, scene: Scenes, heights: torch.Tensor, earliness: torch.Tensor) -> Scenes:
        high, early = (each.flatten() for each in torch.meshgrid(heights, earliness, indexing="ij"))
        many = scene.part([0] * len(high))
        tried = replace(many, heights=high, earliness=early, mist=torch.zeros_like(many.mist))
        right, _ = self._parted(packed(self._drawn(tried)))
        best = int((right - clear).square().flatten(1).sum(1).argmin())
        return tried.part([best])

    def _parted(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents without what may be mist, and the strength of its waves (batch, waves)."""
        flat = latents.flatten(1)
        shares = flat @ self._mist
        strengths = torch.linalg.solve_triangular(self._waves, shares.T, upper=True).T
        return (flat - shares @ self._mist.T).view_as(latents), strengths

    def _drawn(self, scenes: Scenes) -> torch.Tensor:
        size = self._scale.size
        return drawn(
            scenes, torch.linspace(0, 1, self._scale.frames, device=self._device), size.height, size.width, EDGE
        )
