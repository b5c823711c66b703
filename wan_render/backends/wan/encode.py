"""Words and pictures as what the transformer reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from PIL import Image

from wan_render.render import Pixels

TEXT_TOKENS = 512
"""Every text is padded to this: the transformer takes all that comes before the last 512 tokens for pictures."""

KEPT_TEXTS = 64
"""Texts that are remembered, 4 MB each with the real encoder."""


class TextEmbeddings:
    """Texts encoded, each once: a film's negative prompt is the same in all of its shots.

    `encoder` gives the text encoder, on its device; it is asked for only when there is a new text.
    """

    def __init__(self, tokenizer: Any, encoder: Callable[[], torch.nn.Module]) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._known: dict[str, torch.Tensor] = {}

    def of(self, text: str) -> torch.Tensor:
        """(1, 512, features), in host memory, in the encoder's type; zeros after the text's own tokens."""
        known = self._known.pop(text, None)
        self._known[text] = known if known is not None else encode_text(text, self._tokenizer, self._encoder())
        while len(self._known) > KEPT_TEXTS:
            del self._known[next(iter(self._known))]
        return self._known[text]


def encode_text(text: str, tokenizer: Any, encoder: Any) -> torch.Tensor:
    """One text through tokenizer and encoder; longer texts end at 512 tokens, which the plan has warned about."""
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
    hidden = hidden.cpu()
    length = int(mask.gt(0).sum())
    return torch.cat([hidden[:, :length], hidden.new_zeros(1, TEXT_TOKENS - length, hidden.shape[2])], dim=1)


def encode_pictures(pictures: tuple[Pixels, ...], processor: Any, encoder: Any) -> torch.Tensor:
    """(pictures, tokens, features): the last but one layer of CLIP, as Wan 2.1 was trained with."""
    prepared = processor(images=[Image.fromarray(picture) for picture in pictures], return_tensors="pt")
    found: torch.Tensor = encoder(**prepared.to(encoder.device), output_hidden_states=True).hidden_states[-2]
    return found


def picture_tensor(picture: Pixels) -> torch.Tensor:
    """A plate (height, width, 3) uint8 as (1, 3, height, width) float32 from -1 to 1."""
    unit = picture.astype(np.float32) / 255.0
    return 2.0 * torch.from_numpy(unit).permute(2, 0, 1).unsqueeze(0) - 1.0
