"""Small cards, emulated: a model at full size with random weights in host memory, the allocator capped at their size.

    python -m benchmarks.engine.memory --model wan2.1-flf2v-14b --card 24 --json 24.json   (100 GB of host memory)
    python -m benchmarks.engine.memory --model wan2.1-flf2v-14b --card 12
    python -m benchmarks.engine.memory --model wan2.1-t2v-1.3b --card 8.19
    python -m benchmarks.engine.memory --tiny                                 (on a CPU, to try the program)

Says which memory fit was chosen, the most that was allocated in each phase, the seconds of a step, and by how much the
frames differ from those of the same take with the same fit on the whole card; then those of the take with the model
resident, where wan-render's own forward may be used, and, with `--tiles`, with tiles.
The cap holds for what torch allocates. What a process has on a GPU besides (0.9 GB) comes on top, so a card of 24 GB is
emulated by 23.1; the emulated card has the true one's speed, and its connection to host memory.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.engine.arguments import parser
from benchmarks.engine.difference import largest, psnr
from benchmarks.engine.forms import form_of
from benchmarks.engine.models import MadeModel, make, weights_of
from benchmarks.engine.results import tell
from benchmarks.engine.steps import release
from benchmarks.engine.takes import plates_of, raster_of, take_of
from wan_render.backends.wan.memory.offload_choice import MemoryStep
from wan_render.backends.wan.models.official import BY_NAME, FLF2V_14B, Official
from wan_render.backends.wan.opening import hold_memory_in_growing_segments
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.errors import OutOfMemoryError
from wan_render.model_card import ModelCard
from wan_render.render_values import Phase, Pixels, Progress, Workspace
from wan_render.take import Take

CONTEXT_GB = 0.9
"""What a process had on an H200 beside what torch allocated: the context, and the libraries' own memory."""
STEPS = 3
FIT = "WAN_RENDER_MEMORY_FIT"


@dataclass(frozen=True)
class HostModel(MadeModel):
    """Its weights lie in host memory; each loading gives a copy, as reading a file does."""

    def module(self, component: str) -> torch.nn.Module:
        return copy.deepcopy(self.modules[component])


def release_all() -> None:
    """Nothing of the renderer before is left, on the device or pinned in host memory."""
    release()
    if torch.cuda.is_available():
        torch._C._host_emptyCache()


class Watch:
    """Hears a render: the most that was allocated in each phase, and when each step ended."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.peaks: dict[str, float] = {}
        self.steps: list[float] = []
        self._phase = Phase.LOADING
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def listen(self, progress: Progress) -> None:
        self.note()
        self._phase = progress.phase
        if progress.phase is Phase.STEP:
            self.steps.append(time.perf_counter())

    def note(self) -> None:
        if self._device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self._device) / 1e9
            torch.cuda.reset_peak_memory_stats(self._device)
            self.peaks[self._phase.value] = max(peak, self.peaks.get(self._phase.value, 0.0))

    def seconds_a_step(self) -> float:
        """Of the last one, when everything is warm."""
        return self.steps[-1] - self.steps[-2]


def host_model(model: Official, device: torch.device, *, is_tiny: bool) -> HostModel:
    made = make(form_of(model, is_tiny=is_tiny), device, weights_of(is_tiny=is_tiny))
    modules = {name: module.to("cpu") for name, module in made.modules.items()}
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return HostModel(made.checkpoint, modules, made.parts)


@contextmanager
def card_of(gigabytes: float, device: torch.device) -> Iterator[None]:
    """Within it the device has no more memory. A CPU, whose memory nobody limits, streams instead."""
    if device.type != "cuda":
        with fit(MemoryStep.STREAMED):
            yield
        return
    total = torch.cuda.mem_get_info(device)[1]
    torch.cuda.set_per_process_memory_fraction((gigabytes - CONTEXT_GB) * 1e9 / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


@contextmanager
def fit(step: str | None) -> Iterator[None]:
    """Within it a renderer has this memory fit, None for as it is without."""
    before = os.environ.get(FIT)
    if step is not None:
        os.environ[FIT] = step
    try:
        yield
    finally:
        if step is not None:
            os.environ.pop(FIT)
        if before is not None:
            os.environ[FIT] = before


def rendered(
    card: ModelCard, model: HostModel, take: Take, device: torch.device, step: str | None = None
) -> tuple[Pixels, dict[str, Any]]:
    """One take, on step after step where the memory is too small, as the farm does."""
    plates = plates_of(take)
    for tighter in range(3):
        release_all()
        with fit(step):
            renderer = WanRenderer(card, model, device, {}, Workspace(tighter=tighter))
        watch = Watch(device)
        try:
            pixels = renderer.render(take, plates, watch.listen).pixels
        except OutOfMemoryError as error:
            print(f"out of memory at {renderer.facts()['memory fit']}: {error}"[:300])
            continue
        finally:
            renderer.close()
        watch.note()
        facts = {
            "memory fit": renderer.facts()["memory fit"],
            "out of memory before": tighter,
            "peak GB": {phase: round(peak, 2) for phase, peak in watch.peaks.items()},
            "seconds a step": round(watch.seconds_a_step(), 3),
        }
        return pixels, facts
    raise SystemExit("it does not fit")


def difference(one: Pixels, other: Pixels) -> dict[str, float]:
    return {"largest": largest(one, other), "psnr": psnr(one, other)}


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--model", choices=tuple(BY_NAME), default=FLF2V_14B.name)
    programs.add_argument("--card", type=float, default=24.0, help="GB of the card that is emulated")
    programs.add_argument("--tiles", action="store_true", help="also with the VAE in tiles")
    asked = programs.parse_args()
    hold_memory_in_growing_segments()  # as a device process does
    official = BY_NAME[asked.model]
    device = torch.device("cpu" if asked.tiny else "cuda:0")
    size, frames = raster_of(official, is_tiny=asked.tiny)
    model, card = host_model(official, device, is_tiny=asked.tiny), official.card()
    take = take_of(official, size, frames, STEPS)
    found: dict[str, Any] = {"model": asked.model, "size": str(size), "frames": frames}
    if device.type == "cuda":
        found["device"] = torch.cuda.get_device_name(device)
    with card_of(asked.card, device):
        pixels, on_card = rendered(card, model, take, device)
    step = on_card["memory fit"].partition(" ")[0]
    whole, on_whole_card = rendered(card, model, take, device, step)
    found[f"card of {asked.card:g} GB"] = on_card | {"against the same on the whole card": difference(pixels, whole)}
    found["the same on the whole card"] = on_whole_card
    resident, on_device = rendered(card, model, take, device, MemoryStep.RESIDENT)
    found["resident"] = on_device | {"against the same on the whole card": difference(resident, whole)}
    if asked.tiles:
        pixels, tiled = rendered(card, model, take, device, MemoryStep.TILED)
        found["in tiles"] = tiled | {"against the same on the whole card": difference(pixels, whole)}
    tell(found, asked.json)


if __name__ == "__main__":
    main()
