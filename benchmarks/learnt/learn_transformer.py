"""Teaches the small transformer to fill in what is between two keyframes, by flow matching."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.learnt.learning import Effort, learn
from benchmarks.learnt.moving_scenes import NEGATIVE, PROMPTS, drawn, random_scenes
from benchmarks.learnt.nearness import Nearness, blend
from benchmarks.learnt.orthogonal_steps import OrthogonalSteps
from benchmarks.learnt.packed_frames import EDGE, STEP, of_ends, packed
from benchmarks.learnt.small_model import CLIP, Readers, Scale
from wan_render.backends.wan.pipeline.encode import encode_text, padded

RATE = 4e-3
"""In a training of 22 s on an H200, 5e-3 came further than 2e-3 in 45 s."""
OTHERS_RATE = 2e-3
"""For everything but the matrices of the blocks."""
WEIGHT_DECAY = 0.01
WITHOUT_PROMPT = 0.1
"""The share of scenes whose prompt is the negative one, so that guidance has something to lead away from."""
EMA = 0.999
LEARNT_SHIFT = 5.0
"""Of the noise levels to learn from. What is between the keyframes is settled at the highest levels, so they are learnt
more often than a take's shift of 3 would have it."""
LOOKED_AT = 64
"""Scenes that a look at the model judges, always the same ones."""


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
    """Draws batches on a device."""

    def __init__(self, scale: Scale, read: Readers, device: torch.device) -> None:
        self.scale, self.device = scale, device
        self._clip = read.image_encoder.to(device)
        self._mean, self._std = (
            torch.tensor(each, device=device)[:, None, None]
            for each in (read.image_processor.image_mean, read.image_processor.image_std)
        )
        with torch.no_grad():
            texts = [padded(encode_text(text, read.tokenizer, read.text_encoder)) for text in (*PROMPTS, NEGATIVE)]
        self._texts = torch.cat(texts).to(device)

    @torch.no_grad()
    def batch(self, count: int, generator: torch.Generator, untold: float = WITHOUT_PROMPT) -> Batch:
        """New scenes. untold: the share of them that has the negative prompt."""
        size = self.scale.size
        scenes = random_scenes(count, size.width / size.height, generator)
        times = torch.linspace(0, 1, self.scale.frames, device=self.device)
        means = drawn(scenes, times, size.height, size.width, EDGE)
        ends = drawn(scenes, times[[0, -1]], size.height, size.width).transpose(1, 2).flatten(0, 1)
        is_untold = torch.rand(count, generator=generator, device=self.device) < untold
        prompts = torch.where(is_untold, len(PROMPTS), scenes.prompts)
        return Batch(packed(means), condition_of(of_ends(means)), self._texts[prompts], self._seen(ends))

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


def condition_of(ends: torch.Tensor) -> torch.Tensor:
    """The mask of the known frames before the latents of `of_ends`, as the engine has them: (batch, 20, …)."""
    mask = torch.zeros_like(ends[:, :STEP])
    mask[:, :, 0], mask[:, -1:, -1] = 1, 1
    return torch.cat([mask, ends], dim=1)


def learn_transformer(
    transformer: Any, lessons: Lessons, effort: Effort, generator: torch.Generator
) -> tuple[Any, int]:
    """Teach it: its weights averaged over the last steps, and the number of steps."""
    device = lessons.device
    average = copy.deepcopy(transformer).eval().requires_grad_(requires_grad=False)
    weights, averaged = list(transformer.parameters()), list(average.parameters())
    if device.type == "cuda":
        for block in transformer.blocks:
            block.compile()
    looked_at = lessons.batch(LOOKED_AT, torch.Generator(device).manual_seed(0), untold=0)
    print(f"a blend: {Nearness.of(blend(looked_at.clips), looked_at.clips)}", flush=True)
    start = torch.randn(looked_at.clips.shape, generator=torch.Generator(device).manual_seed(1), device=device)

    def loss() -> torch.Tensor:
        batch = lessons.batch(lessons.scale.batch, generator)
        levels = shifted(torch.rand(len(batch.clips), generator=generator, device=device), LEARNT_SHIFT)
        noise = torch.randn(batch.clips.shape, generator=generator, device=device)
        level = levels[:, None, None, None, None]
        found = velocity(transformer, (1 - level) * batch.clips + level * noise, levels, batch)
        return torch.nn.functional.mse_loss(found, noise - batch.clips)

    @torch.no_grad()
    def follow(step: int) -> None:
        """The average begins with the tenth of the steps that it then covers."""
        torch._foreach_lerp_(averaged, weights, 1 - min(EMA, (step + 1) / (step + 10)))

    @torch.no_grad()
    def look() -> str:
        """How near its first guess is, in one step from noise."""
        guessed = start - velocity(average, start, torch.ones(LOOKED_AT, device=device), looked_at)
        return str(Nearness.of(guessed, looked_at.clips))

    return average, learn(effort, optimisers(transformer), loss, follow, look)


def velocity(transformer: Any, noised: torch.Tensor, levels: torch.Tensor, batch: Batch) -> torch.Tensor:
    """From clips to noise, as the transformer predicts it at noise levels (batch) from 0 to 1."""
    with torch.autocast(noised.device.type, torch.bfloat16, enabled=noised.is_cuda):
        found: torch.Tensor = transformer(
            hidden_states=torch.cat([noised, batch.condition], dim=1),
            timestep=1000 * levels,
            encoder_hidden_states=batch.text,
            encoder_hidden_states_image=batch.pictures,
            return_dict=False,
        )[0]
    return found.float()


def optimisers(transformer: Any) -> list[torch.optim.Optimizer]:
    """One for the matrices of the blocks, one for everything else."""
    inner = {
        name for name, weight in transformer.named_parameters() if name.startswith("blocks.") and weight.dim() == 2
    }
    matrices, others = (
        [weight for name, weight in transformer.named_parameters() if (name in inner) is wanted]
        for wanted in (True, False)
    )
    return [
        OrthogonalSteps(matrices, RATE, WEIGHT_DECAY),
        torch.optim.AdamW(others, OTHERS_RATE, betas=(0.9, 0.98), weight_decay=0.0, fused=others[0].is_cuda),
    ]


def shifted(levels: torch.Tensor, shift: float) -> torch.Tensor:
    """Noise levels from 0 to 1 after a shift towards noise, as Wan's schedulers have it."""
    return shift * levels / (1 + (shift - 1) * levels)
