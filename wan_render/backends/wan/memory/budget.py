"""How much memory the components of a model need for a take, estimated without loading them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from wan_render.backends.wan.checkpoint.checkpoint_folder import WEIGHTS, Checkpoint
from wan_render.backends.wan.memory.offload_choice import BLOCKS, Need
from wan_render.backends.wan.memory.transformer_sizes import transformer_sizes
from wan_render.backends.wan.models.limits import TEXT_TOKENS, token_count
from wan_render.backends.wan.profiles.render_profile import profile_of
from wan_render.take import Take

ENCODER_WORKING_BYTES = 1_000_000_000
"""What the text and the image encoder need besides their weights, at most."""

VAE_WORKING_BYTES_PER_PIXEL = 23_500
"""For a float32 decode by diffusers: 21.6 GB at 1280x720, measured on an H200. wan-render's passes need a third less.
So does encoding without the cache for still frames (latents.STEADY_BYTES_PER_PIXEL)."""

ATTENTION_BYTES = 24
"""Per token and feature during the attention of a block, in bf16. 22.3 were measured: stock diffusers on an H200 took
3.74 GB at 32,760 tokens of 5,120 features."""

SPARSE_LINEAR_BYTES = 8
"""Per token and feature, besides ATTENTION_BYTES, for sparse-linear attention. On an H200, at 32,760 tokens of 5,120
features, 7.3 were measured where the chosen keys are copied together, and 1.6 with the kernel."""

FEED_FORWARD_BYTES, WIDENED_BYTES = 8, 5
"""Per token during the feed-forward: for each of its features, and for each inner feature of the feed-forward. The 1.3B
(1,536 and 8,960 features) ran out of memory with 1.6 GB."""

PER_TOKEN_BYTES = 36
"""Per token and feature if each token has its own timestep: six modulations in float32 and in bf16."""

CONTEXTS, ELEMENT_BYTES = 2, 2
"""wan-render's forward keeps the keys and values of the cross-attention in bf16, for the prompt and the negative prompt
(profiles.context). diffusers' forward keeps nothing and needs a quarter more for its work; ATTENTION_BYTES covers
both."""

HINT_BYTES = 2
"""Per token and feature for each layer of VACE with a second block: what these give to the others, in bf16."""

FIRST_BLOCK_BYTES = 2 * CONTEXTS * ELEMENT_BYTES
"""Per token and feature if blocks after the first may be skipped: what the first block and the others added in the last
step, for both texts (profiles.first_block)."""

CLIP_TOKENS = 257
"""Tokens of a picture from a ViT-H/14 at 224x224, for transformers whose configuration does not give the number."""


class WeightSizes(Protocol):
    """Knows how large the components of a checkpoint are: a Loader, or the headers of its files alone."""

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of the components."""

    def weights_bytes(self, component: str) -> int:
        """About how many bytes a component's weights take when loaded."""


@dataclass(frozen=True)
class Budget:
    """Estimates of the memory that one model needs.

    fuses: whether wan-render's forward computes the transformers, where its kernels are right: keys and values of the
           cross-attention are then computed once per text.
    """

    loader: WeightSizes
    fuses: bool = False

    def needs(self, take: Take) -> tuple[Need, ...]:
        """The need of each of the model's components for a take."""
        return tuple(self._need(name, take) for name in WEIGHTS if name in self.loader.checkpoint.components)

    def _need(self, component: str, take: Take) -> Need:
        weights, working = self.loader.weights_bytes(component), self.working(component, take)
        if not component.startswith("transformer"):
            return Need(component, weights, working, component in BLOCKS)
        kept = self.kept(component, take)
        linears, checkpoint = profile_of(take.sampling).linears, self.loader.checkpoint
        fuses = self.fuses and not checkpoint.sees_video  # VACE is computed by diffusers' forward
        sizes = transformer_sizes(checkpoint.transformer, weights, linears, fuses=fuses)
        return Need(component, sizes.whole, working, can_stream=True, kept=kept, aside=sizes.aside, blocks=sizes.blocks)

    @cached_property
    def transformers_bytes(self) -> int:
        """Bytes of the weights of all transformers, as they are loaded."""
        names = (name for name in self.loader.checkpoint.components if name.startswith("transformer"))
        return sum(map(self.loader.weights_bytes, names))

    def working(self, component: str, take: Take) -> int:
        """Bytes that a component needs besides its weights while it computes."""
        if component.startswith("transformer"):
            config = self.loader.checkpoint.transformer
            widened = FEED_FORWARD_BYTES * config.width + WIDENED_BYTES * config.ffn_dim
            modulations = PER_TOKEN_BYTES * config.width if self.loader.checkpoint.index.expand_timesteps else 0
            hints = HINT_BYTES * len(config.vace_layers) * config.width
            attending = ATTENTION_BYTES + (SPARSE_LINEAR_BYTES if config.attended_share is not None else 0)
            each = max(attending * config.width, widened) + modulations + hints
            return each * tokens_of(self.loader.checkpoint, take)
        if component == "vae":
            return VAE_WORKING_BYTES_PER_PIXEL * take.size.width * take.size.height
        return ENCODER_WORKING_BYTES

    def kept(self, component: str, take: Take) -> int:
        """Bytes of results that a component keeps for a take while others compute."""
        if not component.startswith("transformer"):
            return 0
        config = self.loader.checkpoint.transformer
        pictures = 0 if config.image_dim is None else config.pos_embed_seq_len or CLIP_TOKENS
        keys_and_values = 2 * config.num_layers * (TEXT_TOKENS + pictures) * config.width
        skips = profile_of(take.sampling).first_block_threshold is not None
        remembered = FIRST_BLOCK_BYTES * config.width * tokens_of(self.loader.checkpoint, take) if skips else 0
        return CONTEXTS * keys_and_values * ELEMENT_BYTES + remembered

    def decoding(self, take: Take) -> int:
        """Bytes that the VAE needs besides its weights while it decodes. In bfloat16 each number takes half as much."""
        working = self.working("vae", take)
        return working // 2 if profile_of(take.sampling).decodes_in_bfloat16 else working

    def beside_weights(self, component: str, take: Take) -> int:
        """Bytes that a component needs besides its weights: `kept` and `working`."""
        return self.kept(component, take) + self.working(component, take)


def latent_shape(checkpoint: Checkpoint, take: Take) -> tuple[int, ...]:
    """(1, z, latent frames, height, width) of a take."""
    vae = checkpoint.vae
    frames = (take.frames - 1) // vae.scale_factor_temporal + 1
    scale = vae.scale_factor_spatial
    return (1, vae.z_dim, frames, take.size.height // scale, take.size.width // scale)


def tokens_of(checkpoint: Checkpoint, take: Take) -> int:
    """The number of tokens of a take."""
    vae, patch = checkpoint.vae, checkpoint.transformer.patch_size
    return token_count(take, vae.scale_factor_spatial * patch[1], vae.scale_factor_temporal)
