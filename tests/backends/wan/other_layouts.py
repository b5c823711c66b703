"""A tiny FLF2V model in the layouts that people have: Wan's own files and ComfyUI's.

The names are those of Wan's and ComfyUI's code. They are written here apart from the product's tables, as the inverse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tiny_wan import _scheduler, diffusers

LAYERS = {
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "condition_embedder.image_embedder.norm1": "img_emb.proj.0",
    "condition_embedder.image_embedder.ff.net.0.proj": "img_emb.proj.1",
    "condition_embedder.image_embedder.ff.net.2": "img_emb.proj.3",
    "condition_embedder.image_embedder.norm2": "img_emb.proj.4",
    "condition_embedder.image_embedder.pos_embed": "img_emb.emb_pos",
    "proj_out": "head.head",
    "attn1.to_out.0": "self_attn.o",
    "attn2.to_out.0": "cross_attn.o",
    "attn2.add_k_proj": "cross_attn.k_img",
    "attn2.add_v_proj": "cross_attn.v_img",
    "attn2.norm_added_k": "cross_attn.norm_k_img",
    "attn1.to_": "self_attn.",
    "attn2.to_": "cross_attn.",
    "attn1.": "self_attn.",
    "attn2.": "cross_attn.",
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
    "norm2.": "norm3.",
}


def build() -> dict[str, Any]:
    """The components. Heads have 128 features, as in every published transformer; the VAE has Wan's levels."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel, UMT5Config, UMT5EncoderModel

    torch.set_num_threads(1)
    torch.manual_seed(5)
    clip = CLIPVisionConfig(
        hidden_size=160,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        hidden_act="gelu",
    )
    text = UMT5Config(vocab_size=384, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    transformer = diffusers().WanTransformer3DModel(
        num_attention_heads=1,
        in_channels=36,
        text_dim=32,
        freq_dim=64,
        ffn_dim=48,
        num_layers=2,
        image_dim=160,
        added_kv_proj_dim=128,
        pos_embed_seq_len=10,
    )
    torch.nn.init.normal_(transformer.condition_embedder.image_embedder.pos_embed)
    return {
        "transformer": transformer.to(torch.bfloat16),
        "text_encoder": UMT5EncoderModel(text).bfloat16(),
        "image_encoder": CLIPVisionModel(clip),
        "vae": diffusers().AutoencoderKLWan(base_dim=3),
    }


def save_as_diffusers(parts: Mapping[str, Any], folder: Path) -> Path:
    """As the published folders are."""
    from transformers import ByT5Tokenizer, CLIPImageProcessor

    diffusers().WanImageToVideoPipeline(
        **parts,
        tokenizer=ByT5Tokenizer(),
        image_processor=CLIPImageProcessor(
            crop_size={"height": 28, "width": 28}, size={"shortest_edge": 28}, resample=3
        ),
        scheduler=_scheduler("UniPCMultistepScheduler", 16.0),
    ).save_pretrained(str(folder))
    return folder


def wans_transformer(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The transformer under Wan's names."""
    return {_wans_name(name): weight for name, weight in parts["transformer"].state_dict().items()}


def _wans_name(name: str) -> str:
    if name.endswith("scale_shift_table"):
        return name.replace("scale_shift_table", "modulation") if "." in name else "head.modulation"
    if name.startswith("vace_blocks."):
        name = name.replace("proj_in", "before_proj").replace("proj_out", "after_proj")
    for theirs, own in LAYERS.items():
        if theirs in name:
            return name.replace(theirs, own)
    return name


def turbo_transformer(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The transformer as TurboDiffusion saves it: its first layer is a product, and every block has a projection of
    sparse-linear attention, in float32."""
    import torch

    found = wans_transformer(parts)
    found["patch_embedding.weight"] = found["patch_embedding.weight"].flatten(1)
    generator = torch.Generator().manual_seed(11)
    for layer, block in enumerate(parts["transformer"].blocks):
        features = block.attn1.inner_dim // block.attn1.heads
        own = f"blocks.{layer}.self_attn.attn_op.local_attn.proj_l"
        found[f"{own}.weight"] = torch.randn(features, features, generator=generator)
        found[f"{own}.bias"] = torch.randn(features, generator=generator)
    return found


def wans_text_encoder(parts: Mapping[str, Any]) -> dict[str, Any]:
    """UMT5 under Wan's names."""
    words = {
        "layer.0.layer_norm": "norm1",
        "layer.0.SelfAttention.relative_attention_bias": "pos_embedding.embedding",
        "layer.0.SelfAttention": "attn",
        "layer.1.layer_norm": "norm2",
        "layer.1.DenseReluDense.wi_0": "ffn.gate.0",
        "layer.1.DenseReluDense.wi_1": "ffn.fc1",
        "layer.1.DenseReluDense.wo": "ffn.fc2",
        "encoder.block": "blocks",
        "encoder.final_layer_norm": "norm",
        "shared": "token_embedding",
    }
    found = {}
    for name, weight in parts["text_encoder"].state_dict().items():
        if name == "encoder.embed_tokens.weight":
            continue
        for theirs, own in words.items():
            name = name.replace(theirs, own)
        found[name] = weight
    return found


def wans_image_encoder(parts: Mapping[str, Any]) -> dict[str, Any]:
    """CLIP under Wan's names, with the parts of it that Wan does not use."""
    import torch

    given = {name.removeprefix("vision_model."): each for name, each in parts["image_encoder"].state_dict().items()}
    found = {
        "visual.cls_embedding": given["embeddings.class_embedding"].reshape(1, 1, -1),
        "visual.pos_embedding": given["embeddings.position_embedding.weight"].unsqueeze(0),
        "visual.patch_embedding.weight": given["embeddings.patch_embedding.weight"],
        "visual.head": torch.zeros(160, 64),
        "log_scale": torch.tensor(1.0),
        "textual.token_embedding.weight": torch.zeros(3, 4),
    }
    for kind in ("weight", "bias"):
        found[f"visual.pre_norm.{kind}"] = given[f"pre_layrnorm.{kind}"]
        found[f"visual.post_norm.{kind}"] = given[f"post_layernorm.{kind}"]
        for layer in range(2):
            theirs, own = f"encoder.layers.{layer}", f"visual.transformer.{layer}"
            qkv = [given[f"{theirs}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
            found[f"{own}.attn.to_qkv.{kind}"] = torch.cat(qkv)
            for their, mine in (
                ("self_attn.out_proj", "attn.proj"),
                ("layer_norm1", "norm1"),
                ("layer_norm2", "norm2"),
                ("mlp.fc1", "mlp.0"),
                ("mlp.fc2", "mlp.2"),
            ):
                found[f"{own}.{mine}.{kind}"] = given[f"{theirs}.{their}.{kind}"]
    return found


def wans_vae(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The VAE under Wan's names: those of 2.1, or of 2.2, whose levels have lists of their own."""
    has_lists = parts["vae"].config.is_residual
    return {_wans_vae_name(name, has_lists=has_lists): weight for name, weight in parts["vae"].state_dict().items()}


def _wans_vae_name(name: str, *, has_lists: bool) -> str:
    words = {
        "norm1.gamma": "residual.0.gamma",
        "conv1.": "residual.2.",
        "norm2.gamma": "residual.3.gamma",
        "conv2.": "residual.6.",
        "conv_shortcut.": "shortcut.",
        "mid_block.resnets.0": "middle.0",
        "mid_block.attentions.0": "middle.1",
        "mid_block.resnets.1": "middle.2",
        "conv_in": "conv1",
        "norm_out": "head.0",
        "conv_out": "head.2",
        "down_blocks": "downsamples",
    }
    ends = {"quant_conv": "conv1", "post_quant_conv": "conv2"}
    first, _, rest = name.partition(".")
    if first in ends:
        return f"{ends[first]}.{rest}"
    for theirs, own in words.items():
        name = name.replace(theirs, own)
    listed = r"(en|de)coder\.(down|up)\w+\.(\d)\.(?:resnets\.(\d)|downsampler|upsampler)\.(.+)"
    if has_lists and (match := re.match(listed, name)):
        room, last = f"{match[2]}samples", 2 if match[2] == "down" else 3
        return f"{match[1]}coder.{room}.{match[3]}.{room}.{match[4] or last}.{match[5]}"
    if match := re.match(r"decoder\.up_blocks\.(\d)\.(resnets|upsamplers)\.(\d)\.(.+)", name):
        level, place = int(match[1]), int(match[3]) if match[2] == "resnets" else 3
        return f"decoder.upsamples.{4 * level + place}.{match[4]}"
    return name


def save_wans_own(parts: Mapping[str, Any], folder: Path) -> Path:
    """As the folder of the original repository: `.pth` encoders, and safetensors for the transformer."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    save_file(_apart(wans_transformer(parts)), folder / "diffusion_pytorch_model.safetensors")
    torch.save(wans_text_encoder(parts), folder / "models_t5_umt5-xxl-enc-bf16.pth")
    torch.save(wans_image_encoder(parts), folder / "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth")
    torch.save(wans_vae(parts), folder / "Wan2.1_VAE.pth")
    return folder


def spiece(folder: Path) -> Any:
    """A small tokenizer in sentencepiece's form, with UMT5's special tokens, as a tensor of bytes."""
    import sentencepiece
    import torch

    text = "the river runs to the sea and a deer looks up 山 水 白鸽 镜头 下降 naïve café"
    words = text.split(" ")
    corpus = [" ".join(words[place:] + words[:place]) for place in range(len(words))] * 4
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus),
        model_prefix=str(folder / "spiece"),
        vocab_size=80,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return torch.frombuffer(bytearray((folder / "spiece.model").read_bytes()), dtype=torch.uint8)


def save_as_comfyui(parts: Mapping[str, Any], folder: Path, scaled: str = "", tokenizer: Any = None) -> Path:
    """As the folders below ComfyUI/models. scaled: the name of the scales, for a transformer in float8. tokenizer: the
    bytes of one, which the text encoder's file gets."""
    from safetensors.torch import save_file

    files = {
        "diffusion_models/wan2.1_flf2v": wans_transformer(parts),
        "text_encoders/umt5_xxl_fp16": dict(parts["text_encoder"].state_dict()),
        "clip_vision/clip_vision_h": {
            f"vision_model.{name.removeprefix('vision_model.')}": weight
            for name, weight in parts["image_encoder"].state_dict().items()
        },
        "vae/wan_2.1_vae": wans_vae(parts),
    }
    if tokenizer is not None:
        files["text_encoders/umt5_xxl_fp16"] |= {"spiece_model": tokenizer}
    for name, weights in files.items():
        target = folder / f"{name}.safetensors"
        target.parent.mkdir(parents=True)
        is_scaled = scaled and "diffusion_models" in name
        save_file(_apart(in_float8(weights, scaled) if is_scaled else weights), target)
    return folder


def in_float8(weights: Mapping[str, Any], scales: str) -> dict[str, Any]:
    """Products of blocks in float8, with a scale each, and the marks that such files have."""
    import torch

    found = {"scaled_fp8": torch.zeros(2, dtype=torch.float8_e4m3fn)}
    for name, weight in weights.items():
        if not (name.startswith("blocks.") and name.endswith(".weight") and weight.dim() == 2):
            found[name] = weight
            continue
        scale = weight.float().abs().max() / 448
        found[name] = (weight.float() / scale).to(torch.float8_e4m3fn)
        found[f"{name.removesuffix('.weight')}.{scales}"] = scale.float()
    return found


def _apart(weights: Mapping[str, Any]) -> dict[str, Any]:
    """safetensors refuses tensors that share memory."""
    return {name: weight.clone().contiguous() for name, weight in weights.items()}
