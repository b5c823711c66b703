"""The encodings of a take, cached: its texts, and CLIP's and the VAE's view of its keyframes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from wan_render.backends.wan.checkpoint.loading import Loader
from wan_render.backends.wan.pipeline.conditions import (
    Condition,
    TextOnly,
    channels,
    control_latents,
    control_video,
    first_frame,
    keyframe_latents,
)
from wan_render.backends.wan.pipeline.encode import encode_pictures, encode_text, padded
from wan_render.backends.wan.pipeline.latent_handover import begun_on
from wan_render.backends.wan.pipeline.stage_cache import (
    ConditionKey,
    ControlKey,
    PairKey,
    PictureKey,
    StageCache,
    StageModel,
    TextKey,
    tensor_digest,
)
from wan_render.render_values import Pixels, TakeInputs
from wan_render.take import Take

Component = Callable[[], Any]
"""Gives a component on its device. Called only if something new has to be encoded."""


class Encodings:
    """The encodings for the takes of one model. Tensors are in host memory, the condition is on the device."""

    def __init__(
        self,
        loader: Loader,
        source: Callable[[str], StageModel],
        kept: StageCache,
        device: torch.device,
        *,
        as_stock: bool,
    ) -> None:
        """source: gives a component's identity. as_stock: encode two keyframes with CLIP in one batch, like diffusers'
        pipeline, because a CPU may round differently one by one. Otherwise each keyframe is encoded once for all shots.
        """
        self._as_stock = as_stock
        self._checkpoint = loader.checkpoint
        self._source = source
        self._kept = kept
        self._device = device
        self._tokenizer = loader.tokenizer()
        self._processor = loader.image_processor() if loader.checkpoint.has_image_encoder else None

    @property
    def processor(self) -> str:
        """The class that prepares pictures for CLIP; "" for a model without CLIP."""
        return type(self._processor).__name__ if self._processor is not None else ""

    def text(self, text: str, encoder: Component) -> torch.Tensor:
        """The embedding of a text, padded with zeros: (1, 512, features)."""
        key = TextKey(self._source("text_encoder"), text)
        return padded(self._kept.of(key, lambda: encode_text(text, self._tokenizer, encoder()), encoder))

    def pictures(self, plates: TakeInputs, encoder: Component) -> torch.Tensor | None:
        """CLIP's view of the keyframes: (pictures, tokens, features). None for a model without CLIP.

        Only a transformer with positions for two pictures sees both. Others that take two keyframes (Wan 2.1 Fun InP)
        were trained with the first one.
        """
        if self._processor is None:
            return None
        last = plates.last if self._checkpoint.transformer.pos_embed_seq_len is not None else None
        if self._as_stock and plates.first is not None and last is not None:
            return self._pair(plates.first, last, encoder)
        shown = [plate for plate in (plates.first, last) if plate is not None]
        return torch.cat([self._picture(plate, encoder) for plate in shown])

    def condition(
        self,
        take: Take,
        plates: TakeInputs,
        shape: tuple[int, ...],
        vae: Component,
        handed: torch.Tensor | None = None,
    ) -> Condition:
        """The transformer's condition on the keyframes, or on both sides of a bridge.

        shape:  of the take's latents.
        handed: the latents that the take begins on. The last one is used instead of the first keyframe's; what the
                keyframes make of the latents after it stays, as that is what the models have learnt from.
        """
        if take.bridge is not None:
            return self._control(take, plates, vae)
        is_per_token = self._checkpoint.index.expand_timesteps
        if plates.first is None:
            return TextOnly(per_token=is_per_token)
        frames = 1 if is_per_token else take.frames
        if is_per_token and handed is not None:
            return first_frame(handed[:, :, -1:].to(self._device), shape)
        latents = begun_on(handed, self._latents(plates, frames, vae)).to(self._device)
        if is_per_token:
            return first_frame(latents, shape)
        step = self._checkpoint.vae.scale_factor_temporal
        return channels(latents, frames, step, has_last=plates.last is not None)

    def _control(self, take: Take, plates: TakeInputs, vae: Component) -> Condition:
        before, after = ("" if side is None else tensor_digest(side) for side in (plates.before, plates.after))
        key = ControlKey(self._source("vae"), before, after, take.frames)
        latents = self._kept.of(key, lambda: control_latents(plates, take.frames, vae()), vae).to(self._device)
        return control_video(latents, plates, take.frames, self._checkpoint.vae.scale_factor_spatial)

    def _picture(self, plate: Pixels, encoder: Component) -> torch.Tensor:
        key = PictureKey(self._source("image_encoder"), self.processor, tensor_digest(plate))
        return self._kept.of(key, lambda: encode_pictures([plate], self._processor, encoder()), encoder)

    def _pair(self, first: Pixels, last: Pixels, encoder: Component) -> torch.Tensor:
        key = PairKey(self._source("image_encoder"), self.processor, tensor_digest(first), tensor_digest(last))
        return self._kept.of(key, lambda: encode_pictures([first, last], self._processor, encoder()), encoder)

    def _latents(self, plates: TakeInputs, frames: int, vae: Component) -> torch.Tensor:
        first, last = ("" if plate is None else tensor_digest(plate) for plate in (plates.first, plates.last))
        key = ConditionKey(self._source("vae"), first, last, frames)
        return self._kept.of(key, lambda: keyframe_latents(plates, frames, vae()), vae)
