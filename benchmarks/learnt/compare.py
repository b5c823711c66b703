"""Judges approximations on the small model: each way of computing its takes, by how near it comes to the model's own 30
guided steps, and to what the keyframes and the prompt say.

    python -m benchmarks.learnt.compare FOLDER --json compared.json        (one GPU; 6 minutes)
    python -m benchmarks.learnt.compare FOLDER --takes 2 --only steps      (--only: steps, windows, skipping, solvers)

`speed` is that of a 14B with the same predictions, as a multiple of stock diffusers' 30 guided steps. PSNR is that of
latents, over the range of the reference's. `ends` and `middle` are errors against the right pictures, as a share of
their variance; a blend of both keyframes has the error `blend`. `prompt` is the share of takes whose middle is nearest
to the right pictures of their own prompt.

Predicted before the first run: at equal speed fewer steps are 3 dB worse than a guidance window down to 60 % of the
steps, and first-block skipping lies between them; order 3 is no better than order 2; float8 alone costs as much as five
steps of thirty.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine.arguments import some_of
from benchmarks.engine.results import table, tell
from benchmarks.learnt.approaches import APPROACHES, REFERENCE, Approach
from benchmarks.learnt.moving_scenes import PROMPTS, Scenes, drawn, random_scenes
from benchmarks.learnt.opened_model import OpenedModel, Rendered
from benchmarks.learnt.patch_waves import analysed
from wan_render.backends.wan.profiles.first_block import SkipCount
from wan_render.quality.measuring import measure
from wan_render.quality.verdicts import QcVerdict, judge

Row = dict[str, Any]
UNSEEN = 1_000_003
"""The seed of scenes to judge on; trainings use small ones."""


@dataclass(frozen=True)
class Judged:
    """Scenes with the model's own takes of them."""

    model: OpenedModel
    scenes: Scenes
    references: tuple[Rendered, ...]

    def truth(self, at: int, prompt: int | None = None) -> torch.Tensor:
        """The right latents (1, 16, latent frames, height, width) of a scene, for its own prompt or another."""
        scene, scale = self.scenes.part(slice(at, at + 1)), self.model.scale
        told = scene if prompt is None else scene.told(prompt)
        times = torch.linspace(0, 1, scale.latent_frames)
        return analysed(drawn(told, times, scale.size.height, scale.size.width))

    def rendered(self, approach: Approach) -> Iterator[Rendered]:
        """The takes of all scenes."""
        for at in range(len(self.scenes)):
            yield self.model.latents(*self.model.take(self.scenes, at, seed=at), approach)


def judged(model: OpenedModel, takes: int) -> Judged:
    """New scenes, and the reference of each."""
    size = model.scale.size
    scenes = random_scenes(takes, size.width / size.height, torch.Generator().manual_seed(UNSEEN))
    empty = Judged(model, scenes, ())
    return Judged(model, scenes, tuple(empty.rendered(REFERENCE)))


def row(of: Judged, approach: Approach, takes: Sequence[Rendered]) -> Row:
    """How near the takes come to the reference, and to the right pictures."""
    errors = [_errors(of, at, take.latents.cpu()) for at, take in enumerate(takes)]
    skips = SkipCount(sum(take.skips.predictions for take in takes), sum(take.skips.skipped for take in takes))
    a_take = SkipCount(skips.predictions // len(takes), round(skips.skipped / len(takes)))
    return {
        "speed": approach.speed(a_take),
        "PSNR, dB": statistics.fmean(
            psnr(take.latents, wanted.latents) for take, wanted in zip(takes, of.references, strict=True)
        ),
        **{name: statistics.fmean(each[name] for each in errors) for name in errors[0]},
    }


def psnr(latents: torch.Tensor, wanted: torch.Tensor) -> float:
    """In dB, over the range of what is wanted; 99 if they are equal."""
    error = float((latents - wanted).square().mean())
    return 99.0 if error == 0 else 10 * math.log10(float(wanted.max() - wanted.min()) ** 2 / error)


def _errors(of: Judged, at: int, latents: torch.Tensor) -> dict[str, float]:
    truth = of.truth(at)
    quarter = max(truth.shape[2] // 4, 1)
    middle = slice(quarter, -quarter)
    ends = [0, truth.shape[2] - 1]
    share = torch.linspace(0, 1, truth.shape[2])[:, None, None]
    blend = truth[:, :, :1] * (1 - share) + truth[:, :, -1:] * share

    def error(found: torch.Tensor, wanted: torch.Tensor, frames: Any) -> float:
        return float((found - wanted)[:, :, frames].square().mean() / wanted[:, :, frames].var())

    by_prompt = [error(latents, of.truth(at, prompt), middle) for prompt in range(len(PROMPTS))]
    return {
        "ends": error(latents, truth, ends),
        "middle": error(latents, truth, middle),
        "blend": error(blend, truth, middle),
        "prompt": float(by_prompt.index(min(by_prompt)) == int(of.scenes.prompts[at])),
    }


def verdicts(of: Judged, approach: Approach, takes: Sequence[Rendered]) -> Row:
    """What quality control says of the decoded takes: how many fail and are flagged, and by which checks."""
    found = []
    for at, rendered in enumerate(takes):
        take, inputs = of.model.take(of.scenes, at, seed=at)
        frames = of.model.frames(take, inputs, approach, rendered.latents)
        found.append(judge(measure(iter(frames), inputs.first, inputs.last)))
    failing = sorted({name for each in found for name, check in each.checks.items() if check.verdict is QcVerdict.FAIL})
    return {
        "fail": f"{sum(each.verdict is QcVerdict.FAIL for each in found)} of {len(found)}",
        "flag": f"{sum(each.verdict is QcVerdict.FLAG for each in found)} of {len(found)}",
        "failing checks": ", ".join(failing) or "none",
    }


def main() -> None:
    programs = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programs.add_argument("folder", type=Path)
    programs.add_argument("--takes", type=int, default=12)
    programs.add_argument("--only", type=some_of(APPROACHES), default=tuple(APPROACHES), help="names with commas")
    programs.add_argument("--json", type=Path)
    asked = programs.parse_args()
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model = OpenedModel(asked.folder, device)
    of = judged(model, asked.takes)
    rows, checks = {str(REFERENCE): row(of, REFERENCE, of.references)}, {}
    checks[str(REFERENCE)] = verdicts(of, REFERENCE, of.references)
    for approach in (each for name in asked.only for each in APPROACHES[name]):
        if approach.profile != "exact" and not model.computes_profiles:
            print(f"{approach}: needs wan-render's own kernels, so a GPU", flush=True)
            continue
        takes = tuple(of.rendered(approach))
        rows[str(approach)] = row(of, approach, takes)
        if approach.steps in (REFERENCE.steps, 8):
            checks[str(approach)] = verdicts(of, approach, takes)
        print(approach, rows[str(approach)], flush=True)
    print(table(rows), table(checks), sep="\n\n")
    tell({"ways": rows, "quality control": checks}, asked.json)


if __name__ == "__main__":
    main()
