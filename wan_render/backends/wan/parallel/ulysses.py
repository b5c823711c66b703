"""Shares the tokens of a prediction as DeepSpeed Ulysses does (Jacobs et al. 2023, arXiv:2309.14509). Between
attentions each device has an equal run of the tokens; during an attention it has an equal share of the heads."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from wan_render.backends.wan.parallel.ranks import Ranks
from wan_render.backends.wan.profiles.exchange import Incoming


@dataclass(frozen=True)
class Ulysses:
    """An Exchange between the devices that share a prediction."""

    ranks: Ranks

    def own_tokens(self, of_all: torch.Tensor, dim: int) -> torch.Tensor:
        """The run of tokens of this rank."""
        return self._share(of_all, dim)

    def all_tokens(self, own: torch.Tensor, dim: int) -> torch.Tensor:
        """All runs, in order."""
        return torch.cat(self.ranks.gathered(own).unbind(), dim=dim)

    def to_heads(self, part: torch.Tensor) -> Incoming:
        """See Exchange. Each rank gets its share of the heads."""
        _, tokens, heads, features = part.shape
        by_rank = part[0].view(tokens, self.ranks.size, heads // self.ranks.size, features).transpose(0, 1)
        coming = self.ranks.exchanging(by_rank, torch.empty_like(by_rank, memory_format=torch.contiguous_format))
        return lambda: coming().flatten(0, 1).unsqueeze(0)

    def to_tokens(self, part: torch.Tensor) -> torch.Tensor:
        """See Exchange. Each rank gets its tokens."""
        _, tokens, heads, features = part.shape
        by_rank = part[0].reshape(self.ranks.size, tokens // self.ranks.size, heads, features)
        found = part.new_empty((1, tokens // self.ranks.size, self.ranks.size, heads, features))
        self.ranks.exchanging(by_rank, found[0].transpose(0, 1))()
        return found.flatten(2, 3)

    def own_heads(self, of_all: torch.Tensor) -> torch.Tensor:
        """This rank's share of the heads."""
        return self._share(of_all, 0)

    def mean(self, of_own: torch.Tensor) -> torch.Tensor:
        """The mean of the ranks' means, summed in the order of the ranks. All ranks have equally many tokens."""
        return self.ranks.gathered(of_own).mean(dim=0)

    def largest(self, of_own: torch.Tensor) -> torch.Tensor:
        """The maximum of the ranks' maxima."""
        return self.ranks.gathered(of_own).amax(dim=0)

    def _share(self, of_all: torch.Tensor, dim: int) -> torch.Tensor:
        count, rest = divmod(of_all.shape[dim], self.ranks.size)
        if rest:
            raise ValueError(f"expected a multiple of {self.ranks.size}, got {of_all.shape[dim]}")
        return of_all.narrow(dim, self.ranks.rank * count, count)
