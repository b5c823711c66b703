"""The latents of the small VAE: what four frames show, each 8x8 pixels by their mean.

Of sixteen channels three are the colours of the last of the four frames. Nine say how the frames before it differ from
it, and four how brightness and redness change across the place and down. The first latent frame stands for one frame,
so its differences are 0, and it is the first keyframe. Everything is linear, so a VAE with weights that are written
down instead of learnt (`linear_vae`) makes and draws these latents.
"""

from __future__ import annotations

import torch

EDGE = 8
STEP = 4
"""Frames per latent frame, after the first."""
COLOURS = 3
CHANNELS = COLOURS * STEP + 4

COLOUR, DIFFERENCE, SLOPE = 7.0, 14.0, 16.0
"""What colours, differences and slopes are multiplied by. Over the scenes their deviations are then near 1
(`deviations`)."""
SLOPED = ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.0, -0.5))
"""Brightness and redness, of red, green and blue."""


def packed(means: torch.Tensor) -> torch.Tensor:
    """Latents (batch, 16, 1 + n, height, width) of means of 8x8 pixels (batch, 3, 1 + 4 n, height, width)."""
    batch, colours, _, height, width = means.shape
    first, rest = means[:, :, :1], means[:, :, 1:].reshape(batch, colours, -1, STEP, height, width)
    last = torch.cat([first, rest[:, :, :, -1]], dim=2)
    before = (rest[:, :, :, :-1] - rest[:, :, :, -1:]).movedim(3, 1).flatten(1, 2)
    differences = torch.nn.functional.pad(before, (0, 0, 0, 0, 1, 0))
    return torch.cat([COLOUR * last, DIFFERENCE * differences, SLOPE * _slopes(last)], dim=1)


def unpacked(latents: torch.Tensor) -> torch.Tensor:
    """The means that `packed` made latents of."""
    batch, _, frames, height, width = latents.shape
    last = latents[:, :COLOURS] / COLOUR
    differences = latents[:, COLOURS : COLOURS * STEP, 1:] / DIFFERENCE
    before = differences.reshape(batch, STEP - 1, COLOURS, frames - 1, height, width).movedim(1, 3)
    rest = torch.cat([before + last[:, :, 1:, None], last[:, :, 1:, None]], dim=3)
    return torch.cat([last[:, :, :1], rest.flatten(2, 3)], dim=2)


def analysed(pictures: torch.Tensor) -> torch.Tensor:
    """Latents of pictures (batch, 3, 1 + 4 n, height, width)."""
    return packed(torch.nn.functional.avg_pool3d(pictures, (1, EDGE, EDGE)))


def of_ends(means: torch.Tensor) -> torch.Tensor:
    """Latents of both ends with grey between them, as the engine encodes keyframes. `means`: as `packed` has them, of
    a whole clip."""
    return packed(only_ends(means))


def only_ends(video: torch.Tensor) -> torch.Tensor:
    """The first and the last frame, with mid-grey (0) between them."""
    found = torch.zeros_like(video)
    found[:, :, 0], found[:, :, -1] = video[:, :, 0], video[:, :, -1]
    return found


def deviations(latents: torch.Tensor) -> tuple[float, ...]:
    """The standard deviation of each channel: of latents (batch, channels, frames, height, width)."""
    return tuple(float(each) for each in latents.transpose(0, 1).flatten(1).std(dim=1))


def _slopes(pictures: torch.Tensor) -> torch.Tensor:
    """(batch, 4, …): brightness across, brightness down, redness across, redness down. Beyond the edge it is grey."""
    seen = torch.einsum("sc,bctyx->bstyx", torch.tensor(SLOPED, device=pictures.device), pictures)
    wide = torch.nn.functional.pad(seen, (1, 1, 1, 1))
    across = (wide[..., 1:-1, 2:] - wide[..., 1:-1, :-2]) / 2
    down = (wide[..., 2:, 1:-1] - wide[..., :-2, 1:-1]) / 2
    return torch.stack([across, down], dim=2).flatten(1, 2)
