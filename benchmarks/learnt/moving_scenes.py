"""Scenes that are drawn on the device, many at once: two soft balls move over a lit floor from one place to another,
and mist comes and goes.

Both ends of a clip are its keyframes. The prompt says which way the balls take: over the top, straight, or underneath.
One ball is always redder than the floor and the other less red, so neither is taken for the other. Three things are
left to the model, or a clip would follow from its noise in one step: how high the arc is, whether the balls are early
or late, and the mist. `right_clips` finds the right clip that is nearest to what a model made of them.

A picture is a sum of few products of functions of x, y and time. So it is drawn quickly, at any fineness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import torch

BALLS = 2
HEIGHTS = (0.1, 0.3)
"""How far a path may leave the straight line in its middle, as a share of the picture's height."""
EARLIEST = 0.6
"""Largest change of the pace: at first it is up to 1.6 times the mean, and 0.4 at the end, or the other way round."""

ARCS = {"straight": 0.0, "in an arc over the top": -1.0, "in an arc underneath": 1.0}
PROMPTS = tuple(f"The balls move {arc}." for arc in ARCS)
NEGATIVE = "blurred, static"

REDNESS = (1.0, -1.0)
"""Of each ball."""
STRENGTH = 0.6
"""The largest part of a colour that a ball adds to the floor's. Sums that leave the range are rare."""

MIST = 0.2
"""Deviation of the mist's strongest wave. The others have it divided by the sum of their orders less one."""
MIST_WAVES = (2, 3, 4)
"""Orders of its waves in time, down and across."""


@dataclass(frozen=True)
class Scenes:
    """Scenes of one batch. Lengths are shares of the picture's height, colours go from -1 to 1.

    prompts:      (batch), indices into PROMPTS.
    starts, ends: (batch, balls, 2), x and y of the balls' centres.
    radii:        (batch, balls): the standard deviation of a ball's brightness.
    colours:      (batch, balls, 3): what a ball adds to the floor in its centre.
    light:        (batch, 3): colour of the floor in its middle.
    heights:      (batch): how far the paths leave the straight line, unless they are straight.
    earliness:    (batch): how much faster than the mean the balls are at first.
    mist:         (batch, *MIST_WAVES): brightness of each of its waves.
    """

    prompts: torch.Tensor
    starts: torch.Tensor
    ends: torch.Tensor
    radii: torch.Tensor
    colours: torch.Tensor
    light: torch.Tensor
    heights: torch.Tensor
    earliness: torch.Tensor
    mist: torch.Tensor

    def __len__(self) -> int:
        """Scenes in the batch."""
        return len(self.prompts)

    def told(self, prompt: int) -> Scenes:
        """The same keyframes with another prompt for all."""
        return replace(self, prompts=torch.full_like(self.prompts, prompt))

    def part(self, chosen: slice | list[int]) -> Scenes:
        """Some scenes of the batch, also several times."""
        return Scenes(*(getattr(self, each.name)[chosen] for each in fields(self)))

    def on(self, device: torch.device) -> Scenes:
        """The same scenes on a device."""
        return Scenes(*(getattr(self, each.name).to(device) for each in fields(self)))


def random_scenes(count: int, aspect: float, generator: torch.Generator) -> Scenes:
    """Scenes drawn with a generator, on its device. aspect: width over height."""
    device = generator.device

    def uniform(*shape: int, low: float, high: float) -> torch.Tensor:
        return torch.rand(count, *shape, generator=generator, device=device) * (high - low) + low

    def places() -> torch.Tensor:
        across, down = uniform(BALLS, low=0.2, high=aspect - 0.2), uniform(BALLS, low=0.38, high=0.62)
        return torch.stack([across, down], dim=-1)

    colours = uniform(BALLS, 3, low=-STRENGTH, high=STRENGTH)
    redness = torch.tensor(REDNESS, device=device) * uniform(BALLS, low=STRENGTH / 2, high=STRENGTH)
    return Scenes(
        prompts=torch.randint(len(PROMPTS), (count,), generator=generator, device=device),
        starts=places(),
        ends=places(),
        radii=uniform(BALLS, low=0.11, high=0.17),
        colours=torch.cat([redness[..., None], colours[..., 1:]], dim=-1),
        light=uniform(3, low=-0.3, high=0.3),
        **_left_open(count, generator),
    )


def drawn_again(scenes: Scenes, generator: torch.Generator) -> Scenes:
    """The same keyframes and prompts, with everything else as chance has it."""
    return replace(scenes, **_left_open(len(scenes), generator))


def _left_open(count: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """What neither keyframes nor prompt say."""
    device = generator.device
    heights, earliness = torch.rand(2, count, generator=generator, device=device)
    least, most = HEIGHTS
    return {
        "heights": least + (most - least) * heights,
        "earliness": EARLIEST * (2 * earliness - 1),
        "mist": mist_deviations(device) * torch.randn(count, *MIST_WAVES, generator=generator, device=device),
    }


def mist_deviations(device: torch.device) -> torch.Tensor:
    """Of each wave of the mist, MIST_WAVES."""
    time, down, across = torch.meshgrid(*(torch.arange(count, device=device) for count in MIST_WAVES), indexing="ij")
    return MIST / (1 + time + down + across)


def drawn(scenes: Scenes, times: torch.Tensor, height: int, width: int, grain: int = 1) -> torch.Tensor:
    """Pictures (batch, 3, times, height / grain, width / grain) from -1 to 1.

    times: from 0, the first keyframe, to 1, the last. grain: edge of the squares of pixels that their mean replaces.
    """
    device = times.device
    y = (torch.arange(height, device=device) + 0.5) / height
    x = (torch.arange(width, device=device) + 0.5) / height
    centres, radii = _centres(scenes, times), scenes.radii[:, :, None, None]
    balls = torch.einsum(
        "bkc,bkty,bktx->bctyx",
        scenes.colours,
        _coarse(_bell(y - centres[..., 1:], radii), grain),
        _coarse(_bell(x - centres[..., :1], radii), grain),
    )
    mist = torch.einsum(
        "bmji,mt,jy,ix->btyx",
        scenes.mist,
        _waves(times, MIST_WAVES[0]),
        _coarse(_waves(y, MIST_WAVES[1]), grain),
        _coarse(_waves(x * height / width, MIST_WAVES[2]), grain),
    )
    floor = _floor(scenes, _coarse(_rises(y), grain), _coarse(_rises(x * height / width), grain))
    return balls + floor + mist.unsqueeze(1)


def _floor(scenes: Scenes, down: torch.Tensor, across: torch.Tensor) -> torch.Tensor:
    """(batch, 3, 1, height, width). It is lit in its middle and grey at its edges; red rises from left to right and
    blue from top to bottom, so that places can be told apart."""
    device = scenes.light.device
    red, blue = (torch.tensor(each, device=device) for each in ((0.2, 0.0, 0.0), (0.0, 0.0, 0.2)))
    lit, right, low = (y[:, None] * x for y, x in ((down[0], across[0]), (down[0], across[1]), (down[1], across[0])))
    fixed = red[:, None, None] * right + blue[:, None, None] * low
    return (scenes.light[:, :, None, None] * lit + fixed).unsqueeze(2)


def _rises(share: torch.Tensor) -> torch.Tensor:
    """Two functions of a place from 0 to 1, (2, places): one is large in the middle, one goes from low to high. Both
    are 0 at 0 and 1, because a VAE sees and draws grey beyond a picture's edge."""
    lit = torch.sin(math.pi * share)
    return torch.stack([lit, lit * (2 * share - 1)])


def _waves(share: torch.Tensor, count: int) -> torch.Tensor:
    """Waves (count, places) of a place from 0 to 1, which are 0 at both ends."""
    orders = torch.arange(1, count + 1, device=share.device)[:, None]
    return torch.sin(math.pi * orders * share)


def _bell(offset: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    return torch.exp(-0.5 * (offset / radius).square())


def _coarse(profile: torch.Tensor, grain: int) -> torch.Tensor:
    return profile.reshape(*profile.shape[:-1], -1, grain).mean(-1)


def _centres(scenes: Scenes, times: torch.Tensor) -> torch.Tensor:
    """(batch, balls, times, 2): a parabola from start to end that leaves the straight line as the prompt says."""
    arcs = torch.tensor(list(ARCS.values()), device=times.device)[scenes.prompts] * scenes.heights
    gone = times + scenes.earliness[:, None] * times * (1 - times)
    aside = arcs[:, None] * (4 * gone * (1 - gone))
    way = gone[:, None, :, None]
    straight = scenes.starts[:, :, None] * (1 - way) + scenes.ends[:, :, None] * way
    return torch.stack([straight[..., 0], straight[..., 1] + aside[:, None]], dim=-1)
