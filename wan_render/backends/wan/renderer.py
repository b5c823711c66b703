"""One Wan model on one device: a take and its plates become frames.

The same arithmetic as diffusers' pipelines, in the same order, so that the pixels are theirs bit for bit; what differs
is that nothing is rounded, stretched or ignored, and that what one take has loaded or encoded serves the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from wan_render.backends.wan.acceleration.accelerator import AS_LOADED, Accelerator, Arrival
from wan_render.backends.wan.acceleration.choice import Shape
from wan_render.backends.wan.acceleration.profile import named
from wan_render.backends.wan.acceleration.schedule import prepared_scheduler
from wan_render.backends.wan.conditions import Condition, TextOnly, channels, first_frame
from wan_render.backends.wan.denoise import Context, Expert, Experts, denoise
from wan_render.backends.wan.encode import TextEmbeddings, encode_pictures
from wan_render.backends.wan.latents import decode_video, noise, to_pixels
from wan_render.backends.wan.limits import require
from wan_render.backends.wan.loading import Loader
from wan_render.backends.wan.lora import Wardrobe, files_of, for_expert
from wan_render.backends.wan.residence import Residence
from wan_render.backends.wan.seam import seam
from wan_render.errors import Problem, RenderError
from wan_render.render import Frames, Listen, ModelCard, Phase, Plates, Progress
from wan_render.settings import MachineSettings
from wan_render.take import Take

ENCODER_WORKING_BYTES = 1_000_000_000
"""Beside the weights of the text and the image encoder: less than this."""

VAE_WORKING_BYTES_PER_PIXEL = 23_500
"""Float32 decode: 21.6 GB at 1280x720, measured on an H200; encoding needs less."""

TRANSFORMER_WORKING_BYTES_PER_TOKEN = 100_000
"""14B in bf16: the widest activations of a block, about twice what was measured (34 GB with 32.8 GB of weights at
32,760 tokens)."""


class WanRenderer:
    """A model whose components come from `loader`; `weights` says in words which they are, for the record."""

    def __init__(self, card: ModelCard, loader: Loader, device: torch.device, weights: Mapping[str, str]) -> None:
        self._card = card
        self._loader = loader
        self._checkpoint = loader.checkpoint
        self._device = device
        self._weights = weights
        self._residence = Residence(loader, device)
        self._listen: Listen = _to_nobody
        self._doing = Progress(Phase.LOADING)
        self._is_closed = False
        settings = MachineSettings()
        self._accelerator = Accelerator(device, settings.cache, settings.kernels)
        self._wardrobe = Wardrobe()
        self._loras: Mapping[str, Path] = {}
        self._texts = TextEmbeddings(loader.tokenizer(), self._text_encoder)
        self._image_processor = loader.image_processor() if self._checkpoint.has_image_encoder else None

    def warmed(self, listen: Listen) -> WanRenderer:
        """This renderer with what a take needs first already loaded. Raises WeightsError, DeviceError."""
        self._listen = listen
        self._text_encoder()
        return self

    def render(self, take: Take, plates: Plates, listen: Listen) -> Frames:
        """Render a take. Only errors of wan_render.errors leave it."""
        if self._is_closed:
            raise RenderError(Problem(self._card.name, "is closed", "a renderer that is open", "open another"))
        require(take, plates, self._card)
        self._accelerator.require(named(take.sampling.profile))
        self._listen = listen
        with seam(f"{self._card.name} on {self._device}"), torch.no_grad():
            return Frames(to_pixels(self._decode(self.latents(take, plates), take)), take.rate)

    def latents(self, take: Take, plates: Plates) -> torch.Tensor:
        """The denoised latents of a take, normalised, float32: (1, z, latent frames, height, width)."""
        self._loras = files_of(take, plates.loras, self._card)
        experts = self._experts(take)
        profile = named(take.sampling.profile)
        scheduler = prepared_scheduler(profile, take.sampling, self._loader.scheduler, self._device)
        context = self._context(take, plates, experts)
        start = noise(self._latent_shape(take), take.seed, self._device)
        return denoise(start, context, experts, scheduler, lambda name: self._transformer(name, take), self._say)

    def facts(self) -> Mapping[str, str]:
        """Versions, device, and exactly which weights, in what precision."""
        is_cuda = self._device.type == "cuda"
        return {
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
            "device": torch.cuda.get_device_name(self._device) if is_cuda else "cpu",
            **({"image processor": type(self._image_processor).__name__} if self._image_processor else {}),
            **self._weights,
            **self._accelerator.facts(),
        }

    def close(self) -> None:
        """Free the device."""
        self._is_closed = True
        self._residence.close()

    def _context(self, take: Take, plates: Plates, experts: Experts) -> Context:
        """Everything is encoded before the transformer comes: words, CLIP's view of the plates, the VAE's."""
        parts = 1 + self._checkpoint.has_image_encoder + (plates.first is not None)
        self._say(Progress(Phase.ENCODING, 0, parts))
        text = self._texts.of(take.prompt)
        negative = self._texts.of(take.negative) if experts.are_guided else None
        self._say(Progress(Phase.ENCODING, 1, parts))
        pictures = self._pictures(plates)
        condition = self._condition(take, plates)
        self._say(Progress(Phase.ENCODING, parts, parts))
        dtype = self._transformer(experts.high.component, take).dtype
        return Context(
            condition=condition,
            text=text.to(self._device, dtype),
            negative=None if negative is None else negative.to(self._device, dtype),
            pictures=None if pictures is None else pictures.to(dtype),
        )

    def _pictures(self, plates: Plates) -> torch.Tensor | None:
        if not self._checkpoint.has_image_encoder:
            return None
        shown = tuple(plate for plate in (plates.first, plates.last) if plate is not None)
        encoder = self._resident("image_encoder", ENCODER_WORKING_BYTES)
        return encode_pictures(shown, self._image_processor, encoder)

    def _condition(self, take: Take, plates: Plates) -> Condition:
        is_per_token = self._checkpoint.index.expand_timesteps
        if plates.first is None:
            return TextOnly(per_token=is_per_token)
        if is_per_token:
            return first_frame(plates, self._latent_shape(take), self._vae(take))
        return channels(plates, self._latent_shape(take), take.frames, self._vae(take))

    def _decode(self, latents: torch.Tensor, take: Take) -> torch.Tensor:
        self._say(Progress(Phase.DECODING))
        return decode_video(latents, self._vae(take))

    def _experts(self, take: Take) -> Experts:
        guidance, boundary = take.sampling.guidance, self._checkpoint.index.boundary_ratio
        high = Expert("transformer", guidance[0])
        if boundary is None:
            return Experts(high)
        train_timesteps = self._loader.scheduler(take.sampling.shift).config.num_train_timesteps
        return Experts(high, Expert("transformer_2", guidance[1]), boundary * train_timesteps)

    def _latent_shape(self, take: Take) -> tuple[int, ...]:
        vae = self._checkpoint.vae
        frames = (take.frames - 1) // vae.scale_factor_temporal + 1
        scale = vae.scale_factor_spatial
        return (1, vae.z_dim, frames, take.size.height // scale, take.size.width // scale)

    def _text_encoder(self) -> torch.nn.Module:
        return self._resident("text_encoder", ENCODER_WORKING_BYTES)

    def _vae(self, take: Take) -> torch.nn.Module:
        working = VAE_WORKING_BYTES_PER_PIXEL * take.size.width * take.size.height
        return self._resident("vae", working, self._accelerator.vae(named(take.sampling.profile)))

    def _transformer(self, component: str, take: Take) -> Any:
        _, _, frames, height, width = self._latent_shape(take)
        profile, config = named(take.sampling.profile), self._checkpoint.transformer
        tokens = frames * (height // 2) * (width // 2)
        worn = for_expert(take.loras, self._loras, component)
        arrival = self._accelerator.transformer(profile, config.width, config.num_attention_heads)
        arrival = self._wardrobe.arrival(arrival, worn)
        found = self._resident(component, TRANSFORMER_WORKING_BYTES_PER_TOKEN * tokens, arrival)
        shape = Shape(tokens, config.num_attention_heads, config.attention_head_dim)
        if self._wardrobe.wear(found, worn):
            self._accelerator.forget(found)
        self._accelerator.adopt(found, profile, shape)
        return found

    def _resident(self, component: str, working_bytes: int, arrival: Arrival = AS_LOADED) -> torch.nn.Module:
        """A component on the device. Loading it is told as such; then what it is for goes on."""
        was_here = self._residence.holds(component, arrival)
        found = self._residence.module(component, working_bytes, self._listen, arrival)
        if not was_here:
            self._listen(self._doing)
        return found

    def _say(self, progress: Progress) -> None:
        self._doing = progress
        self._listen(progress)


def _to_nobody(progress: Progress) -> None:
    """Listens to nothing."""
