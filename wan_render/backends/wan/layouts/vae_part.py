"""A file of a Wan VAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wan_render.backends.wan.layouts.part import Part, PartKind, Shape, placed_shapes, targets_of
from wan_render.backends.wan.layouts.weight_names import vae_name
from wan_render.backends.wan.layouts.weights_file import WeightsFile


def is_vae(names: set[str]) -> bool:
    """Whether these names of weights are a VAE's."""
    return bool(names & {"encoder.conv1.weight", "encoder.conv_in.weight"})


def vae_part(file: WeightsFile) -> Part:
    """The VAE in a file. Raises KeyError, ValueError for weights that are missing or of other shapes."""
    is_residual = any(".downsamples.0.downsamples." in name or ".downsampler." in name for name in file.weights)
    blocks = 2
    names = targets_of(file, lambda name: vae_name(name, blocks))
    shapes = placed_shapes(file, names)
    latents = shapes["post_quant_conv.weight"][0]
    words = f"VAE of Wan 2.{2 if is_residual else 1}: {latents} channels, {file.precision}"
    return Part(PartKind.VAE, file, names, _config(shapes, is_residual=is_residual), words)


def _config(shapes: Mapping[str, Shape], *, is_residual: bool) -> dict[str, Any]:
    """The configuration of a VAE: Wan 2.2's if it has residual levels, else Wan 2.1's."""
    config: dict[str, Any] = {
        "base_dim": shapes["encoder.conv_in.weight"][0],
        "z_dim": shapes["post_quant_conv.weight"][0],
        "dim_mult": [1, 2, 4, 4],
        "num_res_blocks": 2,
    }
    if is_residual:
        config |= {
            "decoder_base_dim": shapes["decoder.conv_in.weight"][0] // 4,
            "is_residual": True,
            "in_channels": shapes["encoder.conv_in.weight"][1],
            "out_channels": shapes["decoder.conv_out.weight"][0],
            "patch_size": 2,
            "scale_factor_spatial": 16,
            "scale_factor_temporal": 4,
            "temperal_downsample": [False, True, True],
        }
    return config
