"""The small model: its configurations, its parts before they are taught, and its folder in diffusers' layout.

Text encoder and CLIP stay random: the transformer learns what they make of prompts and pictures. The head dimension is
that of the published models, because kernels are made for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.learnt.packed_frames import CHANNELS
from wan_render.take import Size

SHIFT = 3.0
"""The published shift at 480p, for learning and for sampling."""

TEXT = {"vocab_size": 384, "d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 4}
CLIP = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}
PICTURE_TOKENS = 1 + (CLIP["image_size"] // CLIP["patch_size"]) ** 2


@dataclass(frozen=True)
class Scale:
    """How large model and clips are. heads: of 128 features each. batch: scenes of a step of training."""

    heads: int
    layers: int
    vae_width: int
    size: Size
    frames: int
    batch: int

    @property
    def latent_frames(self) -> int:
        """Latent frames of a clip."""
        return (self.frames - 1) // 4 + 1


ON_A_GPU = Scale(heads=4, layers=8, vae_width=32, size=Size(128, 80), frames=33, batch=64)
"""40 million parameters of the transformer, 360 tokens."""
ON_A_CPU = Scale(heads=1, layers=4, vae_width=8, size=Size(80, 48), frames=17, batch=16)
"""For tests: 1.4 million parameters, 75 tokens."""
SCALES: Mapping[str, Scale] = {"gpu": ON_A_GPU, "cpu": ON_A_CPU}


def transformer_of(scale: Scale) -> Any:
    """A transformer with the first weights of training; its output is 0 at first."""
    features = 128 * scale.heads
    found = import_module("diffusers").WanTransformer3DModel(
        num_attention_heads=scale.heads,
        attention_head_dim=128,
        in_channels=2 * CHANNELS + 4,
        out_channels=CHANNELS,
        text_dim=TEXT["d_model"],
        freq_dim=256,
        ffn_dim=4 * features,
        num_layers=scale.layers,
        image_dim=CLIP["hidden_size"],
        added_kv_proj_dim=features,
        rope_max_seq_len=256,
        pos_embed_seq_len=2 * PICTURE_TOKENS,
    )
    torch.nn.init.zeros_(found.proj_out.weight)
    torch.nn.init.zeros_(found.proj_out.bias)
    return found


@dataclass(frozen=True)
class Readers:
    """What reads prompts and keyframes, with random weights. In float32."""

    tokenizer: Any
    text_encoder: Any
    image_processor: Any
    image_encoder: Any


def readers() -> Readers:
    """Always the same ones."""
    transformers = import_module("transformers")
    torch.manual_seed(7)
    edge = CLIP["image_size"]
    return Readers(
        transformers.ByT5Tokenizer(),
        transformers.UMT5EncoderModel(transformers.UMT5Config(**TEXT)).eval(),
        transformers.CLIPImageProcessor(crop_size={"height": edge, "width": edge}, size={"shortest_edge": edge}),
        transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**CLIP)).eval(),
    )


def scheduler_of(shift: float = SHIFT) -> Any:
    """The published scheduler."""
    return import_module("diffusers").UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift
    )


def save_model(folder: Path, transformer: Any, vae: Any, read: Readers, facts: Mapping[str, Any]) -> None:
    """Save a checkpoint as a user has it, with what is known of its training in learnt.json. It appears whole."""
    part = folder.with_name(f"{folder.name}.part")
    pipeline = import_module("diffusers").WanImageToVideoPipeline(
        tokenizer=read.tokenizer,
        text_encoder=read.text_encoder,
        image_processor=read.image_processor,
        image_encoder=read.image_encoder,
        transformer=transformer,
        vae=vae,
        scheduler=scheduler_of(),
    )
    pipeline.save_pretrained(str(part), safe_serialization=True)
    (part / "learnt.json").write_text(json.dumps(dict(facts), indent=2) + "\n", encoding="utf-8")
    part.rename(folder)
