"""How much memory the components of a model need for a take, estimated without loading them."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.backends.wan.acceleration.profile import Precision, named
from wan_render.backends.wan.checkpoint import WEIGHTS, Checkpoint
from wan_render.backends.wan.fit import Need
from wan_render.backends.wan.loading import Loader
from wan_render.backends.wan.streaming import BLOCKS
from wan_render.backends.wan.tokens import tokens
from wan_render.take import Take

ENCODER_WORKING_BYTES = 1_000_000_000
"""Beside the weights of the text and the image encoder: less than this."""

VAE_WORKING_BYTES_PER_PIXEL = 23_500
"""Float32 decode by diffusers: 21.6 GB at 1280x720, measured on an H200; wan-render's passes need a third less, and so
does encoding, where nothing is kept for frames that stand still (latents.STEADY_BYTES_PER_PIXEL)."""

ATTENTION_BYTES = 24
"""Of every token and feature while a block attends, in bf16: 22.3 were measured (stock diffusers on an H200: 3.74 GB at
32,760 tokens of 5,120 features)."""

FEED_FORWARD_BYTES, WIDENED_BYTES = 8, 5
"""Of every token, for each of its features and for each of those that a feed-forward has inside, while that works. A
1.3B (1,536 and 8,960) ran out of memory with 1.6 GB."""

PER_TOKEN_BYTES = 36
"""Of every token and feature where each token has a timestep of its own: six modulations in float32, and in bf16."""

FLOAT8_WEIGHTS_SHARE = 0.6
"""Of a transformer's bf16 weights, where its blocks' layers are float8: 21 GB of 33 were measured, work included."""


@dataclass(frozen=True)
class Budget:
    """Estimates for one model."""

    loader: Loader

    def needs(self, take: Take) -> tuple[Need, ...]:
        """Of each component that the take needs."""
        return tuple(
            Need(name, self._weights(name, take), self.working(name, take), self._can_stream(name, take))
            for name in WEIGHTS
            if name in self.loader.checkpoint.components
        )

    @property
    def transformers_bytes(self) -> int:
        """Of their weights, all of them, as they are read."""
        names = (name for name in self.loader.checkpoint.components if name.startswith("transformer"))
        return sum(map(self.loader.weights_bytes, names))

    def working(self, component: str, take: Take) -> int:
        """Bytes that a component's work needs besides its weights."""
        if component.startswith("transformer"):
            config = self.loader.checkpoint.transformer
            widened = FEED_FORWARD_BYTES * config.width + WIDENED_BYTES * config.ffn_dim
            modulations = PER_TOKEN_BYTES * config.width if self.loader.checkpoint.index.expand_timesteps else 0
            each = max(ATTENTION_BYTES * config.width, widened) + modulations
            return each * tokens_of(self.loader.checkpoint, take)
        if component == "vae":
            return VAE_WORKING_BYTES_PER_PIXEL * take.size.width * take.size.height
        return ENCODER_WORKING_BYTES

    def _weights(self, component: str, take: Take) -> int:
        read = self.loader.weights_bytes(component)
        return int(read * FLOAT8_WEIGHTS_SHARE) if component.startswith("transformer") and _is_float8(take) else read

    def _can_stream(self, component: str, take: Take) -> bool:
        """What is quantised as it arrives stays on the device."""
        return component in BLOCKS and not (component.startswith("transformer") and _is_float8(take))


def latent_shape(checkpoint: Checkpoint, take: Take) -> tuple[int, ...]:
    """(1, z, latent frames, height, width) of a take."""
    vae = checkpoint.vae
    frames = (take.frames - 1) // vae.scale_factor_temporal + 1
    scale = vae.scale_factor_spatial
    return (1, vae.z_dim, frames, take.size.height // scale, take.size.width // scale)


def tokens_of(checkpoint: Checkpoint, take: Take) -> int:
    """Of a take, as a transformer counts them."""
    vae, patch = checkpoint.vae, checkpoint.transformer.patch_size
    return tokens(take, vae.scale_factor_spatial * patch[1], vae.scale_factor_temporal)


def _is_float8(take: Take) -> bool:
    return named(take.sampling.profile).linears is Precision.FLOAT8
