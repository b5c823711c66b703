"""Frames in between by RIFE, on a GPU or the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch.nn.functional import pad

from wan_render.gpu_transfer import Download, begun_download, uploaded
from wan_render.media.ahead import ahead
from wan_render.render_values import Pixels
from wan_render.retime.interpolator import Pair, is_jump, nearer_pictures
from wan_render.retime.rife_network import MULTIPLE, open_rife

GPU_BATCH = 8
"""Pictures at a time: one alone does not fill a large GPU."""


class RifeInterpolator:
    """Frames in between by the network. weights: its file."""

    def __init__(self, weights: Path, device: torch.device) -> None:
        """Raises WeightsError, OSError."""
        self._network, self._device = open_rife(weights, device), device
        self.batch = GPU_BATCH if device.type == "cuda" else 1

    def between(self, pairs: Iterable[Pair]) -> Iterator[list[Pixels]]:
        """`batch` pairs at a time. The device computes a batch while the one before it is fetched. A thread of its own
        looks for jumps in those that follow."""
        before = None
        with ahead(_judged(pairs), self.batch, are_read=False) as judged:
            while batch := list(islice(judged, self.batch)):
                now = self._begun(batch)
                if before is not None:
                    yield from before.pictures()
                before = now
            if before is not None:
                yield from before.pictures()

    def _begun(self, judged: Sequence[tuple[Pair, bool]]) -> _BegunPairs:
        """At most `batch` pictures are computed at a time."""
        pairs, morphed = [pair for pair, _ in judged], [pair for pair, is_morphed in judged if is_morphed]
        wanted = [(pair, float(part)) for pair in morphed for part in pair.parts]
        starts = range(0, len(wanted), self.batch)
        downloads = [self._computed(wanted[at : at + self.batch]) for at in starts]
        return _BegunPairs(pairs, frozenset(map(id, morphed)), downloads)

    @torch.inference_mode()
    def _computed(self, wanted: Sequence[tuple[Pair, float]]) -> Download:
        height, width, _ = wanted[0][0].left.shape
        shown = {id(picture): picture for pair, _ in wanted for picture in (pair.left, pair.right)}
        places = {each: at for at, each in enumerate(shown)}
        there = uploaded(list(shown.values()), self._device)
        left = self._tensor(there, [places[id(pair.left)] for pair, _ in wanted])
        right = self._tensor(there, [places[id(pair.right)] for pair, _ in wanted])
        parts = torch.tensor([part for _, part in wanted]).to(self._device, non_blocking=True)
        made = self._network(left, right, parts)[:, :, :height, :width]
        pixels = made.clamp_(0, 1).mul_(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        return begun_download(pixels)

    def _tensor(self, pictures: torch.Tensor, places: Sequence[int]) -> torch.Tensor:
        """(n, 3, height, width) float32, 0 to 1, with sides that the network takes: of some pictures, by places."""
        stacked = torch.stack([pictures[at] for at in places]).permute(0, 3, 1, 2).float().div_(255)
        height, width = stacked.shape[2:]
        return pad(stacked, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")


def _judged(pairs: Iterable[Pair]) -> Iterator[tuple[Pair, bool]]:
    """Each pair, and whether pictures between its two are made."""
    for pair in pairs:
        yield pair, not pair.is_still and not is_jump(pair.left, pair.right)


@dataclass(frozen=True)
class _BegunPairs:
    """Pairs that the device works on. morphed: the ids of those whose pictures are made; the others show the nearer
    one."""

    pairs: Sequence[Pair]
    morphed: frozenset[int]
    downloads: Sequence[Download]

    def pictures(self) -> Iterator[list[Pixels]]:
        """For each pair, its pictures. Waits for the device."""
        made = (picture for download in self.downloads for picture in download.awaited()[0].numpy())
        for pair in self.pairs:
            yield [next(made) for _ in pair.parts] if id(pair) in self.morphed else nearer_pictures(pair)
