"""A GGUF file: weights in blocks of few bits, with scales in each block.

They become plain numbers here, by the package `gguf` of llama.cpp's authors. diffusers multiplies with the same numbers
when it computes from GGUF.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_render.backends.wan.layouts.weights_file import WeightsFile
from wan_render.errors import InputError, MachineError, Problem
from wan_render.safetensors_header import TensorFacts
from wan_render.settings import install_command

if TYPE_CHECKING:
    import torch

GGUF_SUFFIX = ".gguf"

_UNPACKED = {"F64", "F32", "F16", "BF16"}
_TOKENIZER = "tokenizer.ggml"
_PADDING = "[PAD"
"""llama.cpp fills the list of tokens with such names up to the number of embeddings."""


@dataclass(frozen=True)
class GgufWeights(WeightsFile):
    """A GGUF file. reader: of the package `gguf`; it maps the file. entries: its tensors, by name."""

    reader: Any
    entries: Mapping[str, Any]

    @property
    def precision(self) -> str:
        """`Q4_K (GGUF)`: what most of its weights are in."""
        return f"{self._most_are} (GGUF)"

    def is_number(self, name: str) -> bool:
        """Yes: types that cannot be read are found when the file is opened."""
        return name in self.tensors

    @property
    def has_tokenizer(self) -> bool:
        """Whether the text encoder's tokenizer is in the file."""
        return _field(self.reader, f"{_TOKENIZER}.model") == "t5" and self._tokens is not None

    @property
    def _tokens(self) -> Any:
        return _field(self.reader, f"{_TOKENIZER}.tokens")

    def tokenizer(self) -> bytes:
        """The tokenizer of llama.cpp's metadata, in sentencepiece's form."""
        return _sentencepiece(self.reader)

    def read(self, name: str) -> torch.Tensor:
        """A tensor as plain numbers in float32; in its own type if it is not in blocks."""
        import torch
        from gguf.quants import dequantize

        entry = self.entries[name]
        numbers = torch.from_numpy(dequantize(entry.data, entry.tensor_type).copy())
        return numbers.reshape(self.tensors[name].shape)

    def weight(self, name: str) -> torch.Tensor:
        """A weight as plain numbers. One that was in blocks becomes bfloat16."""
        import torch

        found = self.read(name)
        return found if self.tensors[name].dtype in _UNPACKED else found.to(torch.bfloat16)


def open_gguf(path: Path) -> GgufWeights:
    """Open a GGUF file. Raises InputError if it is damaged or holds types that cannot be read; MachineError without
    the extra `gguf`."""
    require_gguf(path)
    import gguf
    import numpy as np
    from gguf.quants import dequantize

    try:
        reader = gguf.GGUFReader(path)
        facts = {entry.name: TensorFacts(entry.tensor_type.name, _shape(reader, entry)) for entry in reader.tensors}
    except Exception as fault:  # noqa: BLE001 - the reader raises errors of many kinds for a damaged file
        reason = str(fault).splitlines()[0][:160] if str(fault) else type(fault).__name__
        raise InputError(Problem(str(path), f"is not a GGUF file: {reason}", "", "download it again")) from None
    for kind in {entry.tensor_type for entry in reader.tensors}:
        try:
            dequantize(np.zeros((1, gguf.GGML_QUANT_SIZES[kind][1]), np.uint8), kind)
        except NotImplementedError:
            found = f"holds {kind.name} weights, which the package gguf does not unpack"
            raise InputError(Problem(str(path), found, "", "use a file in Q4_K, Q8_0 or another type")) from None
    return GgufWeights(path, facts, reader, {entry.name: entry for entry in reader.tensors})


def require_gguf(path: Path) -> None:
    """Raise MachineError if GGUF files cannot be read here."""
    if find_spec("gguf") is None:
        raise MachineError(Problem(str(path), "gguf is not installed", "GGUF needs it", install_command("gguf")))


def _shape(reader: Any, entry: Any) -> tuple[int, ...]:
    """The shape as torch writes it. GGUF lists sides in the reverse order, and has at most four: ComfyUI's converter
    keeps the shape of others beside it."""
    original = _field(reader, f"comfy.gguf.orig_shape.{entry.name}")
    return tuple(int(side) for side in (original if original is not None else reversed(entry.shape.tolist())))


def _field(reader: Any, name: str) -> Any:
    """A value of the metadata; None if it is not there."""
    field = reader.get_field(name)
    return None if field is None else field.contents()


def _sentencepiece(reader: Any) -> bytes:
    """A tokenizer in sentencepiece's form from llama.cpp's metadata, which has the same numbers for kinds of tokens."""
    protocol: Any = import_module("sentencepiece.sentencepiece_model_pb2")  # its classes are made when it is imported
    model = protocol.ModelProto()
    tokens, scores = _field(reader, f"{_TOKENIZER}.tokens"), _field(reader, f"{_TOKENIZER}.scores")
    kinds = _field(reader, f"{_TOKENIZER}.token_type")
    for token, score, kind in zip(tokens, scores, kinds, strict=True):
        if token.startswith(_PADDING):
            continue
        model.pieces.add(piece=token, score=score, type=kind)
    model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
    model.trainer_spec.vocab_size = len(model.pieces)
    for own, theirs in {"unk_id": "unknown", "eos_id": "eos", "pad_id": "padding"}.items():
        number = _field(reader, f"{_TOKENIZER}.{theirs}_token_id")
        if number is not None:
            setattr(model.trainer_spec, own, number)
    model.trainer_spec.bos_id = -1
    normalizer = model.normalizer_spec
    normalizer.add_dummy_prefix = bool(_field(reader, f"{_TOKENIZER}.add_space_prefix"))
    normalizer.remove_extra_whitespaces = bool(_field(reader, f"{_TOKENIZER}.remove_extra_whitespaces"))
    charsmap = _field(reader, f"{_TOKENIZER}.precompiled_charsmap")
    if charsmap is not None:
        normalizer.precompiled_charsmap = bytes(value & 0xFF for value in charsmap)
    return bytes(model.SerializeToString())
