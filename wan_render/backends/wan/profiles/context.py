"""What a transformer computes from words and pictures alone: once for a shot, not once for a step."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch

from wan_render.backends.wan.kernels.arithmetic import split
from wan_render.backends.wan.profiles.first_block import FirstBlock

KEPT = 2
"""With the negative prompt and without."""

KeysAndValues = tuple[torch.Tensor, torch.Tensor]
"""Each (1, tokens, heads, features of a head), normed."""


@dataclass(frozen=True)
class Crossed:
    """Keys and values of one block's cross-attention: of the words, and of the pictures where a model sees them."""

    words: KeysAndValues
    pictures: KeysAndValues | None


@dataclass
class ShotContext:
    """Of one text with its pictures: for every block what it attends to, and what the first-block cache remembers.

    Predictions with and without the negative prompt have a context each, so they cannot be mixed up.
    """

    text: torch.Tensor
    pictures: torch.Tensor | None
    blocks: tuple[Crossed, ...]
    first_block: FirstBlock = field(default_factory=FirstBlock)


class Contexts:
    """The contexts in use. A text is known by being the same tensor, which is kept so that no other can take its
    place."""

    def __init__(self, embedder: Any, attentions: tuple[Any, ...]) -> None:
        """embedder: diffusers' condition embedder. attentions: the cross-attention of each block."""
        self._embedder = embedder
        self._attentions = attentions
        self._known: deque[ShotContext] = deque(maxlen=KEPT)

    def of(self, text: torch.Tensor, pictures: torch.Tensor | None) -> ShotContext:
        """The context of a text (1, 512, features) and CLIP's view of the keyframes."""
        for known in self._known:
            if known.text is text and known.pictures is pictures:
                return known
        if len(self._known) == KEPT:
            self._known.popleft()  # freed before the next one needs the memory
        words = self._embedder.text_embedder(text)
        shown = None if pictures is None else self._embedder.image_embedder(pictures)
        self._known.append(ShotContext(text, pictures, tuple(crossed(a, words, shown) for a in self._attentions)))
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
