"""Judges approximations on the small model: each way of computing its takes, by how near it comes to the model's own 30
guided steps, and to what the keyframes and the prompt say.

    python -m benchmarks.learnt.compare FOLDER --json compared.json                      (one GPU; 7 minutes)
    python -m benchmarks.learnt.compare FOLDER --takes 2 --only steps,windows      (--only: names of APPROACHES)

`speed` is that of a 14B with the same predictions, as a multiple of stock diffusers' 30 guided steps. PSNR is that of
frames, each 8x8 pixels by their mean. `over fewer steps` is the mean difference to `fast` with fewer steps at the
same speed, take by take, with its standard error, and in how many takes it is nearer; `over UniPC` is the same against
the same steps with the usual solver. `to exact attention` is the PSNR against 30 steps of `fast` whose attention is
exact. `ends` and `middle` are errors against the nearest right clip, as a share of its variance, and `mist` is the
mist's mean square over that of right clips. `prompt` is the share of takes whose middle is nearest to the right clips
of their own prompt.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine.arguments import some_of
from benchmarks.engine.results import table, write
from benchmarks.learnt.approaches import APPROACHES, EXACT_ATTENTION, REFERENCE, USUAL_SOLVER, Approach
from benchmarks.learnt.chosen_layers import LayerErrors
from benchmarks.learnt.equal_speed import Curve, gain
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
    """Scenes, and the model's own takes of them as far as they were asked for."""

    model: OpenedModel
    scenes: Scenes
    right: RightClips
    _references: dict[Approach, tuple[Rendered, ...]] = field(default_factory=dict)

    def rendered(self, approach: Approach) -> Iterator[Rendered]:
        """The takes of all scenes."""
        for at in range(len(self.scenes)):
            yield self.model.latents(*self.model.take(self.scenes, at, seed=at), approach)

    def references(self, approach: Approach) -> tuple[Rendered, ...]:
        """What the takes in a way are compared with."""
        reference = approach.reference
        if reference not in self._references:
            self._references[reference] = tuple(self.rendered(reference))
        return self._references[reference]


@dataclass(frozen=True)
class Figures:
    """What one approach comes to. psnr: of each take. errors: of attention in float8, the largest of each layer."""

    speed: float
    psnr: tuple[float, ...]
    row: Row
    errors: LayerErrors


def judged(model: OpenedModel, takes: int) -> Judged:
    """New scenes."""
    size = model.scale.size
    scenes = random_scenes(takes, size.width / size.height, torch.Generator().manual_seed(UNSEEN))
    return Judged(model, scenes, RightClips(model.scale, model.device))


def figures(of: Judged, approach: Approach, takes: Sequence[Rendered]) -> Figures:
    """How near the takes come to the reference, and to the right pictures."""
    errors = [_errors(of, at, take.latents) for at, take in enumerate(takes)]
    skipped = round(statistics.fmean(take.skips.skipped for take in takes))
    exact = statistics.fmean(take.exact_layers for take in takes)
    speed = approach.speed(SkipCount(takes[0].skips.predictions, skipped), exact)
    found = psnrs(takes, of.references(approach))
    row = {"speed": speed, "PSNR, dB": statistics.fmean(found)}
    return Figures(
        speed,
        found,
        row | {"exact layers": exact} | {name: statistics.fmean(each[name] for each in errors) for name in errors[0]},
        {layer: max(take.errors.get(layer, 0.0) for take in takes) for layer in sorted(takes[0].errors)},
    )


def psnrs(takes: Iterable[Rendered], wanted: Iterable[Rendered]) -> tuple[float, ...]:
    """Of each take, against another of the same scene."""
    return tuple(psnr(take.latents, other.latents) for take, other in zip(takes, wanted, strict=True))


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


def compared(of: Judged, approaches: Iterable[Approach], until: float) -> Iterator[tuple[Approach, Figures]]:
    """The figures of as many approaches as are likely to end in time, each once and after its reference; says which are
    left out. until: what time.perf_counter() will be then."""
    longest, exact_attention = 0.0, None
    for approach in dict.fromkeys(each for asked in approaches for each in (asked.reference, asked)):
        begun = time.perf_counter()
        if approach.profile != "exact" and not of.model.computes_profiles:
            print(f"{approach}: needs wan-render's own kernels, so a GPU", flush=True)
        elif begun + longest > until:
            print(f"{approach}: no time left", flush=True)
        else:
            takes = of.references(approach) if approach == approach.reference else tuple(of.rendered(approach))
            found = figures(of, approach, takes)
            exact_attention = takes if approach == EXACT_ATTENTION else exact_attention
            if exact_attention is not None and _differs_in_attention_only(approach):
                found.row["to exact attention, dB"] = statistics.fmean(psnrs(takes, exact_attention))
            longest = max(longest, time.perf_counter() - begun)
            yield approach, found


def _differs_in_attention_only(approach: Approach) -> bool:
    unchanged = replace(approach, in_float8=EXACT_ATTENTION.in_float8, allowed=EXACT_ATTENTION.allowed)
    return unchanged == EXACT_ATTENTION != approach


def rows_of(found: Mapping[Approach, Figures]) -> dict[str, Row]:
    """The table, with what each approach gains over `fast` with fewer steps at its speed, and a solver over UniPC."""
    fewer = {each: figure for each, figure in found.items() if each.profile == "fast" and each.only_takes_fewer_steps}
    curves = {
        meant: Curve.of((figure.speed, figure.psnr) for each, figure in fewer.items() if each.meant == meant)
        for meant in {each.meant for each in found}
    }
    rows = {}
    for each, figure in found.items():
        curve = curves[each.meant]
        at_speed = None if curve is None or each in fewer else curve.at(figure.speed)
        usual = None if each.solver == USUAL_SOLVER else found.get(replace(each, solver=USUAL_SOLVER))
        rows[str(each)] = {
            **figure.row,
            "to exact attention, dB": figure.row.get("to exact attention, dB", ""),
            "over fewer steps, dB": gain(figure.psnr, at_speed),
            "over UniPC, dB": gain(figure.psnr, None if usual is None else usual.psnr),
        }
    return rows


def results(found: Mapping[Approach, Figures], checks: Mapping[str, Row]) -> dict[str, Any]:
    """All that there is so far, for a file."""
    return {
        "ways": rows_of(found),
        "quality control": checks,
        "PSNR of each take": {str(approach): figure.psnr for approach, figure in found.items()},
        "errors of attention in float8": {str(each): figure.errors for each, figure in found.items() if figure.errors},
    }


def main() -> None:
    begun = time.perf_counter()
    programs = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programs.add_argument("folder", type=Path)
    programs.add_argument("--takes", type=int, default=12)
    programs.add_argument("--seconds", type=float, default=420, help="for everything but quality control at the end")
    programs.add_argument("--only", type=some_of(APPROACHES), default=tuple(APPROACHES), help="names with commas")
    programs.add_argument("--unchecked", action="store_true", help="no quality control at the end")
    programs.add_argument("--json", type=Path)
    asked = programs.parse_args()
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    of = judged(OpenedModel(asked.folder, device), asked.takes)
    found: dict[Approach, Figures] = {}
    approaches = [each for name in asked.only for each in APPROACHES[name]]
    for approach, figure in compared(of, approaches, begun + asked.seconds):
        found[approach] = figure
        print(f"{time.perf_counter() - begun:.0f} s: {approach}", figure.row, figure.errors, flush=True)
        write(results(found, {}), asked.json)
    checks = {} if asked.unchecked else checks_of(of)
    print(table(rows_of(found)), *([table(checks)] if checks else []), sep="\n\n")
    write(results(found, checks), asked.json)


def checks_of(of: Judged) -> dict[str, Row]:
    """What quality control says of right clips, and of the reference's."""
    return {
        "the right pictures": checked(of.model, of.scenes, drawn_clips(of.model, of.scenes)),
        str(REFERENCE): checked(of.model, of.scenes, of.model.clips(of.scenes, of.references(REFERENCE), REFERENCE)),
    }


if __name__ == "__main__":
    main()
