"""Checkpoints of diffusers' audio pipelines with fixed random weights, saved as the published ones are."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.tiny_wan import diffusers


def transformers() -> Any:
    """The library, as far as types go anything."""
    return import_module("transformers")


def tiny_audio_ldm2(folder: Path, *, speaks: bool = False) -> Path:
    """A checkpoint of AudioLDM2Pipeline; with speaks, one for speech."""
    import torch

    torch.manual_seed(3)
    models, parts = diffusers(), transformers()
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = {word: at for at, word in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters, "Ġ"])}
    blocks = {"block_out_channels": [8, 16], "norm_num_groups": 8}
    pipeline = models.AudioLDM2Pipeline(
        vae=models.AutoencoderKL(
            in_channels=1,
            out_channels=1,
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
            **blocks,
        ),
        text_encoder=parts.ClapModel(_clap_config(parts, len(words))),
        tokenizer=parts.RobertaTokenizer(vocab=words, merges=[], model_max_length=20),
        text_encoder_2=parts.VitsModel(_vits_config(parts)) if speaks else parts.T5EncoderModel(_t5_config(parts)),
        tokenizer_2=_vits_tokenizer(parts, folder) if speaks else _t5_tokenizer(parts, letters),
        projection_model=models.AudioLDM2ProjectionModel(16, 32, 16),
        language_model=parts.GPT2LMHeadModel(
            parts.GPT2Config(n_embd=16, n_head=2, n_layer=1, vocab_size=50, max_new_tokens=8)
        ),
        feature_extractor=parts.ClapFeatureExtractor(),
        unet=models.AudioLDM2UNet2DConditionModel(
            layers_per_block=1,
            sample_size=16,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=([None, 16, 32], [None, 16, 32]),
            attention_head_dim=4,
            **blocks,
        ),
        scheduler=models.DDIMScheduler(clip_sample=False, set_alpha_to_one=False),
        vocoder=parts.SpeechT5HifiGan(
            parts.SpeechT5HifiGanConfig(
                model_in_dim=8, sampling_rate=4000, upsample_rates=[2, 2], normalize_before=False, **_upsampling()
            )
        ),
    )
    pipeline.save_pretrained(str(folder), safe_serialization=True)
    return folder


def _clap_config(parts: Any, words: int) -> Any:
    layers = {"num_hidden_layers": 2, "intermediate_size": 20, "projection_dim": 16}
    text = {"hidden_size": 16, "num_attention_heads": 2, "vocab_size": words, **layers}
    audio = {
        "spec_size": 64,
        "window_size": 4,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "hidden_size": 64,
        "patch_embeds_hidden_size": 32,
        "patch_size": 2,
        "patch_stride": 2,
        **layers,
    }
    tokens = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    return parts.ClapConfig(text_config=text | tokens, audio_config=audio, projection_dim=16)


def _t5_config(parts: Any) -> Any:
    return parts.T5Config(vocab_size=384, d_model=32, d_kv=8, d_ff=40, num_layers=1, num_heads=2)


def _t5_tokenizer(parts: Any, letters: str) -> Any:
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *((letter, -2.0) for letter in letters)]
    return parts.T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=20)


def _vits_config(parts: Any) -> Any:
    size = {"hidden_size": 32, "ffn_dim": 32, "flow_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return parts.VitsConfig(vocab_size=400, spectrogram_bins=9, upsample_rates=[2], **size, **_upsampling(1))


def _vits_tokenizer(parts: Any, folder: Path) -> Any:
    file = folder.parent / f"{folder.name}-vocab.json"
    file.write_text(json.dumps({character: at for at, character in enumerate(" abcdefghijklmnopqrstuvwxyz'_")}))
    return parts.VitsTokenizer(str(file), phonemize=False, pad_token="_", unk_token=" ", model_max_length=20)  # noqa: S106


def _upsampling(stages: int = 2) -> dict[str, Any]:
    return {
        "upsample_initial_channel": 8,
        "upsample_kernel_sizes": [4] * stages,
        "resblock_kernel_sizes": [3],
        "resblock_dilation_sizes": [[1, 3]],
    }


def tiny_stable_audio(folder: Path) -> Path:
    """A checkpoint of StableAudioPipeline."""

    import torch

    torch.manual_seed(7)
    parts, texts = diffusers(), transformers()
    config = texts.T5Config(vocab_size=384, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4)
    pipeline = parts.StableAudioPipeline(
        vae=parts.AutoencoderOobleck(
            encoder_hidden_size=6,
            downsampling_ratios=[2, 4, 8],
            decoder_channels=3,
            decoder_input_channels=3,
            channel_multiples=[1, 2, 4],
            sampling_rate=4000,
        ),
        text_encoder=texts.T5EncoderModel(config),
        projection_model=parts.StableAudioProjectionModel(32, 4, 0, 32),
        tokenizer=texts.ByT5Tokenizer(model_max_length=32),
        transformer=parts.StableAudioDiTModel(
            sample_size=128,
            in_channels=3,
            num_layers=2,
            attention_head_dim=4,
            num_key_value_attention_heads=2,
            num_attention_heads=2,
            cross_attention_dim=4,
            time_proj_dim=4,
            global_states_input_dim=8,
            cross_attention_input_dim=4,
            out_channels=3,
        ),
        scheduler=parts.CosineDPMSolverMultistepScheduler(
            sigma_min=0.3, sigma_max=500, solver_order=2, prediction_type="v_prediction", sigma_data=1.0
        ),
    )
    pipeline.save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: stable-audio-community\n---\n# x\n")
    return folder
