"""Encodes texts and pictures for the transformer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from PIL import Image

from wan_render.backends.wan.models.limits import TEXT_TOKENS
from wan_render.render_values import Pixels


def encode_text(text: str, tokenizer: Any, encoder: Any) -> torch.Tensor:
    """The embedding of a text: (1, its tokens, features) in the encoder's type.

    The text is cleaned as in diffusers. A plan's texts are clean already (`wan_render.cleaning`), except for full-width
    commas. Texts are cut at 512 tokens; the plan warns about that.
    """
    cleaned = prompt_clean(text)  # type: ignore[no-untyped-call]  # diffusers types some of its functions
    tokens = tokenizer(
        [cleaned],
        padding="max_length",
        max_length=TEXT_TOKENS,
        truncation=True,
        add_special_tokens=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    mask = tokens.attention_mask
    hidden: torch.Tensor = encoder(tokens.input_ids.to(encoder.device), mask.to(encoder.device)).last_hidden_state
    return hidden[:, : int(mask.gt(0).sum())]


def padded(hidden: torch.Tensor) -> torch.Tensor:
    """An embedding padded with zeros to 512 tokens: (1, 512, features)."""
    _, length, features = hidden.shape
    return torch.cat([hidden, hidden.new_zeros(1, TEXT_TOKENS - length, features)], dim=1)


def encode_pictures(pictures: Sequence[Pixels], processor: Any, encoder: Any) -> torch.Tensor:
    """The penultimate layer of CLIP, as in Wan 2.1's training: (pictures, tokens, features), computed in one batch."""
    prepared = processor(images=[Image.fromarray(picture) for picture in pictures], return_tensors="pt")
    found: torch.Tensor = encoder(**prepared.to(encoder.device), output_hidden_states=True).hidden_states[-2]
    return found


def picture_tensor(picture: Pixels) -> torch.Tensor:
    """A plate (height, width, 3) uint8 as (1, 3, height, width) float32 from -1 to 1."""
    unit = picture.astype(np.float32) / 255.0
    return 2.0 * torch.from_numpy(unit).permute(2, 0, 1).unsqueeze(0) - 1.0
