"""The model of models.py as a folder on disk, in diffusers' layout: what a user gives in place of a model's name."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine.forms import form_of
from benchmarks.engine.models import make_component, make_parts, make_scheduler, weights_of
from wan_render.backends.wan.models.official import FLF2V_14B

BYTES = 50_000_000_000
"""Of the folder at full size: 33 GB of transformer, 13 of text encoder, 3 of CLIP and VAE."""

Named = tuple[str, str]
"""A component's library and class, as model_index.json has them."""


def make_folder(folder: Path, *, is_tiny: bool) -> float:
    """Seconds that it took. Each component is made and saved by a process of its own, side by side: no CUDA context
    stays behind. The folder appears whole."""
    before = time.perf_counter()
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    if not is_tiny and shutil.disk_usage(folder.parent).free < BYTES:
        raise SystemExit(f"{folder.parent}: less than {BYTES / 1e9:.0f} GB are free; --folder names another place")
    form = form_of(FLF2V_14B, is_tiny=is_tiny)
    with ProcessPoolExecutor(len(form.components), get_context("spawn")) as processes:
        saving = {name: processes.submit(save_component, part / name, is_tiny=is_tiny) for name in form.components}
        index = {name: saved.result() for name, saved in saving.items()}
    others = {"scheduler": make_scheduler(16.0), **make_parts(form)}
    index |= {name: _save(other, part / name) for name, other in others.items()}
    content = json.dumps({**form.index, **index}, indent=2)
    (part / "model_index.json").write_text(content, encoding="utf-8")
    part.rename(folder)
    return time.perf_counter() - before


def save_component(folder: Path, *, is_tiny: bool) -> Named:
    """Make the component that the folder is called by, and save it there."""
    device = torch.device("cpu" if is_tiny else "cuda:0")
    form, weights = form_of(FLF2V_14B, is_tiny=is_tiny), weights_of(is_tiny=is_tiny)
    return _save(make_component(form, folder.name, device, weights), folder)


def _save(component: Any, folder: Path) -> Named:
    component.save_pretrained(folder)
    return type(component).__module__.partition(".")[0], type(component).__name__
