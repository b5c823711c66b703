"""Tiny checkpoints of every kind of Wan model, random weights in the real layout: 1 MB and a second each."""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

from wan_render.model_card import ModelCard
from wan_render.take import ShotKind, Size

SIZE = Size(64, 48)
SIZE_5B = Size(64, 32)


@dataclass(frozen=True)
class TinyKind:
    """How one family of models is built, and what is rendered with it in tests."""

    pipeline: str
    kinds: tuple[ShotKind, ...]
    has_clip: bool = False
    clip_pictures: int = 1
    boundary_ratio: float | None = None
    is_5b: bool = False
    flow_shift: float = 3.0
    heads: int = 2
    clip_width: int = 16
    clip_heads: int = 2
    clip_side: int = 28

    @property
    def size(self) -> Size:
        """The smallest raster worth rendering."""
        return SIZE_5B if self.is_5b else SIZE

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return Fraction(24 if self.is_5b else 16)

    @property
    def experts(self) -> int:
        """Transformers."""
        return 2 if self.boundary_ratio else 1

    @property
    def clip_tokens(self) -> int:
        """Of one picture: patches of 14x14 pixels, and one for the whole."""
        return (self.clip_side // 14) ** 2 + 1


KINDS = {
    "t2v-2.1": TinyKind("WanPipeline", (ShotKind.T2V,)),
    "i2v-2.1": TinyKind("WanImageToVideoPipeline", (ShotKind.I2V,), has_clip=True),
    "flf2v-2.1": TinyKind("WanImageToVideoPipeline", (ShotKind.FLF2V,), has_clip=True, clip_pictures=2),
    "t2v-a14b": TinyKind("WanPipeline", (ShotKind.T2V,), boundary_ratio=0.875),
    "i2v-a14b": TinyKind("WanImageToVideoPipeline", (ShotKind.I2V, ShotKind.FLF2V), boundary_ratio=0.9),
    "ti2v-5b": TinyKind("WanPipeline", (ShotKind.T2V, ShotKind.I2V), is_5b=True, flow_shift=5.0),
    "vace": TinyKind("WanVACEPipeline", (ShotKind.BRIDGE,)),
}

Z_DIM = 16
HEAD_FEATURES = 12


def save_tiny(kind: TinyKind, folder: Path, scheduler: str = "UniPCMultistepScheduler") -> Path:
    """Build a checkpoint with fixed random weights and save it as the published ones are."""
    import torch

    torch.set_num_threads(1)  # with more, threads of so small a model only wait for each other
    torch.manual_seed(7)
    parts: dict[str, Any] = {
        "tokenizer": _tokenizer(),
        "text_encoder": _text_encoder(),
        "vae": _vae(is_5b=kind.is_5b),
        "scheduler": _scheduler(scheduler, kind.flow_shift),
        "transformer": _transformer(kind),
        "transformer_2": _transformer(kind) if kind.experts == 2 else None,
        "boundary_ratio": kind.boundary_ratio,
        **({} if kind.pipeline == "WanVACEPipeline" else {"expand_timesteps": kind.is_5b}),
    }
    if kind.has_clip:
        parts |= {"image_encoder": _image_encoder(kind), "image_processor": _image_processor(kind)}
    pipeline = getattr(diffusers(), kind.pipeline)(**parts)
    pipeline.save_pretrained(str(folder), safe_serialization=True)
    del pipeline, parts
    _keep_what_was_imported()
    return folder


def with_sparse_linear(folder: Path) -> Path:
    """Give a checkpoint of one transformer sparse-linear attention to three tenths of the blocks of keys."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(5)
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"_wan_render_attended_share": 0.3}))
    shapes = {"weight": (HEAD_FEATURES, HEAD_FEATURES), "bias": (HEAD_FEATURES,)}
    weights = {
        f"blocks.{layer}.attn1.sparse_linear.project.{name}": torch.randn(shape, generator=generator)
        for layer in range(2)
        for name, shape in shapes.items()
    }
    save_file(weights, config.with_name("sparse_linear_attention.safetensors"))
    return folder


def _keep_what_was_imported() -> None:
    """Renderers that close collect garbage. Among the half million objects of diffusers there is none: looking takes a
    third of a second, longer than most of these tests."""
    gc.collect()
    gc.freeze()


def card_of(folder: Path) -> ModelCard:
    """The card of a saved checkpoint."""
    from wan_render.backends.wan.models.local_folder import folder_card
    from wan_render.facts import FactCache

    return folder_card(folder, FactCache(folder.parent / f"{folder.name}-facts"))


def diffusers() -> Any:
    """The library, as far as types go anything: only some of its functions are typed."""
    return import_module("diffusers")


def _tokenizer() -> Any:
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


def _text_encoder() -> Any:
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(vocab_size=384, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    return UMT5EncoderModel(config)


def _vae(*, is_5b: bool) -> Any:
    if not is_5b:
        return diffusers().AutoencoderKLWan(base_dim=3, z_dim=Z_DIM, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    return diffusers().AutoencoderKLWan(
        base_dim=8,
        decoder_base_dim=8,
        z_dim=Z_DIM,
        dim_mult=[1, 2, 2, 2],
        num_res_blocks=1,
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
    )


def _scheduler(name: str, shift: float) -> Any:
    if name == "UniPCMultistepScheduler":
        return diffusers().UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=shift
        )
    return diffusers().FlowMatchEulerDiscreteScheduler(shift=shift)


def _transformer(kind: TinyKind) -> Any:
    latents_only = kind.pipeline != "WanImageToVideoPipeline"
    sees_video = kind.pipeline == "WanVACEPipeline"
    cls = diffusers().WanVACETransformer3DModel if sees_video else diffusers().WanTransformer3DModel
    return cls(
        patch_size=(1, 2, 2),
        num_attention_heads=kind.heads,
        attention_head_dim=HEAD_FEATURES,
        in_channels=Z_DIM if latents_only else 2 * Z_DIM + 4,
        out_channels=Z_DIM,
        text_dim=32,
        freq_dim=64,
        ffn_dim=48,
        num_layers=2,
        cross_attn_norm=True,
        image_dim=kind.clip_width if kind.has_clip else None,
        added_kv_proj_dim=HEAD_FEATURES * kind.heads if kind.has_clip else None,
        rope_max_seq_len=64,
        pos_embed_seq_len=2 * kind.clip_tokens if kind.clip_pictures == 2 else None,
        **({"vace_layers": [0, 1], "vace_in_channels": 2 * Z_DIM + 64} if sees_video else {}),
    )


def _image_encoder(kind: TinyKind) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=kind.clip_width,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=kind.clip_heads,
        image_size=kind.clip_side,
        patch_size=14,
    )
    return CLIPVisionModel(config)


def _image_processor(kind: TinyKind) -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(
        crop_size={"height": kind.clip_side, "width": kind.clip_side}, size={"shortest_edge": kind.clip_side}
    )
