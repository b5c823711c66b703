"""Frames in between by RIFE, on a GPU or the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import pad

from wan_render.render_values import Pixels
from wan_render.retime.interpolator import Pair, is_jump, nearer
from wan_render.retime.rife_network import MULTIPLE, open_rife

GPU_BATCH = 8
"""Pictures at a time: one alone does not fill a large GPU."""


class RifeInterpolator:
    """Frames in between by the network. weights: its file."""

    def __init__(self, weights: Path, device: torch.device) -> None:
        """Raises WeightsError, OSError."""
        self._network, self._device = open_rife(weights, device), device
        self.batch = GPU_BATCH if device.type == "cuda" else 1

    def between(self, pairs: Sequence[Pair]) -> list[list[Pixels]]:
        """All pictures of all pairs, at most `batch` at a time."""
        wanted = [(pair, float(part)) for pair in pairs if not is_jump(pair.left, pair.right) for part in pair.parts]
        made = (
            picture
            for at in range(0, len(wanted), self.batch)
            for picture in self._computed(wanted[at : at + self.batch])
        )
        jumps = {id(pair) for pair in pairs} - {id(pair) for pair, _ in wanted}
        return [
            [nearer(pair, part) for part in pair.parts] if id(pair) in jumps else [next(made) for _ in pair.parts]
            for pair in pairs
        ]

    @torch.inference_mode()
    def _computed(self, wanted: Sequence[tuple[Pair, float]]) -> list[Pixels]:
        height, width, _ = wanted[0][0].left.shape
        left, right = (self._tensor([getattr(pair, side) for pair, _ in wanted]) for side in ("left", "right"))
        parts = torch.tensor([part for _, part in wanted], device=self._device)
        made = self._network(left, right, parts)[:, :, :height, :width]
        pixels: Pixels = made.clamp_(0, 1).mul_(255).round_().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        return [np.ascontiguousarray(picture) for picture in pixels]

    def _tensor(self, pictures: Sequence[Pixels]) -> torch.Tensor:
        """(n, 3, height, width) float32, 0 to 1, with sides that the network takes."""
        stacked = torch.from_numpy(np.stack(pictures)).to(self._device).permute(0, 3, 1, 2).float().div_(255)
        height, width = stacked.shape[2:]
        return pad(stacked, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")
