"""Whole shots at full size with random weights, by profile: seconds of every stage of a shot in steady state, and how
far each profile comes from `exact` with the same seed.

    python -m benchmarks.engine.shots --json shots.json              (about 110 GB of GPU memory)
    python -m benchmarks.engine.shots --tiny                         (on a CPU, exact only, to try the program itself)

The first shot of a profile loads and compiles; the second has other keyframes and another prompt, as the next shot of a
night has; the third is a second take of it. Random weights make noise of any seed, so how far a profile is from `exact`
says how rounding spreads, not how a picture looks.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from benchmarks.engine.arguments import parser
from benchmarks.engine.difference import psnr, ssim
from benchmarks.engine.forms import form_of
from benchmarks.engine.models import MadeModel, make, weights_of
from benchmarks.engine.results import tell
from benchmarks.engine.steps import attempt, release
from benchmarks.engine.takes import plates_of, raster_of, take_of
from wan_render.backends.wan.models.official import FLF2V_14B
from wan_render.backends.wan.opening import hold_memory_in_growing_segments
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.render_values import Phase, Pixels, Progress, TakeInputs
from wan_render.take import Sampling, Size, Take

Found = dict[str, Any]
STEPS = {"exact": 4, "fast": 4, "balanced": 12, "draft": 4}
"""Of a shot here; a cache needs neighbouring steps to show anything."""


@dataclass(frozen=True)
class Reloaded(MadeModel):
    """Gives every asker weights of its own, as a folder does: a profile may use them up."""

    def module(self, component: str) -> torch.nn.Module:
        return copy.deepcopy(self.modules[component])


@dataclass
class Phases:
    """Seconds in each phase of a take, by the clock on the wall, with the device's work done."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)
    _phase: Phase = Phase.LOADING
    _since: float = 0.0

    def start(self) -> None:
        self.seconds, self._phase, self._since = {}, Phase.ENCODING, self._now()

    def listen(self, progress: Progress) -> None:
        if progress.phase is not self._phase:
            self.close()
            self._phase = progress.phase

    def close(self) -> None:
        now = self._now()
        self.seconds[self._phase.value] = self.seconds.get(self._phase.value, 0.0) + now - self._since
        self._since = now

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def takes_of(profile: str, size: Size, frames: int, steps: int) -> Iterator[tuple[str, Take, TakeInputs]]:
    """The shots of a night."""
    first = take_of(FLF2V_14B, size, frames, steps)
    first = replace(first, sampling=sampling_of(profile, first.sampling))
    other = replace(first, prompt="水下的古代遗迹，一只鹿站在路边。")
    yield "first shot, with loading", first, plates_of(first)
    yield "another shot", other, plates_of(other, 3)
    yield "a second take", replace(other, seed=2), plates_of(other, 3)


def sampling_of(profile: str, own: Sampling) -> Sampling:
    """The model's own sampling at a profile; a draft's as its distilled LoRAs want it."""
    if profile == "draft":
        return Sampling(own.steps, (1.0,), 5.0, profile)
    return replace(own, profile=profile)


def measured(model: MadeModel, device: torch.device, profiles: tuple[str, ...], size: Size, frames: int) -> Found:
    found: Found = {}
    shown: dict[str, Pixels] = {}
    for profile in profiles:
        with attempt(found, profile):
            renderer = WanRenderer(FLF2V_14B.card(), model, device, {})
            found[profile] = {}
            phases = Phases(device)
            for name, take, plates in takes_of(profile, size, frames, STEPS[profile]):
                phases.start()
                shown[profile] = renderer.render(take, plates, phases.listen).pixels
                phases.close()
                total = sum(phases.seconds.values())
                steps = phases.seconds.get(Phase.STEP.value, 0.0)
                found[profile][name] = {
                    "s": total,
                    "share outside denoising": 1 - steps / total,
                    "phases, s": dict(phases.seconds),
                }
                print(profile, name, found[profile][name], flush=True)
            found[profile]["facts"] = dict(renderer.facts())
            if profile in ("exact", "fast"):
                found[profile]["against exact"] = against(shown[profile], shown["exact"])
            renderer.close()
        release()
    return found


def against(found: Pixels, exact: Pixels) -> Found:
    """Of the last take, with the same seed and number of steps."""
    return {"PSNR, dB": psnr(found, exact), "SSIM": ssim(found, exact)}


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--profiles", default="exact,fast,draft")
    asked = programs.parse_args()
    hold_memory_in_growing_segments()  # as a device process does
    device = torch.device("cpu" if asked.tiny else "cuda:0")
    made = make(form_of(FLF2V_14B, is_tiny=asked.tiny), device, weights_of(is_tiny=asked.tiny))
    model = Reloaded(made.checkpoint, made.modules, made.parts)
    size, frames = raster_of(FLF2V_14B, is_tiny=asked.tiny)
    profiles = ("exact",) if asked.tiny else tuple(asked.profiles.split(","))
    tell(measured(model, device, profiles, size, frames), asked.json)


if __name__ == "__main__":
    main()
