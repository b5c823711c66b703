"""Small cards, emulated: a model at full size with random weights in host memory, the allocator capped at their size.

    python -m benchmarks.engine.memory --rows stock,exact,exact@24,exact@16,exact@12,fast@24 --without-flash3
    python -m benchmarks.engine.memory --model wan2.1-t2v-1.3b --rows exact,exact@8.19 --without-flash3 --json t.json
    python -m benchmarks.engine.memory --rows exact,exact@24 --host 32 --json host.json
    python -m benchmarks.engine.memory --tiny                                 (on a CPU, to try the program)

A row is a profile, and the GB of the card after `@`; without it the whole card. `stock` is `exact` with stock kernels.
Rows of `fast` are in the variant `exact-attention`, as on Ada and Blackwell, and `stored` is `fast` as on Ampere.
`exact@24+tiles` has the VAE in tiles. `--without-flash3` hides FlashAttention 3, which only a Hopper has. `--host` is
the GB of host memory that the memory fit reckons with. The first row should be on the whole card: frames of later rows
with its profile are compared with its frames, and steps with its steps.

Says which memory fit was chosen, the most that was allocated in each phase, the seconds of a step (the median of all
but the first), how much host memory the weights take, and what is left on the card for the decode besides what stays.
The cap holds for what torch allocates. What a process has on a GPU besides (0.9 GB) comes on top, so a card of 24 GB is
emulated by 23.1; the emulated card has the true one's speed, and its connection to host memory. About 60 GB of host
memory, 75 on the GPU, and 40 s a row.

Predicted for an H100 with 80 GB and PCIe 5, without FlashAttention 3, FLF2V-14B at 832x480x81; docs/memory.md has what
was measured:

| row | fit | s a step | why |
|---|---|---|---|
| stock | freed | 6.65 | as measured before |
| exact | freed | 5.43 | 4.827 with FlashAttention 3; attention without it as in `fast` (+0.60) |
| exact@24 | streamed (transformer) | 5.47 | 24.4 GB a forward at 50 GB/s take 0.5 of its 2.7 s, beside the work |
| exact@16, exact@12 | streamed; T5 too on 12 GB | 5.47 | the same |
| fast@24 | freed, keys and values in host memory | 4.55, 1.46 times stock | as measured on the whole card |
| exact@24, 32 GB of host memory | 5 of 40 blocks on the device | 5.46 | |
| T2V-1.3B exact@8.19 | streamed (text encoder) | 1.01 of resident | the transformer fits |
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine.arguments import parser
from benchmarks.engine.difference import largest, psnr
from benchmarks.engine.forms import form_of
from benchmarks.engine.models import MadeModel, make, weights_of
from benchmarks.engine.results import write
from benchmarks.engine.steps import attempt, release
from benchmarks.engine.takes import plates_of, raster_of, take_of
from wan_render.backends.wan.kernels import attention
from wan_render.backends.wan.memory.loaded_components import free_device_bytes
from wan_render.backends.wan.memory.offload_choice import MemoryStep
from wan_render.backends.wan.models.official import BY_NAME, FLF2V_14B, Official
from wan_render.backends.wan.opening import hold_memory_in_growing_segments
from wan_render.backends.wan.pipeline import components
from wan_render.backends.wan.profiles.render_profile import EXACT_ATTENTION, HOPPER, STORED_WEIGHTS
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.errors import OutOfMemoryError
from wan_render.host_memory import HostMemory, own_bytes
from wan_render.model_card import ModelCard
from wan_render.render_values import Phase, Pixels, Progress, Stage, Workspace
from wan_render.take import Take

CONTEXT_GB = 0.9
"""What a process had on an H200 beside what torch allocated: the context, and the libraries' own memory."""
STEPS = 4
FIT, KERNELS = "WAN_RENDER_MEMORY_FIT", "WAN_RENDER_KERNELS"
SAMPLINGS = {
    "stock": ("exact", ""),
    "exact": ("exact", ""),
    "fast": ("fast", EXACT_ATTENTION),
    "stored": ("fast", STORED_WEIGHTS),
    "hopper": ("fast", HOPPER),
}
"""Profile and variant of each kind of row."""

Found = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """What to render, and on which card. card: its GB, None for the whole one."""

    name: str
    kind: str
    card: float | None
    has_tiles: bool

    @classmethod
    def read(cls, name: str) -> Row:
        """From the command line. Raises ArgumentTypeError."""
        what, _, tiles = name.partition("+")
        kind, _, card = what.partition("@")
        try:
            gigabytes = float(card) if card else None
        except ValueError:
            gigabytes = 0.0
        if kind not in SAMPLINGS or tiles not in ("", "tiles") or (gigabytes is not None and gigabytes <= CONTEXT_GB):
            raise argparse.ArgumentTypeError(f"{name}: expected one of {', '.join(SAMPLINGS)}, then @GB, then +tiles")
        return cls(name, kind, gigabytes, bool(tiles))

    def environment(self, device: torch.device) -> dict[str, str]:
        """The settings of its renderer. A CPU, whose memory nobody limits, streams for a small card."""
        kernels = {KERNELS: "stock" if self.kind == "stock" else "auto"}
        if self.has_tiles:
            return kernels | {FIT: MemoryStep.TILED}
        return kernels | ({FIT: MemoryStep.STREAMED} if device.type == "cpu" and self.card else {})


@dataclass(frozen=True)
class HostModel(MadeModel):
    """Its weights lie in host memory, as files in the system's cache do; each loading gives a module of its own."""

    def module(self, component: str) -> torch.nn.Module:
        module = self.modules[component]
        handles: dict[int, Any] = {id(each): each.detach() for each in module.buffers()}
        handles |= {id(each): torch.nn.Parameter(each.detach(), requires_grad=False) for each in module.parameters()}
        return copy.deepcopy(module, handles)


class Shelf:
    """Stages of all rows: prompts and pictures are encoded once."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def find(self, stage: Stage) -> bytes | None:
        return self._kept.get(stage.key)

    def keep(self, stage: Stage, content: bytes) -> None:
        if not stage.take:
            self._kept[stage.key] = content


def release_all() -> None:
    """Nothing of the renderer before is left, on the device or pinned in host memory."""
    release()
    if torch.cuda.is_available():
        torch._C._host_emptyCache()


class Watch:
    """Hears a render: the most that was allocated in each phase, when each step ended, and the host memory then."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.peaks: dict[str, float] = {}
        self.steps: list[float] = []
        self.left_for_decode = 0.0
        self._host_before, self.host = own_bytes(os.getpid()) or 0, 0
        self._phase = Phase.LOADING
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def listen(self, progress: Progress) -> None:
        self.note()
        self._phase = progress.phase
        if progress.phase is Phase.STEP:
            self.steps.append(time.perf_counter())
            self.host = max(self.host, (own_bytes(os.getpid()) or 0) - self._host_before)
        if progress.phase is Phase.DECODING:
            self.left_for_decode = free_device_bytes(self._device) / 1e9

    def note(self) -> None:
        if self._device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self._device) / 1e9
            torch.cuda.reset_peak_memory_stats(self._device)
            self.peaks[self._phase.value] = max(peak, self.peaks.get(self._phase.value, 0.0))

    def seconds_a_step(self) -> float:
        """Of all but the first, which is not warm."""
        return statistics.median(later - one for one, later in pairwise(self.steps[1:]))


def host_model(model: Official, device: torch.device, *, is_tiny: bool) -> HostModel:
    made = make(form_of(model, is_tiny=is_tiny), device, weights_of(is_tiny=is_tiny))
    modules = {name: module.to("cpu") for name, module in made.modules.items()}
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return HostModel(made.checkpoint, modules, made.parts)


@contextmanager
def card_of(gigabytes: float | None, device: torch.device) -> Iterator[None]:
    """Within it the device has no more memory. None: all that it has."""
    if device.type != "cuda" or gigabytes is None:
        yield
        return
    total = torch.cuda.mem_get_info(device)[1]
    torch.cuda.set_per_process_memory_fraction((gigabytes - CONTEXT_GB) * 1e9 / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Within it these variables are set."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def fit(step: str) -> AbstractContextManager[None]:
    """Within it a renderer has this memory fit."""
    return environment({FIT: step})


def rendered(
    row: Row, card: ModelCard, model: HostModel, take: Take, device: torch.device, shelf: Shelf
) -> tuple[Pixels, Found]:
    """One take, on step after step where the memory is too small, as the farm does."""
    profile, variant = SAMPLINGS[row.kind]
    take = replace(take, sampling=replace(take.sampling, profile=profile, variant=variant))
    plates = plates_of(take)
    for tighter in range(3):
        release_all()
        with environment(row.environment(device)):
            renderer = WanRenderer(card, model, device, {}, Workspace(shelf, tighter=tighter))
        watch = Watch(device)
        try:
            pixels = renderer.render(take, plates, watch.listen).pixels
        except OutOfMemoryError as error:
            print(f"out of memory at {renderer.facts()['memory fit']}: {error}"[:300], flush=True)
            continue
        finally:
            renderer.close()
        watch.note()
        facts = {
            "facts": dict(renderer.facts()),
            "out of memory before": tighter,
            "peak GB": {phase: round(peak, 2) for phase, peak in watch.peaks.items()},
            "GB left for the decode": round(watch.left_for_decode, 2),
            "GB of host memory for weights": round(watch.host / 1e9, 2),
            "seconds a step": round(watch.seconds_a_step(), 3),
        }
        return pixels, facts
    raise RuntimeError("it does not fit")


def compared(pixels: Pixels, found: Found, first: Pixels, of_first: Found) -> Found:
    """Against the first row of this kind."""
    return {
        "largest difference": largest(pixels, first),
        "psnr": psnr(pixels, first),
        "times its step": round(found["seconds a step"] / of_first["seconds a step"], 3),
    }


def hide_flash3() -> None:
    """FlashAttention 3 is not found from now on, as on cards that are no Hopper."""
    sys.modules["fa3_fwd"] = None  # type: ignore[assignment]


def reckon_with(gigabytes: float) -> None:
    """The memory fit reckons with this much host memory, less what the process has used since now."""
    before = own_bytes(os.getpid()) or 0
    limit = int(gigabytes * 1e9)

    def limited(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> HostMemory:  # noqa: ARG001 - its form
        return HostMemory(max(0, limit - (own_bytes(os.getpid()) or 0) + before), limit)

    vars(components)["host_memory"] = limited


def measured(asked: argparse.Namespace, device: torch.device) -> Iterator[tuple[str, Found]]:
    official = BY_NAME[asked.model]
    size, frames = raster_of(official, is_tiny=asked.tiny)
    yield "model", {"name": asked.model, "size": str(size), "frames": frames, **attention.versions()}
    model, card, shelf = host_model(official, device, is_tiny=asked.tiny), official.card(), Shelf()
    if asked.host:
        reckon_with(asked.host)
    take, firsts = take_of(official, size, frames, STEPS), dict[str, tuple[Pixels, Found]]()
    for row in map(Row.read, asked.rows):
        found: Found = {}
        with attempt(found, "failed"), card_of(row.card, device):
            pixels, found = rendered(row, card, model, take, device, shelf)
            if row.kind in firsts:
                found |= {f"against the first row of {row.kind}": compared(pixels, found, *firsts[row.kind])}
            elif "stock" in firsts:
                stock = firsts["stock"][1]["seconds a step"]
                found |= {"times as fast as stock": round(stock / found["seconds a step"], 3)}
            firsts.setdefault(row.kind, (pixels, found))
        yield row.name, found


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--model", choices=tuple(BY_NAME), default=FLF2V_14B.name)
    programs.add_argument("--rows", type=lambda text: text.split(","), default=["exact", "exact@24"])
    programs.add_argument("--host", type=float, help="GB of host memory to reckon with")
    programs.add_argument("--without-flash3", action="store_true", help="as on cards that are no Hopper")
    asked = programs.parse_args()
    for row in asked.rows:
        Row.read(row)
    hold_memory_in_growing_segments()  # as a device process does
    if asked.without_flash3:
        hide_flash3()
    device = torch.device("cpu" if asked.tiny else "cuda:0")
    results: Found = {"device": "cpu" if asked.tiny else torch.cuda.get_device_name(device)}
    for name, found in measured(asked, device):
        results[name] = found
        print(f"--- {name}\n{json.dumps(found, indent=1)}", flush=True)
        write(results, asked.json)


if __name__ == "__main__":
    main()
