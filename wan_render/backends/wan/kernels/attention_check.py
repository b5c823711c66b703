"""Whether a layer's self-attention may be in float8: decided for each take, from a bound and from samples.

Float8 attention errs by about 5 % of its result where every key counts a little, and by 14 % where three of them decide
(docs/benchmarks.md, "Peaky heads"). How peaky the heads of a layer are follows from the weights and the take, so it is
measured while the take is rendered: a take's pixels depend on nothing but the take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

ALLOWED_ERROR = 0.07
"""The largest relative error of a layer's attention in float8, against bfloat16. 0.053 was measured where all keys
count alike, 0.087 where 940 of 32,760 do."""

FLAT_LOGIT = 0.5
"""Logits up to this size need no measurement: weights then differ by a factor of e at most, so that at least 79 % of
the keys count (by Kantorovich's inequality: 4r / (1 + r)^2 with r = 1/e)."""

SAMPLED_QUERIES = 256
"""Queries whose attention is computed in both precisions, evenly spread over the tokens."""

EVERY = 8
"""A layer is measured in the first prediction of a take with each text, and in every eighth after it."""

SLOWER_BY = 0.17
"""How much longer a step takes if all layers are exact: 3.94 against 3.37 s, FLF2V-14B at 832x480x81 on Hopper."""


def largest_logits(query_norm: torch.Tensor, key_norm: torch.Tensor, heads: int) -> torch.Tensor:
    """The largest logit that each head can have, (heads,) float32, from the weights (features,) of its norms.

    RMS norm gives vectors of length sqrt(n) over all n features, before its weights. Rotation turns pairs of features.
    So a logit is at most n times the largest product of a pair's weights, divided by sqrt(features of a head).
    """
    query, key = (norm.detach().float().abs().view(heads, -1, 2).amax(dim=-1) for norm in (query_norm, key_norm))
    features = query_norm.numel()
    return (query * key).amax(dim=1) * features / math.sqrt(features // heads)


@dataclass
class LayerCheck:
    """One layer's self-attention during one take, with one text.

    is_exact: whether it has to be exact from now on. error: the largest that was measured.
    """

    is_exact: bool = False
    error: float = 0.0
    _predictions: int = 0
    _is_flat: bool | None = None

    def is_due(self, query_norm: torch.Tensor, key_norm: torch.Tensor, heads: int) -> bool:
        """Whether this prediction is to be measured. Asked once for each."""
        if self._is_flat is None:
            self._is_flat = bool(largest_logits(query_norm, key_norm, heads).max() <= FLAT_LOGIT)
        is_due = self._predictions % EVERY == 0 and not self._is_flat
        self._predictions += 1
        return is_due

    def note(self, error: float) -> None:
        """Note a measured error. One that is not finite is too large as well."""
        self.error = max(self.error, error)
        self.is_exact = not error <= ALLOWED_ERROR


class LayerChecks:
    """The checks of all layers, for one text. They begin anew with each take."""

    def __init__(self, layers: int) -> None:
        self.layers = tuple(LayerCheck() for _ in range(layers))
        self._timestep = -math.inf

    def at(self, timestep: float) -> None:
        """Begin a timestep. Timesteps fall within a take, so one that does not begins a new take."""
        if timestep >= self._timestep:
            self.layers = tuple(LayerCheck() for _ in self.layers)
        self._timestep = timestep


class ExactLayers:
    """The layers of one take whose attention was exact although the profile's is in float8."""

    def __init__(self) -> None:
        self._errors: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._errors)

    def note(self, layer: int, error: float) -> bool:
        """Note a layer that is exact; whether it is new."""
        is_new = layer not in self._errors
        self._errors[layer] = max(error, self._errors.get(layer, 0.0))
        return is_new

    def words(self, layers: int) -> str:
        """For the log and the record. layers: how many there are."""
        named = ", ".join(map(str, sorted(self._errors)))
        slower = 100 * SLOWER_BY * len(self._errors) / layers
        return (
            f"{len(self._errors)} of {layers} layers ({named}), where float8 would err by up to "
            f"{max(self._errors.values()):.2f}; steps take about {slower:.1f} % longer"
        )
