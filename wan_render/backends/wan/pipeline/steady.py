"""Encodes a still video without computing the same frames again. A take's condition is its keyframes with 79 grey
frames between them, and most of these give the same activations.

The VAE encodes four frames at a time, and each layer remembers two frames. If a layer's input and memory equal those of
its last call bit for bit, its last output is reused. The result is the same to the last bit, also on GPUs: cuDNN
chooses by shape, and all parts of a video have one shape (tested at full size on an H200).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

Remembered = torch.Tensor | str | None
"""What a causal layer remembers of the frames before; see diffusers' autoencoder_kl_wan."""


@dataclass(frozen=True)
class _Call:
    """One call of a layer: its input, its memory before and after, and its output."""

    frames: torch.Tensor
    before: tuple[Remembered, ...]
    after: tuple[Remembered, ...]
    found: torch.Tensor


@contextmanager
def steadily(vae: Any) -> Iterator[None]:
    """Inside, `vae.encode` skips repeated work. It needs memory for one more activation of every layer."""
    layers = list(vae.encoder.down_blocks)  # nine tenths of the work
    for layer in layers:
        layer.forward = _remembering(layer.forward)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _remembering(forward: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    last: _Call | None = None

    def remembered(frames: torch.Tensor, feat_cache: list[Remembered], feat_idx: list[int]) -> torch.Tensor:
        nonlocal last
        begin = feat_idx[0]
        if last is not None:
            end = begin + len(last.before)
            if _alike(frames, last.frames) and all(map(_alike, feat_cache[begin:end], last.before)):
                feat_cache[begin:end] = last.after
                feat_idx[0] = end
                return last.found
        before = tuple(feat_cache)
        last = None  # freed before the layer needs the memory
        found = forward(frames, feat_cache=feat_cache, feat_idx=feat_idx)
        end = feat_idx[0]
        last = _Call(frames, before[begin:end], tuple(feat_cache[begin:end]), found)
        return found

    return remembered


def _alike(one: Remembered, other: Remembered) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one is other or (one.shape == other.shape and torch.equal(one, other))
    return one is other or (isinstance(one, str) and one == other)
