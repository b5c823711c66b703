"""Encoding a video that stands still without computing the same frames again: a shot's condition is its keyframes with
seventy-nine grey frames between them, of which most leave the encoder's layers as those before them did.

The VAE works on four frames at a time, and each layer sees two frames back. Once a layer is shown bit for bit what it
was shown the time before, now and in what it remembers, it gives what it gave: the result is the same to the last bit,
on GPUs too, since cuDNN chooses by shape and the parts of a video have one (seen at full size on an H200).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

Remembered = torch.Tensor | str | None
"""What a causal layer keeps of the frames before: see diffusers' autoencoder_kl_wan."""


@dataclass(frozen=True)
class _Call:
    """One call of a layer: what it was shown, what it remembered before and after, and what it gave."""

    frames: torch.Tensor
    before: tuple[Remembered, ...]
    after: tuple[Remembered, ...]
    found: torch.Tensor


@contextmanager
def steadily(vae: Any) -> Iterator[None]:
    """Within it `vae.encode` computes nothing twice in a row. Takes memory for one more activation of every layer."""
    layers = list(vae.encoder.down_blocks)  # where nine tenths of the work are
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
