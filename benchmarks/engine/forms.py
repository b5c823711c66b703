"""The configurations of the published Wan models, at full size, and the same builds small enough for a CPU.

Sources: `wan/configs` of Wan-Video/Wan2.1 and Wan2.2, and `scripts/convert_wan_to_diffusers.py` of diffusers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.official import Official

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """What a checkpoint's configurations say. index: of the pipeline; clip: None for a model without."""

    index: Config
    transformer: Config
    text: Config
    vae: Config
    clip: Config | None = None

    @property
    def transformer_class(self) -> str:
        """The class of its transformers in diffusers."""
        return "WanVACETransformer3DModel" if "vace_layers" in self.transformer else "WanTransformer3DModel"

    @property
    def components(self) -> tuple[str, ...]:
        """Those that have weights."""
        with_clip = () if self.clip is None else ("image_encoder",)
        experts = ("transformer", "transformer_2") if "boundary_ratio" in self.index else ("transformer",)
        return ("text_encoder", *with_clip, "vae", *experts)


UMT5_XXL = {"vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
CLIP_VIT_H = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "hidden_act": "gelu",
}
VAE_2_2 = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "dim_mult": [1, 2, 4, 4],
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "latents_mean": [0.0] * 48,  # not the published ones: weights are random anyway
    "latents_std": [1.0] * 48,
}
COMMON = {"attention_head_dim": 128, "out_channels": 16, "text_dim": 4096, "freq_dim": 256}
OF_14B = COMMON | {"num_attention_heads": 40, "ffn_dim": 13824, "num_layers": 40}
SEES_PICTURES = {"image_dim": 1280, "added_kv_proj_dim": 5120}

TEXT_TO_VIDEO = {"_class_name": "WanPipeline"}
IMAGE_TO_VIDEO = {"_class_name": "WanImageToVideoPipeline"}
VIDEO_TO_VIDEO = {"_class_name": "WanVACEPipeline"}

FLF2V = Form(
    IMAGE_TO_VIDEO, OF_14B | SEES_PICTURES | {"in_channels": 36, "pos_embed_seq_len": 514}, UMT5_XXL, {}, CLIP_VIT_H
)
I2V = replace(FLF2V, transformer=OF_14B | SEES_PICTURES | {"in_channels": 36})

FORMS: Mapping[Official, Form] = {
    official.FLF2V_14B: FLF2V,
    official.I2V_14B_480P: I2V,
    official.I2V_14B_720P: I2V,
    official.T2V_14B: Form(TEXT_TO_VIDEO, OF_14B | {"in_channels": 16}, UMT5_XXL, {}),
    official.T2V_1_3B: Form(
        TEXT_TO_VIDEO,
        COMMON | {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30, "in_channels": 16},
        UMT5_XXL,
        {},
    ),
    official.VACE_1_3B: Form(
        VIDEO_TO_VIDEO,
        COMMON
        | {"num_attention_heads": 12, "ffn_dim": 8960, "num_layers": 30, "in_channels": 16}
        | {"vace_layers": list(range(0, 30, 2)), "vace_in_channels": 96},
        UMT5_XXL,
        {},
    ),
    official.VACE_14B: Form(
        VIDEO_TO_VIDEO,
        OF_14B | {"in_channels": 16, "vace_layers": list(range(0, 40, 5)), "vace_in_channels": 96},
        UMT5_XXL,
        {},
    ),
    official.I2V_A14B: Form(IMAGE_TO_VIDEO | {"boundary_ratio": 0.9}, OF_14B | {"in_channels": 36}, UMT5_XXL, {}),
    official.T2V_A14B: Form(TEXT_TO_VIDEO | {"boundary_ratio": 0.875}, OF_14B | {"in_channels": 16}, UMT5_XXL, {}),
    official.TI2V_5B: Form(
        TEXT_TO_VIDEO | {"expand_timesteps": True},
        COMMON | {"num_attention_heads": 24, "ffn_dim": 14336, "num_layers": 30, "in_channels": 48, "out_channels": 48},
        UMT5_XXL,
        VAE_2_2,
    ),
}

SMALL_TRANSFORMER = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": 32,
    "freq_dim": 64,
    "ffn_dim": 48,
    "num_layers": 2,
    "image_dim": 16,
    "added_kv_proj_dim": 24,
    "pos_embed_seq_len": 10,
    "vace_layers": [0, 1],
}
SMALL_TEXT = {"vocab_size": 384, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
SMALL_CLIP = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}


def tiny(form: Form) -> Form:
    """The same build, for a try on a CPU."""
    widths = {"base_dim": 8, "decoder_base_dim": 8, "dim_mult": [1, 2, 2, 2]}
    vae = dict(form.vae) | widths if form.vae else {"base_dim": 3, "dim_mult": [1, 1, 1, 1]}
    transformer = {key: SMALL_TRANSFORMER.get(key, value) for key, value in form.transformer.items()}
    return replace(
        form,
        transformer=transformer,
        text=SMALL_TEXT,
        vae=vae | {"num_res_blocks": 1},
        clip=None if form.clip is None else SMALL_CLIP,
    )


def form_of(model: Official, *, is_tiny: bool) -> Form:
    """A model's configurations."""
    return tiny(FORMS[model]) if is_tiny else FORMS[model]
