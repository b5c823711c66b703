"""One FLF2V-14B shot at full size: our renderer and the stock pipeline in one process, on the same weights.

    python -m benchmarks.engine.one_shot --steps 4 --json result.json        (about 45 GB of GPU memory)
    python -m benchmarks.engine.one_shot --tiny                              (on a CPU, to try the program itself)

Says whether latents and frames are equal bit for bit, and the seconds of every stage of both. Our render is the second
of its renderer, so it has its words encoded; the stock pipeline runs after it, on a device as warm.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import dataclass, field
from fractions import Fraction
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engine.models import FULL, TINY, MadeModel, make
from benchmarks.engine.results import tell
from wan_render.backends.wan.official import FLF2V_14B
from wan_render.backends.wan.opening import hold_memory_in_growing_segments
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.render import Phase, Pixels, Plates, Progress
from wan_render.take import Plate, Sampling, Size, Take


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


def picture(size: Size, seed: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    rows, columns = np.arange(size.height) * 6 // size.height, np.arange(size.width) * 8 // size.width
    return np.ascontiguousarray(coarse[rows][:, columns])


def take_of(size: Size, frames: int, steps: int) -> Take:
    plate = Plate("0" * 64, size)
    defaults = FLF2V_14B.card().kinds[FLF2V_14B.kinds[0]]
    sampling = Sampling(steps, defaults.sampling.guidance, defaults.sampling.shift)
    prompt = "从天上俯瞰河流，镜头瞬间下潜到水下的古代遗迹。"
    return Take("wan/1", "random", plate, plate, prompt, defaults.negative, frames, size, Fraction(16), 1, sampling)


def ours(model: MadeModel, take: Take, plates: Plates, clock: Clock) -> tuple[torch.Tensor, Pixels]:
    """The latents of a first render, and the frames of a second, which is timed."""
    renderer = WanRenderer(FLF2V_14B.card(), model, clock.device, {})
    with torch.no_grad():
        latents = renderer.latents(take, plates)
    clock.start()
    pixels = renderer.render(take, plates, clock.listen).pixels
    clock.mark("end")
    return latents, pixels


def stock(model: MadeModel, take: Take, plates: Plates, clock: Clock) -> tuple[torch.Tensor, Pixels]:
    """diffusers' own pipeline over the same modules."""
    image = import_module("PIL.Image")
    scheduler = model.scheduler(take.sampling.shift)
    pipe = import_module("diffusers").WanImageToVideoPipeline(scheduler=scheduler, **model.parts, **model.modules)
    pipe.set_progress_bar_config(disable=True)
    asked: dict[str, Any] = {
        "image": image.fromarray(plates.first),
        "last_image": image.fromarray(plates.last),
        "prompt": take.prompt,
        "negative_prompt": take.negative,
        "height": take.size.height,
        "width": take.size.width,
        "num_frames": take.frames,
        "num_inference_steps": take.sampling.steps,
        "guidance_scale": take.sampling.guidance[0],
    }
    kept: list[torch.Tensor] = []

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


def compare(size: Size, frames: int, steps: int, *, is_tiny: bool) -> dict[str, Any]:
    device = torch.device("cpu" if is_tiny else "cuda:0")
    model = make(TINY if is_tiny else FULL, device, torch.float32 if is_tiny else torch.bfloat16)
    clock, take = Clock(device), take_of(size, frames, steps)
    plates = Plates(picture(size, 1), picture(size, 2))
    our_latents, our_pixels = ours(model, take, plates, clock)
    our_seconds = clock.seconds()
    their_latents, their_pixels = stock(model, take, plates, clock)
    return {
        "device": "cpu" if is_tiny else torch.cuda.get_device_name(device),
        "torch": torch.__version__,
        "diffusers": import_module("diffusers").__version__,
        "size": str(size),
        "frames": frames,
        "steps": steps,
        "latents are finite": bool(torch.isfinite(our_latents).all()),
        "latents are equal": torch.equal(our_latents, their_latents),
        "latents differ by": float((our_latents - their_latents).abs().max()),
        "frames are equal": bool(np.array_equal(our_pixels, their_pixels)),
        "our seconds": our_seconds,
        "stock seconds": clock.seconds(),
        "peak GB": None if is_tiny else torch.cuda.max_memory_allocated(device) / 1e9,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="at least 2")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    hold_memory_in_growing_segments()  # as a device process does
    os.environ["WAN_RENDER_KERNELS"] = "stock"  # what is compared, and what leaves the modules as they are
    size, frames = (Size(64, 48), 9) if asked.tiny else (Size(832, 480), 81)
    tell(compare(size, frames, asked.steps, is_tiny=asked.tiny), asked.json)


if __name__ == "__main__":
    main()
