"""A file of weights in any layout, as plain numbers by name.

Weights in 8 bits come with scales, under two names that are in use: `X.scale_weight` and `X.weight_scale` beside
`X.weight`. They are multiplied here.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.errors import InputError, Problem
from wan_render.safetensors_header import NotSafetensors, TensorFacts, read_header

if TYPE_CHECKING:
    import torch

PLAIN = frozenset({"F64", "F32", "F16", "BF16"})
FLOAT8 = frozenset({"F8_E4M3", "F8_E5M2"})
INT8 = "I8"
"""Numbers only together with a scale."""

_SCALES = ("scale_weight", "weight_scale")
_NOT_WEIGHTS = ("scale_input", "input_scale", "comfy_quant", "scaled_fp8")
"""Scales of inputs, which a product in float8 would need, and marks of the format."""

MARK = "comfy_quant"
EMBEDDED_TOKENIZER = "spiece_model"
"""ComfyUI's text encoders carry their tokenizer as a tensor of bytes."""


@dataclass(frozen=True)
class WeightsFile:
    """A file that was opened, or the files of one that is cut into shards.

    path: the file; the first one of shards. tensors: what is in it, by name, with scales and marks.
    """

    path: Path
    tensors: Mapping[str, TensorFacts]

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, or its shards."""
        return (self.path,)

    @property
    def size(self) -> int:
        """Its size on disk."""
        return sum(file.stat().st_size for file in self.files)

    @property
    def title(self) -> str:
        """What to call it: its name."""
        return self.path.name

    @property
    def has_tokenizer(self) -> bool:
        """Whether the text encoder's tokenizer is in the file."""
        return EMBEDDED_TOKENIZER in self.tensors

    def tokenizer(self) -> bytes:
        """The tokenizer that is in the file, in sentencepiece's form."""
        found: bytes = self.read(EMBEDDED_TOKENIZER).numpy().tobytes()
        return found

    @property
    def is_rounded(self) -> bool:
        """Whether most of its weights have fewer bits than bfloat16."""
        return self._most_are not in PLAIN

    @property
    def weights(self) -> Mapping[str, TensorFacts]:
        """What is in it, without scales, marks and a tokenizer."""
        return {name: facts for name, facts in self.tensors.items() if not _is_extra(name)}

    @property
    def precision(self) -> str:
        """`bfloat16`, or `float8 with scales`: what most of its weights are in."""
        most = self._most_are
        has_scales = any(name.endswith(_SCALES) for name in self.tensors)
        return _WORDS.get(most, most) + (" with scales" if has_scales and most not in PLAIN else "")

    @property
    def _most_are(self) -> str:
        """The type of most of its numbers."""
        count: dict[str, int] = {}
        for facts in self.weights.values():
            count[facts.dtype] = count.get(facts.dtype, 0) + facts.elements
        return max(count, key=lambda dtype: count[dtype], default="F32")

    def problem(self) -> Problem | None:
        """Why its weights cannot be read as numbers; None if they can."""
        strange = {facts.dtype for name, facts in self.weights.items() if not self.is_number(name)}
        if strange:
            found = f"holds {', '.join(sorted(strange))} weights"
            allowed = "allowed: float32, float16, bfloat16, float8, and int8 with scales"
            return Problem(str(self.path), found, allowed, _OTHER_FILE)
        return None

    def is_number(self, name: str) -> bool:
        """Whether a weight can be read as plain numbers."""
        dtype = self.tensors[name].dtype
        return self._scale_of(name) is not None if dtype == INT8 else dtype in PLAIN | FLOAT8 | {"I64"}

    @abstractmethod
    def read(self, name: str) -> torch.Tensor:
        """A tensor as it is in the file."""

    def weight(self, name: str) -> torch.Tensor:
        """A weight as plain numbers: one in 8 bits becomes bfloat16, with its scale."""
        import torch

        found = self.read(name)
        if self.tensors[name].dtype not in FLOAT8 | {INT8}:
            return found
        scale = self._scale(name)
        wide = found.to(torch.float32)
        return (wide if scale is None else wide * scale).to(torch.bfloat16)

    def _scale(self, name: str) -> torch.Tensor | None:
        import torch

        known = self._scale_of(name)
        if known is None:
            return None
        self._check_mark(name.removesuffix(".weight"))
        scale = self.read(known).to(torch.float32)
        return scale if scale.numel() == 1 else scale.reshape(-1, *[1] * (len(self.tensors[name].shape) - 1))

    def _scale_of(self, name: str) -> str | None:
        """The name of the scale of a weight; None if it has none."""
        layer = name.removesuffix(".weight")
        return next((f"{layer}.{each}" for each in _SCALES if f"{layer}.{each}" in self.tensors), None)

    def _check_mark(self, layer: str) -> None:
        """Newer files say beside each layer how it is quantised. Raises InputError for a way that is not known."""
        if (mark := f"{layer}.{MARK}") not in self.tensors:
            return
        written = bytes(self.read(mark).flatten().tolist())
        try:
            form = json.loads(written)["format"]
        except (ValueError, KeyError, TypeError) as fault:
            raise InputError(Problem(str(self.path), f"{mark} is not read: {fault}", "", _OTHER_FILE)) from None
        if form not in ("float8_e4m3fn", "float8_e5m2"):
            raise InputError(Problem(str(self.path), f"{layer} is quantised as {form!r:.40}", "float8", _OTHER_FILE))


_WORDS = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8",
    "F8_E5M2": "float8",
    "I8": "int8",
}
_OTHER_FILE = "use the fp16, bf16 or fp8 file of the model"


class SafetensorsWeights(WeightsFile):
    """A safetensors file."""

    def read(self, name: str) -> torch.Tensor:
        """A tensor, from the disk."""
        from safetensors import safe_open

        with safe_open(self.path, framework="pt") as opened:
            tensor: torch.Tensor = opened.get_tensor(name)
        return tensor


def open_safetensors(path: Path) -> SafetensorsWeights:
    """Open a safetensors file. Raises InputError if it is damaged."""
    try:
        return SafetensorsWeights(path, read_header(path).tensors)
    except OSError as fault:
        raise InputError(Problem(str(path), f"cannot be read: {fault.strerror}")) from None
    except NotSafetensors as fault:
        raise InputError(Problem(str(path), fault.found, fault.allowed, "download it again")) from None


def _is_extra(name: str) -> bool:
    return name == EMBEDDED_TOKENIZER or name.endswith((*_SCALES, *_NOT_WEIGHTS))
