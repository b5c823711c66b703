"""How long weights take from the page cache to a GPU.

    python -m benchmarks.engine.loading --json loading.json     (one GPU with 80 GB, 50 GB of disk, as much host memory)
    python -m benchmarks.engine.loading --tiny                  (a CPU, to try the program itself)

Predicted before the first run: 2.6 GB/s, because 49 GB took 19 s on the real farm. (It was 5.9 and 6.4 GB/s.)

The components of FLF2V-14B are made with random weights and saved. A new process then opens and moves each of them
twice.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine.arguments import parser, some_of
from benchmarks.engine.folders import make_folder
from benchmarks.engine.night import workplace
from benchmarks.engine.results import table, tell
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader, without_bars

Found = dict[str, Any]

COMPONENTS = ("transformer", "text_encoder", "image_encoder", "vae")


def measured(folder: Path, components: tuple[str, ...], *, is_tiny: bool) -> Found:
    without_bars()
    device = torch.device("cpu" if is_tiny else "cuda:0")
    loader = FolderLoader(read_checkpoint(folder), EXACT[device.type])
    torch.zeros(1, device=device)
    found: Found = {"device": "cpu" if is_tiny else torch.cuda.get_device_name(device)}
    found["torch"], found["threads"] = torch.__version__, torch.get_num_threads()
    for component in components:
        rows = {name: timed(loader, component, device) for name in (component, f"{component}, again")}
        print(table(rows), flush=True)
        found |= rows
    return found


def timed(loader: FolderLoader, component: str, device: torch.device) -> Found:
    begun = time.perf_counter()
    module = loader.module(component)
    opened = time.perf_counter()
    module.to(device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - opened
    size = sum(tensor.nbytes for tensor in module.state_dict().values()) / 1e9
    return {"GB": size, "s to open": opened - begun, "s to move": seconds, "GB/s": size / seconds}


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
