"""How much host memory a device process needs for a take, estimated from the headers of the weights. Needs no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from wan_render.backends.wan.checkpoint.checkpoint_folder import WEIGHTS, Checkpoint, read_checkpoint, weight_files
from wan_render.backends.wan.checkpoint.location import weights_folder
from wan_render.backends.wan.checkpoint.safetensors_file import element_counts
from wan_render.backends.wan.memory.budget import Budget
from wan_render.backends.wan.memory.offload_choice import MemoryFit, MemoryStep, Need, choose, host_bytes_of
from wan_render.errors import WanRenderError
from wan_render.host_memory import host_memory
from wan_render.model_card import ModelCard
from wan_render.render_values import Device
from wan_render.safetensors_header import BITS
from wan_render.settings import machine_settings
from wan_render.take import Take

PROCESS_BYTES = {"cuda": 3_000_000_000, "cpu": 1_000_000_000}
"""What a process needs before it has loaded anything: torch, diffusers, and on a GPU the driver's context. An
allowance; not measured."""

FLOAT_FRAMES_BYTES = 4 + 1
"""Per value of the frames: as the VAE gives them, and as they are written."""

_TYPES = {"cuda": {"vae": "F32", "image_encoder": "F32"}, "cpu": {}}
_OTHER_TYPE = {"cuda": "BF16", "cpu": "F32"}
"""The type of a component's weights, as checkpoint/loading.EXACT loads them."""


@dataclass(frozen=True)
class HeaderSizes:
    """The sizes of a checkpoint's weights, from the headers of its files.

    sizes:     bytes by component, as loaded.
    converted: those of them that are stored in another type.
    """

    checkpoint: Checkpoint
    sizes: Mapping[str, int]
    converted: Mapping[str, int]

    def weights_bytes(self, component: str) -> int:
        """See Loader.weights_bytes."""
        return self.sizes[component]


def host_bytes(take: Take, card: ModelCard, device: Device, tighter: int) -> int:
    """Bytes of host memory that a process on this device needs for a take. 0 if it is not known: the weights are not
    here, or cannot be read. Raises nothing."""
    if device.kind not in PROCESS_BYTES or take.through:
        return 0
    try:
        folder = weights_folder(card)
        if folder is None:
            return 0
        fuses = device.kind == "cuda" and machine_settings().kernels != "stock"
        sizes = _sizes(folder, device.kind)
        return _needed(sizes, Budget(sizes, fuses).needs(take), take, device, tighter)
    except (WanRenderError, OSError, ValueError):
        return 0


def _needed(sizes: HeaderSizes, needs: tuple[Need, ...], take: Take, device: Device, tighter: int) -> int:
    asked, is_gpu = machine_settings().memory_fit, device.kind == "cuda"
    host = host_memory().available
    left = max(1, host - PROCESS_BYTES[device.kind]) if host else 0  # when the process itself is there
    step = None if asked == "auto" else MemoryStep(asked)
    fit = choose(step, tighter, needs, device.memory_bytes if is_gpu else host, may_stream=is_gpu, host_free=left)
    frames = FLOAT_FRAMES_BYTES * 3 * take.frames * take.size.width * take.size.height
    of_model = _on_gpu(needs, sizes, fit, has_loras=bool(take.loras)) if is_gpu else _on_cpu(needs, fit)
    return PROCESS_BYTES[device.kind] + frames + of_model


@lru_cache(maxsize=32)
def _sizes(folder: Path, kind: str) -> HeaderSizes:
    """Raises the errors of `read_checkpoint`, OSError and NotSafetensors."""
    checkpoint, sizes, converted = read_checkpoint(folder), dict[str, int](), dict[str, int]()
    for component in WEIGHTS:
        if component in checkpoint.components:
            files = (folder / component / name for name in weight_files(folder / component, WEIGHTS[component]))
            counts = sum(map(element_counts, files), Counter[str]())
            loaded = _TYPES[kind].get(component, _OTHER_TYPE[kind])
            size = BITS[loaded] // 8
            sizes[component] = size * counts.total()
            converted[component] = size * (counts.total() - counts[loaded])
    return HeaderSizes(checkpoint, sizes, converted)


def _on_gpu(needs: tuple[Need, ...], sizes: HeaderSizes, fit: MemoryFit, *, has_loras: bool) -> int:
    """Streamed blocks stay in host memory. Other components are read from their files straight to the device; weights
    of another type are converted in host memory, one component at a time. The original weights of transformers with
    LoRAs stay there too, if the device has no room for them."""
    passing = max((sizes.converted[need.component] for need in needs if need.component not in fit.streamed), default=0)
    transformers = sum(need.weights for need in needs if need.component.startswith("transformer"))
    originals = transformers if has_loras and not fit.streamed and fit.spare < transformers else 0
    return host_bytes_of(needs, fit) + passing + originals


def _on_cpu(needs: tuple[Need, ...], fit: MemoryFit) -> int:
    """Everything is in host memory; from FREED on one component at a time."""
    if fit.step is MemoryStep.RESIDENT:
        return sum(need.weights + need.kept for need in needs) + max(need.working for need in needs)
    return max(need.alone for need in needs)
