"""diffusers' VAE encoder with the decoder's passes: its layers are the same, in the other direction."""

from __future__ import annotations

from typing import Any

import torch

from wan_render.backends.wan.kernels.decoder import (
    Cache,
    Taken,
    VaeOperations,
    channels_last,
    gamma_of,
    normed_input,
    remembered,
    replace_layers,
)


def fuse_encoder(vae: Any, operations: VaeOperations) -> None:
    """Replace the encoder of diffusers' AutoencoderKLWan permanently, in the precision that it has."""
    vae.encoder = Encoder(vae.encoder, operations)


class Encoder(torch.nn.Module):
    """Replaces diffusers' WanEncoder3d."""

    def __init__(self, encoder: Any, operations: VaeOperations) -> None:
        """Take over the encoder's layers and change them."""
        super().__init__()
        self._operations = operations
        self.gamma, self.conv_out = gamma_of(encoder.norm_out), Taken(encoder.conv_out)
        replace_layers(encoder, operations)
        self.conv_in, self.down_blocks, self.mid_block = encoder.conv_in, encoder.down_blocks, encoder.mid_block
        channels_last(self)

    def forward(self, x: torch.Tensor, feat_cache: Cache, feat_idx: list[int]) -> torch.Tensor:
        """Frames (1, channels, 1 or 4, height, width) to the mean and log variance of one latent frame
        (1, 2·z, 1, height, width)."""
        before = remembered(x, feat_cache, feat_idx)
        found = self.conv_in(x, before)
        for layer in self.down_blocks:
            found = layer(found, feat_cache=feat_cache, feat_idx=feat_idx)
        found = self.mid_block(found, feat_cache=feat_cache, feat_idx=feat_idx)
        shown = normed_input(self._operations, found, None, self.gamma, feat_cache, feat_idx)
        latents: torch.Tensor = self.conv_out(shown, adds_bias=True)
        return latents
