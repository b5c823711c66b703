"""One shot of a model at full size: our renderer and the stock pipeline in one process, on the same weights.

    python -m benchmarks.engine.one_shot --steps 4 --json result.json    (FLF2V-14B; about 60 GB of GPU memory)
    python -m benchmarks.engine.one_shot --models all --profiles exact,fast --steps 2 --json all.json     (100 GB)
    python -m benchmarks.engine.one_shot --models all --tiny             (on a CPU, to try the program itself)

Says whether latents and frames are equal bit for bit with WAN_RENDER_KERNELS=stock, and the seconds of every stage of
both; then, of each profile named, with our own kernels, the seconds of a step and how far the frames are from the stock
pipeline's. What is timed of ours is the second render of its renderer, so it has its words encoded; the stock pipeline
runs after it, on a device as warm. A model of two experts needs steps enough for both: three in T2V-A14B.

Predicted before the first run of all models: bits equal for every model and kind; `exact` between 1.25 and 1.35 times
as fast as stock for the 14B, 1.2 for the 5B and 1.15 for the 1.3B, whose norms and copies weigh more in stock but whose
products are small; `fast` 1.9, 1.6 and 1.4.

Predicted of VACE, not measured yet: bits equal; a step of the 14B takes 1.2 times stock T2V-14B's, 4.0 s on an H200,
and as long with kernels=auto, which leaves it to diffusers; 42 GB beside the encoders' weights.
"""

from __future__ import annotations

import copy
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from benchmarks.engine.arguments import parser
from benchmarks.engine.difference import psnr
from benchmarks.engine.forms import form_of
from benchmarks.engine.models import MadeModel, make, weights_of
from benchmarks.engine.results import tell, write
from benchmarks.engine.steps import attempt, release
from benchmarks.engine.takes import plates_of, raster_of, take_of
from wan_render.backends.wan.models.official import ALL, BY_NAME, FLF2V_14B, Official
from wan_render.backends.wan.opening import hold_memory_in_growing_segments
from wan_render.backends.wan.pipeline.conditions import GREY
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.render_values import Phase, Pixels, Progress, TakeInputs
from wan_render.take import Take

Found = dict[str, Any]
KERNELS = "WAN_RENDER_KERNELS"


@dataclass
class Clock:
    """When things happened, in seconds, with the device's work done."""

    device: torch.device
    started: float = 0.0
    marks: list[tuple[str, float]] = field(default_factory=list)

    def start(self) -> None:
        self.marks.clear()
        self.started = self._now()

    def mark(self, name: str) -> None:
        self.marks.append((name, self._now() - self.started))

    def listen(self, progress: Progress) -> None:
        if progress.phase is Phase.STEP and progress.done:
            self.mark(progress.phase.value)

    def seconds(self) -> dict[str, float]:
        """Before the first step, a step (the median), and after the last."""
        steps = [at for name, at in self.marks if name == Phase.STEP.value]
        step = statistics.median(after - before for before, after in pairwise(steps))
        return {"before": steps[0] - step, "step": step, "after": self.marks[-1][1] - steps[-1]}

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


@dataclass(frozen=True)
class OwnVae(MadeModel):
    """A profile's decoder changes the VAE; the transformers are lent, and used up by profiles in float8."""

    def module(self, component: str) -> torch.nn.Module:
        module = self.modules[component]
        return copy.deepcopy(module) if component == "vae" else module


@dataclass(frozen=True)
class Subject:
    """A model that was made, and what is rendered with it."""

    official: Official
    model: MadeModel
    take: Take
    plates: TakeInputs
    clock: Clock

    def renderer(self, model: MadeModel) -> WanRenderer:
        return WanRenderer(self.official.card(), model, self.clock.device, {})

    def timed(self, renderer: WanRenderer, take: Take) -> Pixels:
        self.clock.start()
        pixels = renderer.render(take, self.plates, self.clock.listen).pixels
        self.clock.mark("end")
        return pixels


def ours(subject: Subject) -> tuple[torch.Tensor, Pixels]:
    """The latents of a first render, and the frames of a second, which is timed."""
    with kernels("stock"):
        renderer = subject.renderer(subject.model)
        with torch.no_grad():
            latents = renderer.latents(subject.take, subject.plates)
        return latents, subject.timed(renderer, subject.take)


def stock(subject: Subject) -> tuple[torch.Tensor, Pixels]:
    """diffusers' own pipeline over the same modules."""
    take, clock, kept = subject.take, subject.clock, list[torch.Tensor]()
    pipe = pipeline(subject.model, take)
    asked: Found = {
        "prompt": take.prompt,
        "negative_prompt": take.negative,
        "height": take.size.height,
        "width": take.size.width,
        "num_frames": take.frames,
        "num_inference_steps": take.sampling.steps,
        "guidance_scale": take.sampling.guidance[0],
        **({"guidance_scale_2": take.sampling.guidance[1]} if len(take.sampling.guidance) > 1 else {}),
        **pictures(subject.plates),
        **video(take, subject.plates),
    }

    def stepped(_: Any, __: int, ___: Any, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        clock.mark(Phase.STEP.value)
        kept.append(values["latents"])
        return values

    clock.start()
    generator = torch.Generator("cpu").manual_seed(take.seed)
    found = pipe(**asked, generator=generator, callback_on_step_end=stepped, output_type="np").frames[0]
    pixels = np.rint(255 * found).astype(np.uint8)
    clock.mark("end")
    return kept[-1], pixels


def pipeline(model: MadeModel, take: Take) -> Any:
    """The class that diffusers has for a take of this kind; of the 5B, which does both, not the index's own."""
    name = "WanPipeline" if take.first is None else "WanImageToVideoPipeline"
    if take.bridge is not None:
        name = "WanVACEPipeline"
    index = model.checkpoint.index
    pipe = getattr(import_module("diffusers"), name)(
        scheduler=model.scheduler(take.sampling.shift),
        boundary_ratio=index.boundary_ratio,
        **({} if take.bridge is not None else {"expand_timesteps": index.expand_timesteps}),
        **model.parts,
        **model.modules,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def pictures(plates: TakeInputs) -> Found:
    """A pipeline's arguments for the keyframes that there are."""
    given = {"image": plates.first, "last_image": plates.last}
    return {name: import_module("PIL.Image").fromarray(plate) for name, plate in given.items() if plate is not None}


def video(take: Take, plates: TakeInputs) -> Found:
    """A pipeline's arguments for a bridge: a video that is grey where its mask is white."""
    if plates.before is None or plates.after is None:
        return {}
    shown = np.full((take.frames, take.size.height, take.size.width, 3), GREY, np.uint8)
    mask = np.full(shown.shape[:3], 255, np.uint8)
    for part, frames in ((slice(len(plates.before)), plates.before), (slice(-len(plates.after), None), plates.after)):
        shown[part], mask[part] = frames, 0
    as_picture = import_module("PIL.Image").fromarray
    return {"video": list(map(as_picture, shown)), "mask": list(map(as_picture, mask))}


@contextmanager
def kernels(which: str) -> Iterator[None]:
    """Within it renderers are opened with these."""
    before = os.environ.get(KERNELS)
    os.environ[KERNELS] = which
    try:
        yield
    finally:
        if before is None:
            del os.environ[KERNELS]
        else:
            os.environ[KERNELS] = before


def compare(subject: Subject, profiles: Sequence[str]) -> Found:
    latents, our_pixels = ours(subject)
    our_latents = without_keyframe(latents, subject)
    our_seconds = subject.clock.seconds()
    release()
    latents, their_pixels = stock(subject)
    their_latents = without_keyframe(latents, subject)
    their_seconds = subject.clock.seconds()
    found: Found = {
        "size": str(subject.take.size),
        "frames": subject.take.frames,
        "steps": subject.take.sampling.steps,
        "latents are finite": bool(torch.isfinite(our_latents).all()),
        "latents are equal": torch.equal(our_latents, their_latents),
        "latents differ by": float((our_latents - their_latents).abs().max()),
        "frames are equal": bool(np.array_equal(our_pixels, their_pixels)),
        "our seconds": our_seconds,
        "stock seconds": their_seconds,
    }
    for profile in profiles:
        release()
        with attempt(found, profile):
            found[profile] = with_profile(subject, profile, their_pixels, their_seconds["step"])
            print(subject.official.name, profile, found[profile], flush=True)
    return found


def without_keyframe(latents: torch.Tensor, subject: Subject) -> torch.Tensor:
    """Where a pipeline puts the first keyframe's latents back after its last callback (the 5B's), those of the other
    frames; the pictures show whether the first one is right."""
    is_put_back = subject.model.checkpoint.index.expand_timesteps and subject.take.first is not None
    return latents[:, :, 1:] if is_put_back else latents


def with_profile(subject: Subject, profile: str, wanted: Pixels, stock_step: float) -> Found:
    """The second render of a renderer with our own kernels."""
    take = replace(subject.take, sampling=replace(subject.take.sampling, profile=profile))
    model = OwnVae(subject.model.checkpoint, subject.model.modules, subject.model.parts)
    with kernels("auto"):
        renderer = subject.renderer(model)
        subject.timed(renderer, take)
        pixels = subject.timed(renderer, take)
    seconds, facts = subject.clock.seconds(), renderer.facts()
    return {
        "seconds": seconds,
        "a step, times as fast as stock": stock_step / seconds["step"],
        "PSNR of frames against stock, dB": psnr(pixels, wanted),
        **{name: facts[name] for name in ("transformer", "attention", "encoder", "decoder") if name in facts},
    }


def measured(official: Official, steps: int, profiles: Sequence[str], *, is_tiny: bool) -> Found:
    """Each kind of shot that a model renders; the profiles, of the last of them, since they may use its weights up."""
    device = torch.device("cpu" if is_tiny else "cuda:0")
    if not is_tiny:
        torch.cuda.reset_peak_memory_stats(device)
    model = make(form_of(official, is_tiny=is_tiny), device, weights_of(is_tiny=is_tiny))
    size, frames = raster_of(official, is_tiny=is_tiny)
    found: Found = {}
    for kind in official.kinds:
        take = take_of(official, size, frames, steps, kind)
        subject = Subject(official, model, take, plates_of(take), Clock(device))
        found[kind.value] = compare(subject, profiles if kind is official.kinds[-1] else ())
        print(official.name, kind.value, found[kind.value], flush=True)
    found["peak GB"] = None if is_tiny else torch.cuda.max_memory_allocated(device) / 1e9
    return found


def machine() -> Found:
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "diffusers": import_module("diffusers").__version__,
    }


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--models", default=FLF2V_14B.name, help="names with commas, or all")
    programs.add_argument("--profiles", default="", help="with our own kernels: exact, fast, with a comma")
    programs.add_argument("--steps", type=int, default=4, help="at least 2")
    asked = programs.parse_args()
    hold_memory_in_growing_segments()  # as a device process does
    models = ALL if asked.models == "all" else tuple(BY_NAME[name] for name in asked.models.split(","))
    profiles = tuple(filter(None, asked.profiles.split(",")))
    results: Found = machine()
    for official in models:
        with attempt(results, official.name):
            results[official.name] = measured(official, asked.steps, profiles, is_tiny=asked.tiny)
        release()
        write(results, asked.json)
    tell(results, asked.json)


if __name__ == "__main__":
    main()
