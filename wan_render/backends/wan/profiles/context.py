"""What a transformer computes from text and pictures alone: once per take, not once per step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from wan_render.backends.wan.kernels.arithmetic import split
from wan_render.backends.wan.kernels.attention_check import LayerChecks
from wan_render.backends.wan.profiles.first_block import FirstBlock

KEPT = 2
"""With the negative prompt and without."""

KeysAndValues = tuple[torch.Tensor, torch.Tensor]
"""Both are (1, tokens, heads, features of a head). Keys are normed."""


@dataclass(frozen=True)
class Crossed:
    """Keys and values of one block's cross-attention: of the text, and of the pictures if the model has CLIP."""

    words: KeysAndValues
    pictures: KeysAndValues | None


@dataclass
class ShotContext:
    """The context of one text with its pictures: keys and values for every block, the first-block cache, and the checks
    of attention in float8.

    Predictions with the prompt and with the negative prompt have a context each, so they cannot be mixed up.
    """

    text: torch.Tensor
    pictures: torch.Tensor | None
    blocks: tuple[Crossed, ...]
    checks: LayerChecks
    first_block: FirstBlock = field(default_factory=FirstBlock)


class CrossLayers(torch.nn.Module):
    """The layers of a cross-attention that see the text and the pictures, taken over from diffusers' module."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads = attention.heads
        self.to_k, self.to_v, self.norm_k = attention.to_k, attention.to_v, attention.norm_k
        self.add_k_proj = attention.add_k_proj
        if attention.add_k_proj is not None:
            self.add_v_proj, self.norm_added_k = attention.add_v_proj, attention.norm_added_k


class Contexts:
    """The contexts in use. A text is recognised by the identity of its tensor, which is kept so that its id stays
    unique."""

    def __init__(self, embedder: Any, attentions: Iterable[Any]) -> None:
        """embedder: diffusers' condition embedder. attentions: the cross-attention of each block; they are looped over
        for each text, since they may be streamed."""
        self._embedder = embedder
        self._attentions = attentions
        self._known: deque[ShotContext] = deque(maxlen=KEPT)

    def of(self, text: torch.Tensor, pictures: torch.Tensor | None) -> ShotContext:
        """The context of a text (1, 512, features) and CLIP's view of the keyframes; computed if it is new."""
        for known in self._known:
            if known.text is text and known.pictures is pictures:
                return known
        if len(self._known) == KEPT:
            self._known.popleft()  # freed before the next one needs the memory
        words = self._embedder.text_embedder(text)
        shown = None if pictures is None else self._embedder.image_embedder(pictures)
        blocks = tuple(crossed(attention, words, shown) for attention in self._attentions)
        self._known.append(ShotContext(text, pictures, blocks, LayerChecks(len(blocks))))
        return self._known[-1]

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


def crossed(attention: Any, words: torch.Tensor, shown: torch.Tensor | None) -> Crossed:
    """Keys and values of one cross-attention, by the layers of diffusers' module."""
    heads = attention.heads
    of_words = (split(attention.norm_k(attention.to_k(words))[0], heads), split(attention.to_v(words)[0], heads))
    if shown is None or attention.add_k_proj is None:
        return Crossed(of_words, None)
    key = attention.norm_added_k(attention.add_k_proj(shown))
    return Crossed(of_words, (split(key[0], heads), split(attention.add_v_proj(shown)[0], heads)))
