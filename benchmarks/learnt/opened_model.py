"""The small model on a device, through wan-render's own stages, so that what is judged is what renders films."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from benchmarks.learnt.approaches import GUIDANCE, SOLVERS, TRANSFORMER, Approach
from benchmarks.learnt.chosen_layers import LayerErrors, chosen_layers
from benchmarks.learnt.moving_scenes import NEGATIVE, PROMPTS, Scenes, drawn
from benchmarks.learnt.small_model import SCALES, SHIFT, Scale
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader, without_bars
from wan_render.backends.wan.kernels import attention_check
from wan_render.backends.wan.kernels.attention_check import ExactLayers
from wan_render.backends.wan.models.local_folder import folder_card
from wan_render.backends.wan.pipeline.announcer import Announcer
from wan_render.backends.wan.pipeline.components import Components
from wan_render.backends.wan.pipeline.denoise import denoise
from wan_render.backends.wan.pipeline.latents import decode_video, noise
from wan_render.backends.wan.pipeline.stage_cache import StageCache
from wan_render.backends.wan.pipeline.take_encodings import Encodings
from wan_render.backends.wan.pipeline.take_setup import OpenModel, Setup
from wan_render.backends.wan.pipeline.wan_pipeline import WanPipeline
from wan_render.backends.wan.profiles.first_block import SkipCount
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer
from wan_render.facts import FactCache
from wan_render.render_values import ALONE, Pixels, Progress, TakeInputs
from wan_render.take import Plate, Sampling, Take


@dataclass(frozen=True)
class Rendered:
    """Latents of a take, and how they were computed.

    skips:        the predictions in which blocks were skipped.
    exact_layers: the share of the layers whose attention was exact although the profile's is in float8.
    errors:       of attention in float8, in the layers that were measured.
    """

    latents: torch.Tensor
    skips: SkipCount
    exact_layers: float = 0.0
    errors: LayerErrors = field(default_factory=dict)


class OpenedModel:
    """A folder that `train` has saved, on a device."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        without_bars()
        self.scale: Scale = SCALES[json.loads((folder / "learnt.json").read_text(encoding="utf-8"))["scale"]]
        self.device = device
        card = folder_card(folder, FactCache(folder.with_name(f"{folder.name}-facts")))
        loader = FolderLoader(read_checkpoint(folder), EXACT[device.type])
        self._model, progress = OpenModel(card, loader, {}), Announcer()
        progress.tell(_nobody)
        self._components = Components(self._model, device, progress)
        as_stock = self._components.leaves_all_to_diffusers
        self._encodings = Encodings(loader, self._model.source, StageCache(ALONE.stages), device, as_stock=as_stock)
        self._pipeline = WanPipeline(self._model, self._components, self._encodings, device, progress)

    @property
    def computes_profiles(self) -> bool:
        """Whether wan-render's own kernels compute here, which every profile but `exact` needs."""
        return not self._components.leaves_all_to_diffusers

    def take(self, scenes: Scenes, at: int, seed: int) -> tuple[Take, TakeInputs]:
        """The take between both ends of one of the scenes."""
        size = self.scale.size
        ends = drawn(scenes.part(slice(at, at + 1)), torch.tensor([0.0, 1.0]), size.height, size.width)[0]
        first, last = as_pixels(ends)
        plate = Plate("0" * 64, size)
        take = Take(
            backend="wan/1",
            model="learnt",
            first=plate,
            last=plate,
            prompt=PROMPTS[int(scenes.prompts[at])],
            negative=NEGATIVE,
            frames=self.scale.frames,
            size=size,
            rate=Fraction(16),
            seed=seed,
            sampling=Sampling(1, (GUIDANCE,), SHIFT),
        )
        return take, TakeInputs(first, last)

    @torch.no_grad()
    def latents(self, take: Take, inputs: TakeInputs, approach: Approach) -> Rendered:
        """Render a take's latents in one of the ways."""
        setup = self._setup(take, inputs, approach)
        context = self._pipeline.context(setup)
        scheduler = SOLVERS[approach.solver]()
        scheduler.set_timesteps(approach.steps, device=self.device)
        start = noise(setup.latent_shape, take.seed, self.device)
        transformer, skips, exact = self._components.transformer(TRANSFORMER, setup), SkipCount(), ExactLayers()
        if isinstance(transformer, AcceleratedTransformer):
            transformer.first_block_threshold = approach.first_block
            transformer.skips, transformer.exact_layers = skips, exact
        attention_check.ALLOWED_ERROR = approach.allowed if approach.in_float8 is None else math.inf
        with chosen_layers(transformer, approach.in_float8) as errors:
            found = denoise(start, context, setup.experts, scheduler, lambda _: transformer, _nobody)
        return Rendered(found, skips, len(exact) / self.scale.layers, errors)

    @torch.no_grad()
    def clips(self, scenes: Scenes, rendered: Iterable[Rendered], approach: Approach) -> Iterator[Pixels]:
        """The frames of the scenes' takes, decoded as the approach's profile does."""
        for at, each in enumerate(rendered):
            setup = self._setup(*self.take(scenes, at, seed=at), approach)
            yield decode_video(each.latents, self._components.vae(setup, decodes=True))

    def _setup(self, take: Take, inputs: TakeInputs, approach: Approach) -> Setup:
        self._components.begin_take()
        asked = replace(take, sampling=approach.sampling)
        return self._model.setup(asked, self._components.fit_to(asked), inputs)


def as_pixels(video: torch.Tensor) -> Pixels:
    """Frames (3, frames, height, width) from -1 to 1 as (frames, height, width, 3)."""
    levels = (video.permute(1, 2, 3, 0) * 127.5 + 127.5).round().clamp(0, 255)
    found: Pixels = np.ascontiguousarray(levels.to(torch.uint8).numpy())
    return found


def _nobody(progress: Progress) -> None:
    """Listens to nothing."""
