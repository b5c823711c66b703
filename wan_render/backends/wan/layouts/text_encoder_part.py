"""A file of UMT5, Wan's text encoder."""

from __future__ import annotations

from wan_render.backends.wan.layouts.part import NoPart, Part, PartKind, layer_count, placed_shapes, targets_of
from wan_render.backends.wan.layouts.weight_names import text_encoder_name
from wan_render.backends.wan.layouts.weights_file import WeightsFile


def is_text_encoder(names: set[str]) -> bool:
    """Whether these names of weights are a T5 encoder's."""
    return bool(names & {"token_embedding.weight", "shared.weight", "token_embd.weight"})


def text_encoder_part(file: WeightsFile) -> Part | NoPart:
    """The text encoder in a file. Raises KeyError, ValueError for weights that are missing or of other shapes."""
    names = targets_of(file, text_encoder_name)
    shapes = placed_shapes(file, names)
    bias = "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias.weight"
    if bias.format(1) not in shapes:
        return NoPart(file, "a T5 encoder, but not UMT5, which is Wan's")
    heads = shapes[bias.format(0)][1]
    wide, narrow = shapes["encoder.block.0.layer.1.DenseReluDense.wi_0.weight"]
    layers = layer_count(shapes, "encoder.block.")
    config = {
        "architectures": ["UMT5EncoderModel"],
        "model_type": "umt5",
        "d_model": narrow,
        "d_ff": wide,
        "d_kv": shapes["encoder.block.0.layer.0.SelfAttention.q.weight"][0] // heads,
        "num_heads": heads,
        "num_layers": layers,
        "vocab_size": shapes["shared.weight"][0],
        "feed_forward_proj": "gated-gelu",
        "relative_attention_num_buckets": shapes[bias.format(0)][0],
        "relative_attention_max_distance": 128,
        "layer_norm_epsilon": 1e-06,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }
    tokenizer = ", with its tokenizer" if file.has_tokenizer else ""
    return Part(
        PartKind.TEXT_ENCODER,
        file,
        names,
        config,
        f"text encoder UMT5: {layers} layers of {narrow}, {file.precision}{tokenizer}",
    )
