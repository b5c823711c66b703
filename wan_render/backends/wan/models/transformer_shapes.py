"""The names and shapes of a Wan transformer's weights, from its configuration, and the configurations of the published
models. Needs no torch and no weights.

They follow diffusers' WanTransformer3DModel (`models/transformers/transformer_wan.py`) and WanVACETransformer3DModel. A
test compares all names and shapes with these classes, for every published model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod

from wan_render.backends.wan.checkpoint.configs import TransformerConfig
from wan_render.backends.wan.models import official

Shape = tuple[int, ...]

T2V_14B = TransformerConfig()
I2V_A14B = TransformerConfig(in_channels=36)
I2V_14B = TransformerConfig(in_channels=36, image_dim=1280, added_kv_proj_dim=5120)
FLF2V_14B = TransformerConfig(in_channels=36, image_dim=1280, added_kv_proj_dim=5120, pos_embed_seq_len=514)
T2V_1_3B = TransformerConfig(num_attention_heads=12, ffn_dim=8960, num_layers=30)
VACE_14B = TransformerConfig(vace_layers=tuple(range(0, 40, 5)))
VACE_1_3B = TransformerConfig(num_attention_heads=12, ffn_dim=8960, num_layers=30, vace_layers=tuple(range(0, 30, 2)))
TI2V_5B = TransformerConfig(num_attention_heads=24, ffn_dim=14336, num_layers=30, in_channels=48, out_channels=48)

PUBLISHED_BUILDS = {
    official.FLF2V_14B.identity: FLF2V_14B,
    official.I2V_14B_480P.identity: I2V_14B,
    official.I2V_14B_720P.identity: I2V_14B,
    official.T2V_1_3B.identity: T2V_1_3B,
    official.T2V_14B.identity: T2V_14B,
    official.VACE_1_3B.identity: VACE_1_3B,
    official.VACE_14B.identity: VACE_14B,
    official.I2V_A14B.identity: I2V_A14B,
    official.T2V_A14B.identity: T2V_14B,
    official.TI2V_5B.identity: TI2V_5B,
}
"""By the identity of each published model. If a model has two transformers, both have the same configuration.

Sources: `wan/configs` of Wan-Video/Wan2.1 and Wan2.2, and `scripts/convert_wan_to_diffusers.py` of diffusers.
"""

SPARSE_LINEAR_LAYER = "attn1.sparse_linear"
"""The name of a block's sparse-linear attention within the block. diffusers' transformer has none."""

_KEYS_AND_VALUES = ("attn2.to_k.", "attn2.to_v.", "attn2.norm_k.", "attn2.add_", "attn2.norm_added_")
"""How the names of a block's weights begin that only see the text and the pictures."""


def sees_only_context(weight: str) -> bool:
    """Whether a block's weight only makes keys and values of the cross-attention: those are computed once per text,
    not once per step. weight: its name within the block."""
    return weight.startswith(_KEYS_AND_VALUES)


def is_sparse_linear(weight: str) -> bool:
    """Whether a weight is one of sparse-linear attention. weight: its name in the transformer."""
    return f".{SPARSE_LINEAR_LAYER}." in weight


def sparse_linear_shapes(config: TransformerConfig) -> Mapping[str, Shape]:
    """The weights of sparse-linear attention, by their names in the transformer; none for full attention."""
    return {name: shape for name, shape in weight_shapes(config).items() if is_sparse_linear(name)}


def block_shapes(config: TransformerConfig) -> Mapping[str, Shape]:
    """The shape of every weight of one block, by its name in the block."""
    return dict(_block(config))


def weight_shapes(config: TransformerConfig) -> Mapping[str, Shape]:
    """The shape of every weight, by its name in diffusers' transformer."""
    block = dict(_block(config))
    blocks = {f"blocks.{number}.{name}": shape for number in range(config.num_layers) for name, shape in block.items()}
    return dict(_outside(config)) | blocks | dict(_vace(config))


def _vace(config: TransformerConfig) -> Iterator[tuple[str, Shape]]:
    """The weights for the video that a VACE model sees: a block for each of its layers; none for other models."""
    if not config.vace_layers:
        return
    width = config.width
    yield "vace_patch_embedding.weight", (width, config.vace_in_channels, *config.patch_size)
    yield "vace_patch_embedding.bias", (width,)
    for place in range(len(config.vace_layers)):
        block = f"vace_blocks.{place}"
        yield from ((f"{block}.{name}", shape) for name, shape in _block(config))
        if not place:
            yield from _linear(f"{block}.proj_in", width, width)
        yield from _linear(f"{block}.proj_out", width, width)


def _outside(config: TransformerConfig) -> Iterator[tuple[str, Shape]]:
    """The weights outside the blocks."""
    width, out = config.width, config.out_channels or config.in_channels
    yield "scale_shift_table", (1, 2, width)
    yield "patch_embedding.weight", (width, config.in_channels, *config.patch_size)
    yield "patch_embedding.bias", (width,)
    yield from _linear("proj_out", width, out * prod(config.patch_size))
    embedder = "condition_embedder"
    yield from _linear(f"{embedder}.time_embedder.linear_1", config.freq_dim, width)
    yield from _linear(f"{embedder}.time_embedder.linear_2", width, width)
    yield from _linear(f"{embedder}.time_proj", width, 6 * width)
    yield from _linear(f"{embedder}.text_embedder.linear_1", config.text_dim, width)
    yield from _linear(f"{embedder}.text_embedder.linear_2", width, width)
    if config.image_dim is not None:
        yield from _image_embedder(f"{embedder}.image_embedder", config.image_dim, config)


def _image_embedder(name: str, seen: int, config: TransformerConfig) -> Iterator[tuple[str, Shape]]:
    """The weights that project CLIP's `seen` features for the blocks."""
    if config.pos_embed_seq_len is not None:
        yield f"{name}.pos_embed", (1, config.pos_embed_seq_len, seen)
    yield from _norm(f"{name}.norm1", seen)
    yield from _linear(f"{name}.ff.net.0.proj", seen, seen)
    yield from _linear(f"{name}.ff.net.2", seen, config.width)
    yield from _norm(f"{name}.norm2", config.width)


def _block(config: TransformerConfig) -> Iterator[tuple[str, Shape]]:
    width = config.width
    yield "scale_shift_table", (1, 6, width)
    for attention in ("attn1", "attn2"):
        for layer in ("to_q", "to_k", "to_v", "to_out.0"):
            yield from _linear(f"{attention}.{layer}", width, width)
        yield f"{attention}.norm_q.weight", (width,)
        yield f"{attention}.norm_k.weight", (width,)
    if config.added_kv_proj_dim is not None:
        yield from _linear("attn2.add_k_proj", config.added_kv_proj_dim, width)
        yield from _linear("attn2.add_v_proj", config.added_kv_proj_dim, width)
        yield "attn2.norm_added_k.weight", (width,)
    if config.attended_share is not None:
        yield from _linear(f"{SPARSE_LINEAR_LAYER}.project", config.attention_head_dim, config.attention_head_dim)
    if config.cross_attn_norm:
        yield from _norm("norm2", width)
    yield from _linear("ffn.net.0.proj", width, config.ffn_dim)
    yield from _linear("ffn.net.2", config.ffn_dim, width)


def _linear(name: str, seen: int, given: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (given, seen)
    yield f"{name}.bias", (given,)


def _norm(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)
