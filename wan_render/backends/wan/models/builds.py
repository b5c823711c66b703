"""How the transformers of the published models are built: what a plan can know of them without their files.

Sources: `wan/configs` of Wan-Video/Wan2.1 and Wan2.2, and `scripts/convert_wan_to_diffusers.py` of diffusers. A model
with two transformers has two of one build.
"""

from __future__ import annotations

from wan_render.backends.wan.checkpoint.configs import TransformerConfig
from wan_render.backends.wan.models import official

T2V_14B = TransformerConfig()
I2V_A14B = TransformerConfig(in_channels=36)
I2V_14B = TransformerConfig(in_channels=36, image_dim=1280, added_kv_proj_dim=5120)
FLF2V_14B = TransformerConfig(in_channels=36, image_dim=1280, added_kv_proj_dim=5120, pos_embed_seq_len=514)
T2V_1_3B = TransformerConfig(num_attention_heads=12, ffn_dim=8960, num_layers=30)
TI2V_5B = TransformerConfig(num_attention_heads=24, ffn_dim=14336, num_layers=30, in_channels=48, out_channels=48)

BY_IDENTITY = {
    official.FLF2V_14B.identity: FLF2V_14B,
    official.I2V_14B_480P.identity: I2V_14B,
    official.I2V_14B_720P.identity: I2V_14B,
    official.T2V_1_3B.identity: T2V_1_3B,
    official.T2V_14B.identity: T2V_14B,
    official.I2V_A14B.identity: I2V_A14B,
    official.T2V_A14B.identity: T2V_14B,
    official.TI2V_5B.identity: TI2V_5B,
}
