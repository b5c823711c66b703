"""A tiny model's files as GGUF: the transformer as ComfyUI's converter writes it, UMT5 as llama.cpp's does."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.backends.wan.other_layouts import wans_text_encoder, wans_transformer

_LLAMA = {
    "attn.": "attn_",
    "pos_embedding.embedding": "attn_rel_b",
    "norm1": "attn_norm",
    "norm2": "ffn_norm",
    "ffn.gate.0": "ffn_gate",
    "ffn.fc1": "ffn_up",
    "ffn.fc2": "ffn_down",
}


def save_transformer(parts: Mapping[str, Any], file: Path, kind: str) -> Path:
    """The transformer, with the products of its blocks in `kind`, such as `Q8_0`, where its rows are whole blocks."""
    import gguf

    writer = gguf.GGUFWriter(file, "wan")
    for name, weight in wans_transformer(parts).items():
        if name == "patch_embedding.weight":  # GGUF has four sides at most in C
            writer.add_array(f"comfy.gguf.orig_shape.{name}", [int(side) for side in weight.shape])
            weight = weight.reshape(weight.shape[0], -1)
        _add(writer, name, weight, kind if name.startswith("blocks.") and weight.dim() == 2 else "F32")
    _close(writer)
    return file


def save_text_encoder(parts: Mapping[str, Any], file: Path, kind: str, spiece: bytes) -> Path:
    """UMT5, with its tokenizer in the metadata. The number of tokens is that of the embeddings."""
    import gguf

    writer = gguf.GGUFWriter(file, "t5encoder")
    protocol: Any = import_module("sentencepiece.sentencepiece_model_pb2")
    model = protocol.ModelProto.FromString(spiece)
    weights = wans_text_encoder(parts)
    padding = len(weights["token_embedding.weight"]) - len(model.pieces)
    writer.add_tokenizer_model("t5")
    writer.add_token_list([*(piece.piece for piece in model.pieces), *(f"[PAD{each}]" for each in range(padding))])
    writer.add_token_scores([*(piece.score for piece in model.pieces), *[-1000.0] * padding])
    writer.add_token_types([*(piece.type for piece in model.pieces), *[5] * padding])
    writer.add_add_space_prefix(model.normalizer_spec.add_dummy_prefix)
    writer.add_remove_extra_whitespaces(model.normalizer_spec.remove_extra_whitespaces)
    writer.add_precompiled_charsmap(model.normalizer_spec.precompiled_charsmap)
    writer.add_unk_token_id(2)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(0)
    for name, weight in weights.items():
        _add(writer, _llama_name(name), weight, kind if weight.dim() == 2 else "F32")
    _close(writer)
    return file


def _llama_name(name: str) -> str:
    if name == "token_embedding.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "enc.output_norm.weight"
    for own, theirs in _LLAMA.items():
        name = name.replace(own, theirs)
    return f"enc.{name.replace('blocks.', 'blk.')}"


def _add(writer: Any, name: str, weight: Any, kind: str) -> None:
    import gguf

    numbers = weight.float().numpy()
    quantised = gguf.GGMLQuantizationType[kind]
    if numbers.shape[-1] % gguf.GGML_QUANT_SIZES[quantised][0]:
        quantised = gguf.GGMLQuantizationType.F32
    writer.add_tensor(name, gguf.quants.quantize(numbers, quantised), raw_dtype=quantised)


def _close(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
