"""Scenes that are drawn on the device, many at once: balls roll over a background from one place to another.

Both ends of a clip are its keyframes. The prompt says how the balls get from one to the other: along which bend, and
with which pace. So everything between the ends follows from keyframes and prompt, and what a model makes of them can be
compared with the right pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch

BALLS = 3
BEND = 0.4
"""How far a path leaves the straight line in its middle, as a share of its length."""
SOFTNESS = 0.02
"""Width of a ball's edge, as a share of the picture's height."""

BENDS = {"straight ahead": 0.0, "in an arc to the left": -1.0, "in an arc to the right": 1.0}
PACES = {"at a steady pace": 0.0, "slowly at first": -1.0, "quickly at first": 1.0}
PROMPTS = tuple(f"The balls roll {bend}, {pace}." for bend in BENDS for pace in PACES)
NEGATIVE = "blurred, static"


@dataclass(frozen=True)
class Scenes:
    """Scenes of one batch. Lengths are shares of the picture's height, colours go from -1 to 1.

    prompts:    (batch), indices into PROMPTS.
    starts, ends: (batch, balls, 2), x and y of the balls' centres.
    radii:      (batch, balls).
    colours:    (batch, balls, 2, 3): of a ball and of its stripes.
    stripes:    (batch, balls, 3): angle, waves per radius and phase.
    shades:     (batch, 3, 3): colour of the background, and how it changes along x and y.
    waves:      (batch, 3, 2): waves per height of the background's pattern along x and y.
    """

    prompts: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor
    radii: torch.Tensor
    colours: torch.Tensor
    stripes: torch.Tensor
    shades: torch.Tensor
    waves: torch.Tensor

    def __len__(self) -> int:
        """Scenes in the batch."""
        return len(self.prompts)

    def told(self, prompt: int) -> Scenes:
        """The same keyframes with another prompt for all."""
        return replace(self, prompts=torch.full_like(self.prompts, prompt))

    def part(self, chosen: slice) -> Scenes:
        """Some scenes of the batch."""
        return Scenes(*(getattr(self, each.name)[chosen] for each in fields(self)))


def random_scenes(count: int, aspect: float, generator: torch.Generator) -> Scenes:
    """Scenes drawn with a generator, on its device. aspect: width over height."""
    device = generator.device

    def uniform(*shape: int, low: float = -1.0, high: float = 1.0) -> torch.Tensor:
        return torch.rand(count, *shape, generator=generator, device=device) * (high - low) + low

    frame = torch.tensor([aspect, 1.0], device=device)
    return Scenes(
        prompts=torch.randint(len(PROMPTS), (count,), generator=generator, device=device),
        starts=uniform(BALLS, 2, low=0.12, high=0.88) * frame,
        ends=uniform(BALLS, 2, low=0.12, high=0.88) * frame,
        radii=uniform(BALLS, low=0.08, high=0.2),
        colours=uniform(BALLS, 2, 3),
        stripes=uniform(BALLS, 3) * torch.tensor([math.pi, 2.0, math.pi], device=device),
        shades=uniform(3, 3) * torch.tensor([[0.5], [0.3], [0.3]], device=device),
        waves=uniform(3, 2, low=-2.0, high=2.0),
    )


def drawn(scenes: Scenes, times: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Pictures (batch, 3, times, height, width) from -1 to 1. times: from 0, the first keyframe, to 1, the last."""
    device = times.device
    y = (torch.arange(height, device=device) + 0.5) / height
    x = (torch.arange(width, device=device) + 0.5) / height
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    picture = _background(scenes, grid_x, grid_y).unsqueeze(2).expand(-1, -1, len(times), -1, -1)
    centres = _centres(scenes, times)
    for ball in range(BALLS):
        picture = _with_ball(picture, scenes, ball, centres[:, ball], grid_x, grid_y)
    return picture.clamp(-1, 1)


def _background(scenes: Scenes, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(batch, 3, height, width)."""
    base, along_x, along_y = (shade[:, :, None, None] for shade in scenes.shades.unbind(1))
    across, down = (wave[:, :, None, None] for wave in scenes.waves.unbind(2))
    return base + along_x * x + along_y * y + 0.2 * torch.sin(2 * math.pi * (across * x + down * y))


def _centres(scenes: Scenes, times: torch.Tensor) -> torch.Tensor:
    """(batch, balls, times, 2): a parabola from start to end that leaves the straight line as the prompt says."""
    bends = torch.tensor(list(BENDS.values()), device=times.device)[scenes.prompts // len(PACES)]
    paces = torch.tensor(list(PACES.values()), device=times.device)[scenes.prompts % len(PACES)]
    gone = times + 0.8 * paces[:, None] * times * (1 - times)  # the pace at the ends is 1 ± 0.8
    gone = gone[:, None, :, None]
    way = (scenes.ends - scenes.starts)[:, :, None]
    aside = torch.stack([-way[..., 1], way[..., 0]], dim=-1)
    return scenes.starts[:, :, None] + gone * way + 4 * gone * (1 - gone) * BEND * bends[:, None, None, None] * aside


def _with_ball(
    picture: torch.Tensor, scenes: Scenes, ball: int, centres: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> torch.Tensor:
    """The pictures with one more ball in front. centres: (batch, times, 2)."""
    radius = scenes.radii[:, ball, None, None, None]
    angle, count, phase = (each[:, None, None, None] for each in scenes.stripes[:, ball].unbind(1))
    right, down = x - centres[:, :, 0, None, None], y - centres[:, :, 1, None, None]
    inside = torch.sigmoid((radius - (right**2 + down**2).sqrt()) / (SOFTNESS / 4)).unsqueeze(1)
    along = (right * torch.cos(angle) + down * torch.sin(angle)) / radius
    stripes = (0.5 + 0.5 * torch.sin(math.pi * count * along + phase)).unsqueeze(1)
    plain, striped = (colour[:, :, None, None, None] for colour in scenes.colours[:, ball].unbind(1))
    return picture + inside * (plain + stripes * (striped - plain) - picture)
