"""A Qwen2.5-VL with fixed random weights, saved as the published one is."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
LETTERS = 256


def tiny_qwen(folder: Path, licence: str = "apache-2.0") -> Path:
    """The folder of weights. Its words are single bytes."""
    import torch

    torch.manual_seed(5)
    transformers: Any = import_module("transformers")
    bytes_of: Any = import_module("transformers.convert_slow_tokenizer").bytes_to_unicode()
    words = {letter: at for at, letter in enumerate(bytes_of.values())}
    tokenizer = transformers.Qwen2Tokenizer(vocab=words, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": list(MARKS)})
    ids = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in MARKS}
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "vocab_size": 320, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0},
            "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"],
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 32,
            "fullatt_block_indexes": [1], "window_size": 56, "patch_size": 14,
        },
        image_token_id=ids["<|image_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    model = transformers.Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.save_pretrained(str(folder), safe_serialization=True)
    tokenizer.save_pretrained(str(folder))
    processor = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 14, "merge_size": 2}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor | {"temporal_patch_size": 2}))
    (folder / "README.md").write_text(f"---\nlicense: other\nlicense_name: {licence}\n---\n")
    return folder
