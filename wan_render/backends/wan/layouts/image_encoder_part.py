"""A file of CLIP, which shows pictures to the models of Wan 2.1."""

from __future__ import annotations

from wan_render.backends.wan.layouts.part import Part, PartKind, layer_count, placed_shapes, targets_of
from wan_render.backends.wan.layouts.weight_names import image_encoder_name
from wan_render.backends.wan.layouts.weights_file import WeightsFile

CLIP_HEAD_DIM = 80
"""Of CLIP ViT-H/14."""


def is_image_encoder(names: set[str]) -> bool:
    """Whether these names of weights are CLIP's."""
    ends = ("embeddings.class_embedding", "visual.cls_embedding")
    return any(name.endswith(ends) for name in names)


def image_encoder_part(file: WeightsFile) -> Part:
    """The image encoder in a file. Raises KeyError, ValueError for weights that are missing or of other shapes."""
    names = targets_of(file, image_encoder_name)
    shapes = placed_shapes(file, names)
    width, _, patch, _ = shapes["embeddings.patch_embedding.weight"]
    tokens = shapes["embeddings.position_embedding.weight"][-2]  # Wan's own file puts a 1 before its sides
    layers = layer_count(shapes, "encoder.layers.")
    config = {
        "architectures": ["CLIPVisionModel"],
        "model_type": "clip_vision_model",
        "hidden_size": width,
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // CLIP_HEAD_DIM),
        "image_size": round((tokens - 1) ** 0.5) * patch,
        "patch_size": patch,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-05,
    }
    words = f"image encoder CLIP: {layers} layers of {width}, {file.precision}"
    return Part(PartKind.IMAGE_ENCODER, file, names, config, words)
