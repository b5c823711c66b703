"""A film's LoRAs at full size: seconds until a take wears others than the take before, ours and diffusers'.

    python -m benchmarks.engine.loras --json loras.json      (one H200: about 110 GB, and 60 GB of host memory)
    python -m benchmarks.engine.loras --tiny                 (on a CPU, exact only, to try the program itself)

FLF2V-14B with random weights, and two LoRAs of rank 32 for every linear layer of its blocks, 600 MB of files. Takes of
five frames and one step, all encoded: what one takes longer than one that wears what the take before wore is the
change. Weights come from the device here, where a night reads them from the page cache in 20 s. diffusers loads, fuses
and unfuses.

Predicted before the first run, when `exact` kept the former weights in host memory: a LoRA put on 9 s (it was 23.6),
another in its place 13 (24.9), none again 4 (4.4); diffusers 4, 5 and 1 (0.77, 1.06, 0.08), and its weights are not
those of before when it has unfused them: a change is added and subtracted in bfloat16 (so it was). Predicted before the
next run, with the former weights kept on the device: 1.0, 1.0 and 0.1, `fast` the same but for the first change, which
makes its weights again, 4 s; in host memory 21, 5.5 and 4.4; a first take with a LoRA takes 1 s more than one without.
"""

from __future__ import annotations

import copy
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.engine.arguments import parser
from benchmarks.engine.forms import form_of
from benchmarks.engine.memory import fit
from benchmarks.engine.models import MadeModel, make, weights_of
from benchmarks.engine.one_shot import OwnVae, pipeline
from benchmarks.engine.results import tell
from benchmarks.engine.shots import Reloaded
from benchmarks.engine.steps import attempt, release
from benchmarks.engine.takes import plates_of, raster_of, take_of
from wan_render.backends.wan.memory.offload_choice import MemoryStep
from wan_render.backends.wan.models.official import FLF2V_14B
from wan_render.backends.wan.opening import hold_memory_in_growing_segments
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.take import Lora, Take

Found = dict[str, Any]
RANK = 32


def make_lora(transformer: torch.nn.Module, file: Path, seed: int) -> tuple[Lora, Path]:
    """A random one, by diffusers' names, of a size that leaves the weights what they are."""
    generator = torch.Generator().manual_seed(seed)
    weights: dict[str, torch.Tensor] = {}
    for name, layer in transformer.named_modules():
        if name.startswith("blocks.") and isinstance(layer, torch.nn.Linear):
            down = torch.randn(RANK, layer.in_features, generator=generator)
            up = torch.randn(layer.out_features, RANK, generator=generator)
            weights[f"transformer.{name}.lora_A.weight"] = (down * 0.01).bfloat16()
            weights[f"transformer.{name}.lora_B.weight"] = (up * 0.01).bfloat16()
    save_file(weights, file)
    return Lora(hashlib.sha256(file.read_bytes()).hexdigest(), 1.0), file


def seconds(device: torch.device, work: Callable[[], Any]) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    before = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - before


def ours(model: MadeModel, device: torch.device, loras: dict[Lora, Path], take: Take) -> Found:
    """Takes in the order of a night: none, one, another, none."""
    renderer = WanRenderer(FLF2V_14B.card(), model, device, {})
    plates = replace(plates_of(take), loras={lora.content: file for lora, file in loras.items()})
    latents: list[torch.Tensor] = []

    def render(*worn: Lora) -> float:
        dressed = replace(take, loras=worn)
        with torch.no_grad():
            return seconds(device, lambda: latents.append(renderer.latents(dressed, plates).cpu()))

    one, other = loras
    found = {"first take, s": render()}
    same = render()
    found |= {
        "one is put on, s": render(one) - same,
        "another in its place, s": render(other) - same,
        "none again, s": render() - same,
    }
    renderer.close()
    release()
    plain, worn, _, after = latents[1:]
    renderer = WanRenderer(FLF2V_14B.card(), model, device, {})
    found["first take with one, s"] = render(one)
    renderer.close()
    return found | {"it shows": not torch.equal(plain, worn), "as before, to the last bit": torch.equal(plain, after)}


def stock(model: MadeModel, device: torch.device, loras: dict[Lora, Path], take: Take) -> Found:
    """The same by diffusers' functions for it, without the takes."""
    before = copy.deepcopy(model.modules["transformer"]).to("cpu")
    pipe = pipeline(model, take)

    def put_on(file: Path) -> None:
        pipe.load_lora_weights(str(file.parent), weight_name=file.name)
        pipe.fuse_lora()

    def take_off() -> None:
        pipe.unfuse_lora()
        pipe.unload_lora_weights()

    def change(file: Path) -> None:
        take_off()
        put_on(file)

    one, other = loras.values()
    found: Found = {"one is put on, s": seconds(device, lambda: put_on(one))}
    shows = not all(equal(before, pipe.transformer))
    found["another in its place, s"] = seconds(device, lambda: change(other))
    found["none again, s"] = seconds(device, take_off)
    return found | {"it shows": shows, "as before, to the last bit": all(equal(before, pipe.transformer))}


def equal(one: torch.nn.Module, other: torch.nn.Module) -> Iterator[bool]:
    """Of each weight, whether it is the same; a layer that wears a LoRA is wrapped by peft."""
    others = {name.replace(".base_layer", ""): weight for name, weight in other.named_parameters()}
    return (torch.equal(weight.to(others[name].device), others[name]) for name, weight in one.named_parameters())


def measured(folder: Path, *, is_tiny: bool) -> Found:
    device = torch.device("cpu" if is_tiny else "cuda:0")
    made = make(form_of(FLF2V_14B, is_tiny=is_tiny), device, weights_of(is_tiny=is_tiny))
    size, _ = raster_of(FLF2V_14B, is_tiny=is_tiny)
    take = take_of(FLF2V_14B, size, 5, 1)
    transformer = made.modules["transformer"]
    loras = dict(make_lora(transformer, folder / f"{seed}.safetensors", seed) for seed in (1, 2))
    megabytes = sum(file.stat().st_size for file in loras.values()) / 1e6
    found: Found = {"device": "cpu" if is_tiny else torch.cuda.get_device_name(device), "MB of files": megabytes}
    with attempt(found, "exact"):
        found["exact"] = ours(OwnVae(made.checkpoint, made.modules, made.parts), device, loras, take)
    release()
    with attempt(found, "exact, in host memory"), fit(MemoryStep.FREED):
        model = OwnVae(made.checkpoint, made.modules, made.parts)
        found["exact, in host memory"] = ours(model, device, loras, take)
    release()
    if not is_tiny:
        with attempt(found, "fast"):
            reloaded = Reloaded(made.checkpoint, made.modules, made.parts)
            fast = replace(take, sampling=replace(take.sampling, profile="fast"))
            found["fast"] = ours(reloaded, device, loras, fast)
        release()
    with attempt(found, "diffusers"):  # last: its weights are not what they were
        found["diffusers"] = stock(made, device, loras, take)
    return found


def main() -> None:
    asked = parser(__doc__).parse_args()
    hold_memory_in_growing_segments()  # as a device process does
    os.environ.setdefault("WAN_RENDER_KERNELS", "auto")
    with tempfile.TemporaryDirectory(prefix="loras-") as folder:
        found = measured(Path(folder), is_tiny=asked.tiny)
    tell(found, asked.json)


if __name__ == "__main__":
    main()
