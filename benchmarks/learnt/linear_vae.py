"""A VAE of Wan's architecture whose weights are written down, not learnt: it makes and draws `packed_frames`' latents.

Its blocks add nothing to what passes them, so that only convolutions act, and they are linear. Two things are not:

- The RMS norm before the last convolution. The channel HELD has the value HOLD everywhere, far above all others, so
  the norm divides by nearly the same number everywhere.
- The SiLU behind it. Each value passes it twice, as it is and negated: silu(v) - silu(-v) = v.

The decoder draws pictures from means of 8x8 pixels by doubling them three times. Each doubling takes a quarter of the
neighbour on that side (G. Chaikin, 1974), so smooth pictures stay smooth. SHARPER undoes what that smooths.

Channels: HELD, then three colours of a frame, then what frames before it add to them, in threes; then all but HELD
negated, where a SiLU follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch

from benchmarks.learnt.packed_frames import CHANNELS, COLOUR, COLOURS, DIFFERENCE, SLOPE, SLOPED, STEP

HOLD = 256.0
CERTAIN = -30.0
"""Logarithm of the latents' variance."""

Wires = Mapping[tuple[int, int], float]
"""Factors, by output and input channel."""

HELD, LAST = 0, 1
PACKED = COLOURS * STEP
KEPT = {(HELD, HELD): 1.0}
STRENGTHS = (*(COLOUR,) * COLOURS, *(DIFFERENCE,) * (PACKED - COLOURS))
"""Of the latents that a decoder draws."""

THROUGH = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
HALVED = torch.tensor([[0.25, 0.25, 0.0], [0.25, 0.25, 0.0], [0.0, 0.0, 0.0]])
ACROSS = torch.tensor([[0.0, 0.0, 0.0], [-0.5, 0.0, 0.5], [0.0, 0.0, 0.0]])
DOUBLED, SHARPER = (torch.outer(each, each) for each in map(torch.tensor, ([0.25, 0.5, 0.25], [-0.2, 1.4, -0.2])))
ONE = torch.ones(1, 1)


def linear_vae(width: int) -> Any:
    """A VAE that needs no training. width: its channels at full size, at least 8."""
    vae = import_module("diffusers").AutoencoderKLWan(
        base_dim=width,
        z_dim=CHANNELS,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=1,
        latents_mean=[0.0] * CHANNELS,
        latents_std=[1.0] * CHANNELS,
    )
    vae = vae.eval().requires_grad_(requires_grad=False)
    _clear(vae)
    for part in (vae.encoder, vae.decoder):
        part.norm_out.gamma.fill_(HOLD / part.norm_out.scale)
    _write_encoder(vae.encoder)
    _write_decoder(vae.decoder)
    _wire(vae.quant_conv, _same(2 * CHANNELS), ONE)
    _wire(vae.post_quant_conv, _same(CHANNELS), ONE)
    return vae


def _write_encoder(encoder: Any) -> None:
    """Means of 2x2 pixels, three times; pairs of frames, twice."""
    first, second, third = (each for each in encoder.down_blocks if _is(each, "WanResample"))
    _wire(encoder.conv_in, _colours(LAST, LAST - 1), THROUGH)
    encoder.conv_in.bias[HELD] = HOLD
    _wire(first.resample[1], _same(LAST + COLOURS), HALVED)
    _wire(second.resample[1], _same(LAST + COLOURS), HALVED)
    _wire(second.time_conv, KEPT | _colours(LAST, LAST) | _colours(_before(0), LAST, -1.0), ONE)
    _wire(second.time_conv, _colours(_before(0), LAST), ONE, ago=1)
    pair = _same(LAST + 2 * COLOURS)
    _wire(third.resample[1], pair | {(out + PACKED, of): -1.0 for out, of in pair if of != HELD}, HALVED)
    _pack(third.time_conv)
    _wire(encoder.conv_out, _of_both_signs({(at, LAST + at): each for at, each in enumerate(STRENGTHS)}), THROUGH)
    encoder.conv_out.bias[CHANNELS:] = CERTAIN
    for at, plane in enumerate((ACROSS, ACROSS.T)):
        slopes = {
            (PACKED + 2 * kind + at, LAST + colour): SLOPE * share
            for kind, shares in enumerate(SLOPED)
            for colour, share in enumerate(shares)
        }
        _wire(encoder.conv_out, _of_both_signs(slopes), plane)


def _pack(conv: Any) -> None:
    """From two pairs of frames to the last of the four, and what the three before it add to it."""
    last = _colours(LAST, LAST) | _colours(_before(0), LAST, -1.0) | _colours(_before(1), LAST, -1.0)
    _wire(conv, KEPT | _for_both_signs(last | _colours(_before(2), _before(0))), ONE)
    earlier = _colours(_before(0), LAST) | _colours(_before(1), LAST)
    _wire(conv, _for_both_signs(earlier | {**_colours(_before(0), _before(0))}), ONE, ago=1)


def _write_decoder(decoder: Any) -> None:
    """The way back. The first frame passes no `time_conv`, so it is drawn of LAST alone."""
    _wire(decoder.conv_in, {(LAST + at, at): 1 / each for at, each in enumerate(STRENGTHS)}, SHARPER)
    decoder.conv_in.bias[HELD] = HOLD
    first, second, third = (each.upsamplers[0] for each in decoder.up_blocks if each.upsamplers is not None)
    half = first.time_conv.out_channels // 2
    earlier = KEPT | _colours(LAST, LAST) | _colours(LAST, _before(1)) | _colours(_before(0), _before(0))
    later = KEPT | _colours(LAST, LAST) | _colours(_before(0), _before(2))
    _wire(first.time_conv, earlier | _colours(_before(0), _before(1), -1.0) | _shifted(later, half), ONE)
    half = second.time_conv.out_channels // 2
    earlier = KEPT | _colours(LAST, LAST) | _colours(LAST, _before(0))
    _wire(second.time_conv, earlier | _shifted(KEPT | _colours(LAST, LAST), half), ONE)
    for each, shown in ((first, 2), (second, 1), (third, 1)):
        _wire(each.resample[1], KEPT, THROUGH)
        _wire(each.resample[1], {(at, at): 1.0 for at in range(LAST, LAST + shown * COLOURS)}, DOUBLED)
    _wire(third.resample[1], _colours(_before(0), LAST, -1.0), DOUBLED)
    _wire(decoder.conv_out, _colours(0, LAST) | _colours(0, _before(0), -1.0), THROUGH)


def _clear(part: Any) -> None:
    """Let convolutions give 0, and all blocks add nothing to what passes them."""
    for module in part.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d):
            for weight in module.parameters():
                weight.zero_()
    for module in part.modules():
        if _is(module, "WanResidualBlock") and module.in_dim != module.out_dim:
            _wire(module.conv_shortcut, _same(min(module.in_dim, module.out_dim)), ONE)


def _wire(conv: Any, wires: Wires, plane: torch.Tensor, ago: int = 0) -> None:
    """Add to a convolution's weights. plane: across the picture. ago: frames before the newest one."""
    for (out, of), factor in wires.items():
        weight = conv.weight[out, of]
        (weight if weight.dim() == plane.dim() else weight[-1 - ago]).add_(factor * plane)


def _same(channels: int) -> dict[tuple[int, int], float]:
    return {(at, at): 1.0 for at in range(channels)}


def _colours(out: int, of: int, factor: float = 1.0) -> dict[tuple[int, int], float]:
    return {(out + colour, of + colour): factor for colour in range(COLOURS)}


def _before(which: int) -> int:
    """The first channel of what an earlier frame adds."""
    return LAST + COLOURS * (1 + which)


def _for_both_signs(wires: Wires) -> dict[tuple[int, int], float]:
    return {**wires, **{(out + PACKED, of + PACKED): factor for (out, of), factor in wires.items()}}


def _of_both_signs(wires: Wires) -> dict[tuple[int, int], float]:
    return {**wires, **{(out, of + PACKED): -factor for (out, of), factor in wires.items()}}


def _shifted(wires: Wires, by: int) -> dict[tuple[int, int], float]:
    return {(out + by, of): factor for (out, of), factor in wires.items()}


def _is(module: Any, name: str) -> bool:
    return type(module).__name__ == name
