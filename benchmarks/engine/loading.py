"""How long weights take from the page cache to a GPU.

    python -m benchmarks.engine.loading --json loading.json     (one GPU with 80 GB, 50 GB of disk, as much host memory)
    python -m benchmarks.engine.loading --tiny                  (a CPU, to try the program itself)

The components of FLF2V-14B are made with random weights and saved. A new process then opens each of them twice for
every way to move it: by torch, as diffusers does; from its files by several threads; and, for the transformer, in the
forms of `exact` and `fast`.

Predicted before the first run: 2.6 GB/s, because 49 GB took 19 s on the real farm. (It was 5.9 and 6.4 GB/s.) Predicted
for several threads, from a trial of 8.4 GB that read at 24 and 32 GB/s: 22 GB/s, 49 GB in 2.6 s. (It was 35 and 42
GB/s for the transformer, and 1.7 s for all.)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine.arguments import parser, some_of
from benchmarks.engine.folders import make_folder
from benchmarks.engine.night import workplace
from benchmarks.engine.results import table, tell
from benchmarks.engine.steps import release
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader, without_bars
from wan_render.backends.wan.checkpoint.moving import moved_to_device
from wan_render.backends.wan.profiles.prepare import accelerated
from wan_render.backends.wan.profiles.render_profile import Precision

Found = dict[str, Any]
State = dict[str, torch.Tensor]
Way = Callable[[torch.nn.Module, torch.device], torch.nn.Module]

COMPONENTS = ("transformer", "text_encoder", "image_encoder", "vae")


def ways_of(component: str, device: torch.device) -> dict[str, Way]:
    """How a component is moved to the device."""
    ways: dict[str, Way] = {"by torch": lambda module, to: module.to(to), "from its files": moved_to_device}
    if component == "transformer" and device.type == "cuda":
        ways["in exact"] = lambda module, to: accelerated(module, Precision.LOADED, to)
        ways["in fast"] = lambda module, to: accelerated(module, Precision.FLOAT8, to)
    return ways


def measured(folder: Path, components: tuple[str, ...], *, is_tiny: bool) -> Found:
    without_bars()
    device = torch.device("cpu" if is_tiny else "cuda:0")
    loader = FolderLoader(read_checkpoint(folder), EXACT[device.type])
    torch.zeros(1, device=device)
    found: Found = {"device": "cpu" if is_tiny else torch.cuda.get_device_name(device)}
    found["torch"], found["cores"] = torch.__version__, os.cpu_count()
    for component in components:
        wanted: State | None = None
        for turn in ("", ", again"):
            for name, way in ways_of(component, device).items():
                row, state = timed(loader, component, device, way)
                wanted = wanted or state
                row["same bits"] = alike(state, wanted)
                found[f"{component} {name}{turn}"] = row
                del state
        print(table({name: row for name, row in found.items() if name.startswith(component)}), flush=True)
    return found


@torch.no_grad()
def timed(loader: FolderLoader, component: str, device: torch.device, way: Way) -> tuple[Found, State]:
    release()
    begun = time.perf_counter()
    module = loader.module(component)
    size = sum(tensor.nbytes for tensor in module.state_dict().values()) / 1e9
    opened = time.perf_counter()
    placed = way(module, device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - opened
    row = {"GB": size, "s to open": opened - begun, "s to move": seconds, "GB/s": size / seconds}
    return row, placed.state_dict()


def alike(state: State, wanted: State) -> bool | str:
    """Whether all weights are the same. A form of a profile has other weights."""
    if state.keys() != wanted.keys():
        return "another form"
    return all(torch.equal(tensor, wanted[name]) for name, tensor in state.items())


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--components", type=some_of(COMPONENTS), default=COMPONENTS)
    programs.add_argument("--folder", type=Path, help="where the checkpoint lies; by default a temporary folder")
    asked = programs.parse_args()
    with workplace(asked.folder) as folder:
        model = folder / "model"
        if not model.is_dir():
            print(f"made in {make_folder(model, is_tiny=asked.tiny):.0f} s", flush=True)
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            tell(process.submit(measured, model, asked.components, is_tiny=asked.tiny).result(), asked.json)


if __name__ == "__main__":
    main()
