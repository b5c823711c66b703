"""Judges approximations on the small model: each way of computing its takes, by how near it comes to the model's own 30
guided steps, and to what the keyframes and the prompt say.

    python -m benchmarks.learnt.compare FOLDER --json compared.json        (one GPU; 7 minutes)
    python -m benchmarks.learnt.compare FOLDER --takes 2 --only steps      (--only: names of APPROACHES)

`speed` is that of a 14B with the same predictions, as a multiple of stock diffusers' 30 guided steps. PSNR is that of
frames, each 8x8 pixels by their mean. `over fewer steps` is the mean difference to `fast` with fewer steps at the
same speed, take by take, with its standard error. `ends` and `middle` are errors against the nearest right clip, as a
share of its variance, and `mist` is the mist's mean square over that of right clips. `prompt` is the share of takes
whose middle is nearest to the right clips of their own prompt.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine.arguments import some_of
from benchmarks.engine.results import table, write
from benchmarks.learnt.approaches import APPROACHES, REFERENCE, Approach
from benchmarks.learnt.equal_speed import Curve, with_error
from benchmarks.learnt.moving_scenes import PROMPTS, Scenes, random_scenes
from benchmarks.learnt.opened_model import OpenedModel, Rendered
from benchmarks.learnt.packed_frames import unpacked
from benchmarks.learnt.quality import checked, drawn_clips
from benchmarks.learnt.right_clips import RightClips
from wan_render.backends.wan.profiles.first_block import SkipCount

Row = dict[str, Any]
UNSEEN = 1_000_003
"""The seed of scenes to judge on; trainings use small ones."""


@dataclass(frozen=True)
class Judged:
    """Scenes with the model's own takes of them."""

    model: OpenedModel
    scenes: Scenes
    references: tuple[Rendered, ...]
    right: RightClips

    def rendered(self, approach: Approach) -> Iterator[Rendered]:
        """The takes of all scenes."""
        for at in range(len(self.scenes)):
            yield self.model.latents(*self.model.take(self.scenes, at, seed=at), approach)


@dataclass(frozen=True)
class Figures:
    """What one approach comes to. psnr: of each take."""

    speed: float
    psnr: tuple[float, ...]
    row: Row


def judged(model: OpenedModel, takes: int) -> Judged:
    """New scenes, and the reference of each."""
    size = model.scale.size
    scenes = random_scenes(takes, size.width / size.height, torch.Generator().manual_seed(UNSEEN))
    empty = Judged(model, scenes, (), RightClips(model.scale, model.device))
    return replace(empty, references=tuple(empty.rendered(REFERENCE)))


def figures(of: Judged, approach: Approach, takes: Sequence[Rendered]) -> Figures:
    """How near the takes come to the reference, and to the right pictures."""
    errors = [_errors(of, at, take.latents) for at, take in enumerate(takes)]
    skipped = round(statistics.fmean(take.skips.skipped for take in takes))
    exact = statistics.fmean(take.exact_layers for take in takes)
    speed = approach.speed(SkipCount(takes[0].skips.predictions, skipped), exact)
    found = tuple(psnr(take.latents, wanted.latents) for take, wanted in zip(takes, of.references, strict=True))
    row = {"speed": speed, "PSNR, dB": statistics.fmean(found)}
    return Figures(
        speed,
        found,
        row | {"exact layers": exact} | {name: statistics.fmean(each[name] for each in errors) for name in errors[0]},
    )


def psnr(latents: torch.Tensor, wanted: torch.Tensor) -> float:
    """Of the frames that they show, in dB; 99 if they are equal."""
    one, other = (unpacked(each.float()).clamp(-1, 1) for each in (latents, wanted))
    error = float((one - other).square().mean())
    return 99.0 if error == 0 else 10 * math.log10(4 / error)


def _errors(of: Judged, at: int, latents: torch.Tensor) -> dict[str, float]:
    scene = of.scenes.part([at])
    nearest = of.right.nearest(latents, scene)
    by_prompt = [of.right.nearest(latents, scene.told(each)).nearness.middle for each in range(len(PROMPTS))]
    return {
        "ends": nearest.nearness.ends,
        "middle": nearest.nearness.middle,
        "mist": nearest.mist,
        "prompt": float(by_prompt.index(min(by_prompt)) == int(scene.prompts[0])),
    }


def compared(of: Judged, approaches: Sequence[Approach], seconds: float) -> Mapping[Approach, Figures]:
    """The figures of as many approaches as fit the time; says which do not."""
    begun, found = time.perf_counter(), {REFERENCE: figures(of, REFERENCE, of.references)}
    print(REFERENCE, found[REFERENCE].row, flush=True)
    for approach in approaches:
        if approach.profile != "exact" and not of.model.computes_profiles:
            print(f"{approach}: needs wan-render's own kernels, so a GPU", flush=True)
        elif time.perf_counter() - begun > seconds:
            print(f"{approach}: no time left", flush=True)
        else:
            found[approach] = figures(of, approach, tuple(of.rendered(approach)))
            print(approach, found[approach].row, flush=True)
    return found


def rows_of(found: Mapping[Approach, Figures]) -> dict[str, Row]:
    """The table, with what each approach gains over fewer steps at its speed, in the same profile and in `fast`."""
    fewer = {each: figure for each, figure in found.items() if each == Approach(each.steps, each.profile)}
    curve = Curve.of((figure.speed, figure.psnr) for each, figure in fewer.items() if each.profile == "fast")
    rows = {}
    for each, figure in found.items():
        at_speed = curve.at(figure.speed) if curve is not None and each not in fewer else None
        gained = "" if at_speed is None else with_error(figure.psnr, at_speed)
        rows[str(each)] = {**figure.row, "over fewer steps, dB": gained}
    return rows


def main() -> None:
    programs = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programs.add_argument("folder", type=Path)
    programs.add_argument("--takes", type=int, default=12)
    programs.add_argument("--seconds", type=float, default=420, help="for the comparison, without what comes before it")
    programs.add_argument("--only", type=some_of(APPROACHES), default=tuple(APPROACHES), help="names with commas")
    programs.add_argument("--json", type=Path)
    asked = programs.parse_args()
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    of = judged(OpenedModel(asked.folder, device), asked.takes)
    checks = {
        "the right pictures": checked(of.model, of.scenes, drawn_clips(of.model, of.scenes)),
        str(REFERENCE): checked(of.model, of.scenes, of.model.clips(of.scenes, of.references, REFERENCE)),
    }
    print(checks, flush=True)
    found = compared(of, [each for name in asked.only for each in APPROACHES[name]], asked.seconds)
    print(table(rows_of(found)), table(checks), sep="\n\n")
    each_take = {str(approach): figure.psnr for approach, figure in found.items()}
    write({"ways": rows_of(found), "quality control": checks, "PSNR of each take": each_take}, asked.json)


if __name__ == "__main__":
    main()
