"""Teaches the small transformer to fill in what is between two keyframes, by flow matching."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.learnt.learning import Effort, learn
from benchmarks.learnt.moving_scenes import NEGATIVE, PROMPTS, Scenes, drawn, random_scenes
from benchmarks.learnt.patch_waves import STEP, analysed
from benchmarks.learnt.small_model import CLIP, SHIFT, Readers, Scale
from wan_render.backends.wan.pipeline.encode import encode_text, padded

RATE = 8e-4
BATCH = 24
WITHOUT_PROMPT = 0.1
"""The share of scenes whose prompt is the negative one, so that guidance has something to lead away from."""
EMA = 0.999


@dataclass(frozen=True)
class Batch:
    """What one step learns from.

    clips:     latents (batch, 16, latent frames, height, width). condition: (batch, 20, …), mask and keyframes.
    text:      (batch, 512, features). pictures: (2 · batch, tokens, features) of CLIP, first and last by turns.
    """

    clips: torch.Tensor
    condition: torch.Tensor
    text: torch.Tensor
    pictures: torch.Tensor


class Lessons:
    """Draws batches on a generator's device."""

    def __init__(self, scale: Scale, read: Readers, generator: torch.Generator) -> None:
        self._scale, self._generator = scale, generator
        self._device = generator.device
        self._clip = read.image_encoder.to(self._device)
        self._mean, self._std = (
            torch.tensor(each, device=self._device)[:, None, None]
            for each in (read.image_processor.image_mean, read.image_processor.image_std)
        )
        with torch.no_grad():
            texts = [padded(encode_text(text, read.tokenizer, read.text_encoder)) for text in (*PROMPTS, NEGATIVE)]
        self._texts = torch.cat(texts).to(self._device)

    @torch.no_grad()
    def batch(self, count: int = BATCH) -> Batch:
        """New scenes."""
        width, height = self._scale.size.width, self._scale.size.height
        scenes = random_scenes(count, width / height, self._generator)
        times = torch.linspace(0, 1, self._scale.latent_frames, device=self._device)
        video = drawn(scenes, times, height, width)
        clips = analysed(video)
        ends = torch.stack([video[:, :, 0], video[:, :, -1]], dim=1).flatten(0, 1)
        return Batch(clips, condition_of(clips), self._texts[self._told(scenes)], self._seen(ends))

    def _told(self, scenes: Scenes) -> torch.Tensor:
        untold = torch.rand(len(scenes), generator=self._generator, device=self._device) < WITHOUT_PROMPT
        return torch.where(untold, len(PROMPTS), scenes.prompts)

    def _seen(self, pictures: torch.Tensor) -> torch.Tensor:
        """CLIP's view of pictures (count, 3, height, width) from -1 to 1, cropped to the middle."""
        edge = CLIP["image_size"]
        height, width = pictures.shape[2:]
        small = torch.nn.functional.interpolate(
            pictures / 2 + 0.5, (edge, edge * width // height), mode="bicubic", antialias=True
        )
        left = (small.shape[3] - edge) // 2
        prepared = (small[..., left : left + edge].clamp(0, 1) - self._mean) / self._std
        found: torch.Tensor = self._clip(prepared, output_hidden_states=True).hidden_states[-2]
        return found


def condition_of(clips: torch.Tensor) -> torch.Tensor:
    """The mask of the known frames and their latents, as `pipeline.conditions.channels` has them: (batch, 20, …)."""
    grey = analysed(torch.zeros(1, 3, 1, 8, 8, device=clips.device))
    seen = grey.expand_as(clips).clone()
    mask = torch.zeros_like(clips[:, :STEP])
    for end in (0, -1):
        seen[:, :, end] = clips[:, :, end]
    mask[:, :, 0], mask[:, -1:, -1] = 1, 1
    return torch.cat([mask, seen], dim=1)


def learn_transformer(
    transformer: Any, lessons: Lessons, effort: Effort, generator: torch.Generator
) -> tuple[Any, int]:
    """Teach it: its weights averaged over the last steps, and the number of steps."""
    device = generator.device
    average = copy.deepcopy(transformer).eval().requires_grad_(requires_grad=False)
    weights, averaged = list(transformer.parameters()), list(average.parameters())
    if device.type == "cuda":
        transformer.compile()

    def loss() -> torch.Tensor:
        batch = lessons.batch()
        levels = shifted(torch.rand(len(batch.clips), generator=generator, device=device))
        noise = torch.randn(batch.clips.shape, generator=generator, device=device)
        level = levels[:, None, None, None, None]
        noised = (1 - level) * batch.clips + level * noise
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            velocity = transformer(
                hidden_states=torch.cat([noised, batch.condition], dim=1),
                timestep=1000 * levels,
                encoder_hidden_states=batch.text,
                encoder_hidden_states_image=batch.pictures,
                return_dict=False,
            )[0]
        return torch.nn.functional.mse_loss(velocity.float(), noise - batch.clips)

    @torch.no_grad()
    def follow(step: int) -> None:
        """The average begins with the tenth of the steps that it then covers."""
        torch._foreach_lerp_(averaged, weights, 1 - min(EMA, (step + 1) / (step + 10)))

    count = learn("transformer", effort, weights, RATE, loss, follow)
    return average, count


def shifted(levels: torch.Tensor) -> torch.Tensor:
    """Noise levels from 0 to 1 after the shift that takes are sampled with."""
    return SHIFT * levels / (1 + (SHIFT - 1) * levels)
