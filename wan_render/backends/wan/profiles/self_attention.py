"""Self-attention of diffusers' blocks by another attention, over tokens that may be spread over several devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from wan_render.backends.wan.kernels.attention import Attend
from wan_render.backends.wan.profiles.exchange import Exchange

Rotation = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines (1, tokens, 1, features of a head). Each number occurs twice."""


class SelfAttentionProcessor:
    """Self-attention as in diffusers' WanAttnProcessor."""

    def __init__(self, exchange: Exchange, attend: Attend) -> None:
        self._exchange, self.attend = exchange, attend

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        rotary_emb: Rotation | None = None,
    ) -> torch.Tensor:
        """(1, own tokens, features) to the same shape, by the layers of `attn`."""
        if encoder_hidden_states is not None or attention_mask is not None or rotary_emb is None:
            raise ValueError("expected a self-attention with positions and no mask")

        def heads(layer: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
            return layer(hidden_states).view(*hidden_states.shape[:2], attn.heads, -1)

        sent = self._exchange.to_heads
        query = sent(_rotated(heads(lambda tokens: attn.norm_q(attn.to_q(tokens))), rotary_emb))
        key = sent(_rotated(heads(lambda tokens: attn.norm_k(attn.to_k(tokens))), rotary_emb))
        value = sent(heads(attn.to_v))
        found = self._exchange.to_tokens(self.attend(query(), key(), value()))
        projected: torch.Tensor = attn.to_out[0](found.flatten(2).type_as(hidden_states))
        return projected  # diffusers' dropout after it does nothing in eval mode


def _rotated(numbers: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """Pairs of features, rotated by the angles of their position."""
    cos, sin = rotation[0][..., 0::2], rotation[1][..., 1::2]
    one, other = numbers.view(*numbers.shape[:-1], -1, 2).unbind(-1)
    return torch.stack([one * cos - other * sin, one * sin + other * cos], dim=-1).flatten(-2).type_as(numbers)
