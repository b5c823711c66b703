"""Everything that follows from a take and its model, decided once per take. Nothing is loaded or encoded here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from wan_render.backends.wan.checkpoint.checkpoint_folder import WEIGHTS, Checkpoint
from wan_render.backends.wan.checkpoint.loading import Loader
from wan_render.backends.wan.kernels.attention_choice import Shape
from wan_render.backends.wan.lora.applied_loras import files_of, for_expert
from wan_render.backends.wan.lora.patched import LoraFiles
from wan_render.backends.wan.memory.budget import latent_shape, tokens_of
from wan_render.backends.wan.memory.offload_choice import MemoryFit
from wan_render.backends.wan.pipeline.denoise import Expert, Experts
from wan_render.backends.wan.pipeline.latent_handover import handed_over
from wan_render.backends.wan.pipeline.stage_cache import LatentsKey, StageModel
from wan_render.backends.wan.profiles.render_profile import Profile, profile_of
from wan_render.model_card import ModelCard
from wan_render.render_values import TakeInputs
from wan_render.take import Take

NO_INPUTS = TakeInputs(None, None)


@dataclass(frozen=True)
class Setup:
    """Everything that is known about a take before it is rendered.

    inputs:       its pictures, and the LoRA files that were given.
    profile:      how it is computed.
    experts:      which transformer handles which timestep, with which guidance.
    fit:          how the model is fitted into the device's memory.
    key:          of its denoised latents.
    latent_shape: (1, z, latent frames, height, width).
    attention:    the shape of its self-attention.
    """

    take: Take
    inputs: TakeInputs
    card: ModelCard
    profile: Profile
    experts: Experts
    fit: MemoryFit
    key: LatentsKey
    latent_shape: tuple[int, ...]
    attention: Shape

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts to encode: the prompt, and the negative prompt if an expert is guided."""
        return (self.take.prompt, self.take.negative) if self.experts.are_guided else (self.take.prompt,)

    @cached_property
    def lora_files(self) -> Mapping[str, Path]:
        """The file of each of its LoRAs, by SHA-256. Evaluated when a transformer needs them: cached latents need none.
        Raises WeightsError if one is not on this machine."""
        return files_of(self.take, self.inputs.loras, self.card)

    @cached_property
    def handed(self) -> torch.Tensor | None:
        """The latents that the take begins on; see `handed_over`. Raises RenderError."""
        return handed_over(self.take, self.inputs.latents, self.latent_shape)

    def loras_of(self, component: str) -> LoraFiles:
        """The LoRAs that one of its transformers uses. Raises WeightsError."""
        return for_expert(self.take.loras, self.lora_files, component)


@dataclass(frozen=True)
class OpenModel:
    """A model on this machine. loader: loads its components. weights: their exact version, in words."""

    card: ModelCard
    loader: Loader
    weights: Mapping[str, str]

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint of its components."""
        return self.loader.checkpoint

    def setup(self, take: Take, fit: MemoryFit, inputs: TakeInputs = NO_INPUTS) -> Setup:
        """The setup of a take of this model. Raises RenderError for an unknown profile, or WeightsError."""
        config = self.checkpoint.transformer
        return Setup(
            take=take,
            inputs=inputs,
            card=self.card,
            profile=profile_of(take.sampling),
            experts=self._experts(take),
            fit=fit,
            key=self.latents_key(take),
            latent_shape=latent_shape(self.checkpoint, take),
            attention=Shape(tokens_of(self.checkpoint, take), config.num_attention_heads, config.attention_head_dim),
        )

    def source(self, component: str) -> StageModel:
        """The identity of a component in the keys of stages."""
        return StageModel(self.card.identity, self.weights.get("weights", ""), self.loader.dtype(component))

    def latents_key(self, take: Take) -> LatentsKey:
        """The key of a take's denoised latents."""
        components = (name for name in WEIGHTS if name in self.checkpoint.components)
        return LatentsKey(take.key, tuple(map(self.source, components)))

    def _experts(self, take: Take) -> Experts:
        guidance, boundary = take.sampling.guidance, self.checkpoint.index.boundary_ratio
        high = Expert("transformer", guidance[0])
        guided = None if take.sampling.guided_share == 1 else take.sampling.guided_steps
        if boundary is None:
            return Experts(high, guided_steps=guided)
        train_timesteps = self.loader.scheduler(take.sampling.shift).config.num_train_timesteps
        return Experts(high, Expert("transformer_2", guidance[1]), boundary * train_timesteps, guided)
