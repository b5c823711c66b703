"""A file of torch's (`.pth`, `.pt`, `.bin`, `.ckpt`), of which only tensors are read. Nothing in it is run."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_render.backends.wan.layouts.weights_file import WeightsFile
from wan_render.errors import InputError, MachineError, Problem
from wan_render.safetensors_header import TensorFacts
from wan_render.settings import install_command

if TYPE_CHECKING:
    import torch

_DTYPES = {
    "torch.float64": "F64",
    "torch.float32": "F32",
    "torch.float16": "F16",
    "torch.bfloat16": "BF16",
    "torch.float8_e4m3fn": "F8_E4M3",
    "torch.float8_e5m2": "F8_E5M2",
    "torch.int64": "I64",
    "torch.uint8": "U8",
    "torch.int8": "I8",
}


@dataclass(frozen=True)
class PickledWeights(WeightsFile):
    """A file of torch's. content: its tensors, mapped from the file."""

    content: Mapping[str, Any]

    def read(self, name: str) -> torch.Tensor:
        """A tensor; its bytes are read when they are used."""
        tensor: torch.Tensor = self.content[name]
        return tensor


def open_pickled(path: Path) -> PickledWeights:
    """Open a file of torch's. Raises InputError if it is damaged, or holds anything but tensors; MachineError
    without torch."""
    if find_spec("torch") is None:
        raise MachineError(Problem(str(path), "torch is not installed", "its files need it", install_command("wan")))
    content = _unpickled(path)
    facts = {
        name: TensorFacts(_DTYPES.get(str(each.dtype), str(each.dtype)), tuple(each.shape))
        for name, each in content.items()
    }
    return PickledWeights(path, facts, content)


def _unpickled(path: Path) -> dict[str, Any]:
    """The tensors of a torch file. Only tensors are read: anything else in it is refused, and nothing in it runs."""
    import torch

    try:
        found = _loaded(path)
    except Exception as fault:  # noqa: BLE001 - torch raises errors of many kinds for a file that is none
        found = f"is not read: it is damaged, or holds more than tensors ({type(fault).__name__})"
        remedy = "download it again, or use a safetensors file"
        raise InputError(Problem(str(path), found, "a file of torch with tensors only", remedy)) from None
    for key in ("state_dict", "model_state"):
        found = found[key] if isinstance(found, dict) and isinstance(found.get(key), dict) else found
    if not isinstance(found, dict) or not all(isinstance(each, torch.Tensor) for each in found.values()):
        remedy = "use a file that holds a model's weights alone"
        raise InputError(Problem(str(path), "holds something else than tensors by their names", "", remedy))
    return {str(name): tensor for name, tensor in found.items()}


def _loaded(path: Path) -> Any:
    """What is in a file: mapped from it, or read at once if it is in torch's old form, which cannot be mapped."""
    import torch

    is_archive = zipfile.is_zipfile(path)
    return torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
