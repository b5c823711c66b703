"""Published distilled LoRAs for drafts: 4 steps without guidance.

By LightX2V, Apache-2.0. Commits and SHA-256 are those on the hub. The I2V LoRA for Wan 2.1 and the low-noise I2V LoRA
for Wan 2.2 are the same file under two names.
"""

from __future__ import annotations

from wan_render.model_card import PublishedLora

_WAN_2_1 = ("lightx2v/Wan2.1-Distill-Loras", "27ae38da91014b947dd39cc3fa78b97cd7b386dd")
_WAN_2_2 = ("lightx2v/Wan2.2-Distill-Loras", "main")

I2V_2_1 = (
    PublishedLora(
        "8833bd4fd7c8eabebf0bc8ee5cfaf47f4f310ce116928a02c1adf8941dd4b0f1",
        *_WAN_2_1,
        "wan2.1_i2v_lora_rank64_lightx2v_4step.safetensors",
    ),
)
"""Made for I2V-14B at 480p. None is published for the 720p model and for FLF2V-14B. Their layers are the same, so their
drafts use it as well."""

T2V_2_1 = (
    PublishedLora(
        "1c918df9eaa102766d8f99104209ce55fe7a892278a667a63d721c5d1c18efb1",
        *_WAN_2_1,
        "wan2.1_t2v_14b_lora_rank64_lightx2v_4step.safetensors",
    ),
)

I2V_2_2 = (
    PublishedLora(
        "887c3bdeb74e83859c920438e16ca31f39ab18ce189abc5f0e36f8348c5bbb19",
        *_WAN_2_2,
        "wan2.2_i2v_A14b_high_noise_lora_rank64_lightx2v_4step_1022.safetensors",
        "high",
    ),
    PublishedLora(
        "8833bd4fd7c8eabebf0bc8ee5cfaf47f4f310ce116928a02c1adf8941dd4b0f1",
        *_WAN_2_2,
        "wan2.2_i2v_A14b_low_noise_lora_rank64_lightx2v_4step_1022.safetensors",
        "low",
    ),
)

T2V_2_2 = (
    PublishedLora(
        "89003385f8a9d53ba58fd6ede647fdc90292e8568a54683fcfe6db5556a31769",
        *_WAN_2_2,
        "wan2.2_t2v_A14b_high_noise_lora_rank64_lightx2v_4step_1217.safetensors",
        "high",
    ),
    PublishedLora(
        "4df7c206f3189472da2f92c0a42dcf308f04433d9c14302d08d56e99a3f51322",
        *_WAN_2_2,
        "wan2.2_t2v_A14b_low_noise_lora_rank64_lightx2v_4step_1217.safetensors",
        "low",
    ),
)
