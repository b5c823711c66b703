"""Names that LoRAs for Wan 2.2 are published under, and words that only look like them."""

from __future__ import annotations

import pytest

from wan_render.plan.lora_experts import expert_in_name, is_by_letter

PAIRS = [
    ("wan2.2_i2v_A14b_{0}_noise_lora_rank64_lightx2v_4step_1022", "high low"),
    ("wan2.2_i2v_lightx2v_4steps_lora_v1_{0}_noise", "high low"),
    ("Wan2.2-T2V-A14B-4steps-lora-rank64-Seko-V1.1/{0}_noise_model", "high low"),
    ("Wan_2_2_I2V_A14B_{0}_lightx2v_MoE_distill_lora_rank_64_bf16", "HIGH LOW"),
    ("Wan22-I2V-{0}-Slow_Harbour_Walk", "HIGH LOW"),
    ("Wan2.2-Fun-A14B-InP-{0}-noise-HPS2.1", "high low"),
    ("harbour_I2V_14b_{0}Noise", "High Low"),
    ("HarbourWan2.2{0}Noise", "High Low"),
    ("magical_morph_{0}noise", "high low"),
    ("DRIFT_I2V_14B_{0}_V2", "HIGH LOW"),
    ("Bounce{0}Wan2_2", "High Low"),
    ("wan22RemixT2VI2V_i2v{0}V30", "High Low"),
    ("wan22-spl4sh-154epoc-{0}-k3", "high low"),
    ("model_{0}", "HN LN"),
    ("W22_{0}_i2v_Harbour_v1", "HN LN"),
    ("HARBOUR-22-{0}-e8", "H L"),
    ("harbour-{0}-e8", "h l"),
    ("{0}_harbour", "H L"),
    ("{0}", "high low"),
    ("Style-A14B-{0}-rank4", "HIGH LOW"),
    ("style_{0}_4steps", "high low"),
    ("{0}_noise/style", "high low"),
    ("loras/wan22/{0}/style", "HIGH LOW"),
    ("low_poly_{0}_noise", "high low"),
    ("slow_yellow_highway_{0}", "high low"),
    ("{0}噪/style", "高 低"),
    ("harbour_{0}_noise", "hi lo"),
    ("harbour{0}Noise", "Hi Lo"),
    ("other_low_noise/style_{0}", "high low"),
    ("style_{0}v2", "HIGH LOW"),
    ("{0}_noise/v1/style", "high low"),
    ("wan22/{0}/styles/style", "HIGH LOW"),
    ("{0}/Samuel_L_Harbour", "high low"),
]

INITIALS = ["Samuel_L_Harbour", "H&M", "style-l", "H/style"]

NOTHING = [
    "slow_noise", "yellow", "highway", "glow", "follow", "highres", "lowpoly", "high_res", "hi_res",
    "hi-fi", "lo-fi", "say_hi", "low_poly", "low-poly",
    "LowPoly", "HighRes", "LowRA", "low_ra", "high_quality_v2", "slow-motion", "flow_match", "clip_l", "ViT-L-14",
    "vit-h", "style", "high_low_merged", "HighNoise_LowNoise", "wan2.2_lora", "allow_noise", "below_noise",
    "shallow", "lowlight", "high-contrast", "hollow", "h264_look", "h.264", "thigh_high-heels", "lownoiseless",
    "loras/slow/x", "loras/low-poly/x", "low_rank_adaptation", "highlander", "Marshmallow",
]  # fmt: skip


@pytest.mark.parametrize(("name", "words"), PAIRS)
def test_a_pair_says_which_is_which(name: str, words: str) -> None:
    assert [expert_in_name(name.format(word) + ".safetensors") for word in words.split()] == ["high", "low"]


@pytest.mark.parametrize("name", NOTHING)
def test_words_that_only_look_like_it_say_nothing(name: str) -> None:
    assert expert_in_name(f"{name}.safetensors") == ""


@pytest.mark.parametrize("name", INITIALS)
def test_a_letter_is_known_to_be_no_word(name: str) -> None:
    assert expert_in_name(f"{name}.safetensors")
    assert is_by_letter(f"{name}.safetensors")
    assert not is_by_letter(f"low_noise/{name}.safetensors")
