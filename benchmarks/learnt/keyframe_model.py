"""A model that begins and ends on its keyframes, made in a second: its transformer's weights are written down.

    python -m benchmarks.learnt.keyframe_model FOLDER      (a CPU; diffusers' layout, for `model:` in a storyboard)

For tests that need such a model. Training one takes minutes on two cores: 120 steps of 16 scenes of 9 frames, a block
of 128 features and 18 CPU seconds left first guesses of the ends off by 0.93 of their variance. Nothing is learnt here,
so its middles are the grey that the condition has between the keyframes.

Flow matching goes from clips to noise at (x - clip) / level, for noised latents x. The transformer computes that with
what the condition says in place of the clip:

- The patch embedding subtracts the condition's latents from x.
- The blocks add nothing.
- The last norm divides by nearly the same number everywhere, because two features, HOLD and its negative, are far above
  all others. It subtracts a mean, and the modulation by the timestep adds a shift. The feature SPARE is 0, so it has
  just these two after the norm, and the output subtracts it.
- The modulation multiplies by 1 / level. The timestep's embedding makes it as a sum of bent lines (`_write_time`).
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.learnt.linear_vae import linear_vae
from benchmarks.learnt.packed_frames import CHANNELS, STEP
from benchmarks.learnt.small_model import ON_A_CPU, readers, save_model, transformer_of

HOLD = 64.0
"""In training sums of squares of latents' differences are 128 of a token, so the norm is within 2 % of a constant."""
PATCH = 2
"""Edge of a patch."""
OF_PATCH = CHANNELS * PATCH * PATCH
HELD, OPPOSITE, SPARE = OF_PATCH, OF_PATCH + 1, OF_PATCH + 2
"""Features after those of a patch."""

LEAST_LEVEL = 0.02
"""Below it 1 / level is not exact. 30 steps of the published schedule end at 0.09."""
BENT_LINES = 24
STEEP = 4.0
"""Of a bend: it is as wide as a quarter of its noise level. With 24 of them, 1 / level is within 0.1 %."""


@torch.no_grad()
def keyframe_transformer() -> Any:
    """A transformer whose clips are what the condition says."""
    found = transformer_of(replace(ON_A_CPU, layers=1)).eval().requires_grad_(requires_grad=False)
    for block in found.blocks:
        for layer in (block.attn1.to_out[0], block.attn2.to_out[0], block.ffn.net[2]):
            layer.weight.zero_()
            layer.bias.zero_()
    _write_difference(found.patch_embedding)
    _write_time(found.condition_embedder)
    found.scale_shift_table.zero_()
    found.scale_shift_table[:, 1] = -1.0
    norm = math.sqrt(2 * HOLD**2 / found.proj_out.in_features)
    found.proj_out.bias.zero_()
    found.proj_out.weight.zero_()
    found.proj_out.weight[:, :OF_PATCH] = norm * torch.eye(OF_PATCH)
    found.proj_out.weight[:, SPARE] = -norm
    return found


def _write_difference(embedding: Any) -> None:
    """Input channels: noised latents, the mask, the condition's latents. Features of a patch in the order in which
    they leave the transformer: down, across, channels."""
    embedding.weight.zero_()
    embedding.bias.zero_()
    for channel in range(CHANNELS):
        for place in range(PATCH * PATCH):
            feature = place * CHANNELS + channel
            weight = embedding.weight[feature, :, 0].flatten(1)
            weight[channel, place] = 1.0
            weight[CHANNELS + STEP + channel, place] = -1.0
            embedding.weight[feature, :, 0] = weight.view(-1, PATCH, PATCH)
    embedding.bias[HELD], embedding.bias[OPPOSITE] = HOLD, -HOLD


def _write_time(embedder: Any) -> None:
    """Embed a timestep as 1 / level in every feature.

    The sine of the lowest frequency rises nearly evenly with the timestep. SiLU bends it at many levels, each as far
    from the next as a share of it, and the least squares of the relative error give their strengths.
    """
    first, second = embedder.time_embedder.linear_1, embedder.time_embedder.linear_2
    levels = torch.logspace(math.log10(LEAST_LEVEL), 0, 2000, dtype=torch.float64)
    seen = embedder.timesteps_proj(1000 * levels.float())[:, -1].double()
    rise = float(seen[-1])
    bends = torch.logspace(math.log10(LEAST_LEVEL), 0, BENT_LINES, dtype=torch.float64)
    bent = torch.nn.functional.silu(STEEP * (1 - seen[:, None] / rise / bends))
    lines = torch.cat([bent, torch.ones(len(levels), 1, dtype=torch.float64)], dim=1)
    strengths = torch.linalg.lstsq(lines * levels[:, None], torch.ones(len(levels), 1, dtype=torch.float64)).solution
    for layer in (first, second, embedder.time_proj):
        layer.weight.zero_()
        layer.bias.zero_()
    first.weight[:BENT_LINES, -1] = (-STEEP / rise / bends).float()
    first.bias[:BENT_LINES] = STEEP
    second.weight[:, :BENT_LINES] = strengths[:-1, 0].float()
    second.bias.fill_(float(strengths[-1, 0]))


def save_keyframe_model(folder: Path) -> None:
    """Save it as a user has a checkpoint: 6 MB."""
    facts = {"scale": "cpu", "written": "weights that are written down, not learnt"}
    save_model(folder, keyframe_transformer(), linear_vae(ON_A_CPU.vae_width), readers(), facts)


def main() -> None:
    programs = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programs.add_argument("folder", type=Path)
    save_keyframe_model(programs.parse_args().folder)


if __name__ == "__main__":
    main()
