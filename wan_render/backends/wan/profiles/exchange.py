"""How a forward accesses the tokens of a prediction, which are all on this device or spread over several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

Incoming = Callable[[], torch.Tensor]
"""A tensor on its way from other devices. Call it once, as late as possible: the device then waits, and computes until
then."""


class Exchange(Protocol):
    """Exchanges between devices that each have some of the tokens. All devices make the same calls together.

    Between `to_heads` and `to_tokens` a device has all tokens of some heads, so attention needs no other device.
    """

    def own_tokens(self, of_all: torch.Tensor, dim: int) -> torch.Tensor:
        """This device's tokens of all. dim: the dimension of the tokens."""

    def all_tokens(self, own: torch.Tensor, dim: int) -> torch.Tensor:
        """All tokens, from every device's own."""

    def to_heads(self, part: torch.Tensor) -> Incoming:
        """(1, own tokens, all heads, features) to (1, all tokens, own heads, features). Begins at once, and goes on
        while this device computes."""

    def to_tokens(self, part: torch.Tensor) -> torch.Tensor:
        """(1, all tokens, own heads, features) to (1, own tokens, all heads, features)."""

    def own_heads(self, of_all: torch.Tensor) -> torch.Tensor:
        """(heads,) to (own heads,)."""

    def mean(self, of_own: torch.Tensor) -> torch.Tensor:
        """The mean over all tokens, from each device's mean over its own: the same bits on all of them."""

    def largest(self, of_own: torch.Tensor) -> torch.Tensor:
        """The elementwise maximum over all tokens, from each device's maximum over its own."""


@dataclass(frozen=True)
class Undivided:
    """All tokens are on this device."""

    def own_tokens(self, of_all: torch.Tensor, dim: int) -> torch.Tensor:  # noqa: ARG002 - part of the seam
        """All."""
        return of_all

    def all_tokens(self, own: torch.Tensor, dim: int) -> torch.Tensor:  # noqa: ARG002 - as above
        """Its own."""
        return own

    def to_heads(self, part: torch.Tensor) -> Incoming:
        """As it is."""
        return lambda: part

    def to_tokens(self, part: torch.Tensor) -> torch.Tensor:
        """As it is."""
        return part

    def own_heads(self, of_all: torch.Tensor) -> torch.Tensor:
        """All."""
        return of_all

    def mean(self, of_own: torch.Tensor) -> torch.Tensor:
        """As it is."""
        return of_own

    def largest(self, of_own: torch.Tensor) -> torch.Tensor:
        """As it is."""
        return of_own


UNDIVIDED = Undivided()
