"""Errors of attention where ever fewer keys count: FlashAttention 3 in bfloat16 and in float8, against float32.

    python -m benchmarks.engine.peaky_heads --json peaky.json        (Hopper, fa3-fwd; 12 GB)
    python -m benchmarks.engine.peaky_heads --tiny                   (on a CPU: torch's kernel, and float8 inputs only)

Attention of random numbers is flat: every key counts a little, and the errors of thousands of them cancel. Heads of
trained models can be peaky, and then a few products decide. Here queries are multiplied, which has the same effect.
A key "counts" by the participation ratio: one over the sum of the squares of a query's weights, the mean over queries.

float8: the kernel by itself, a scale for each head, as tight as can be. "as in fast": with the scales that a profile in
float8 gives it, which have to hold for every token, with the keys' and values' means taken out, and with its result
rounded to float8 for the product that follows.

Predicted, from a run by hand on another day (12,271 / 940 / 22 / 3 keys): 0.053, 0.087, 0.108, 0.139 in float8, and
0.002 throughout in bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.engine.arguments import parser
from benchmarks.engine.results import table, tell
from benchmarks.engine.steps import relative_error
from wan_render.backends.wan.kernels import attention
from wan_render.backends.wan.kernels.arithmetic import Float8, Heads, joined_heads, split
from wan_render.backends.wan.kernels.operations import HeadScales, Rope, TorchOperations
from wan_render.backends.wan.kernels.rows import LARGEST, Rows

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Of query, key and value."""

SHARPNESS = (1, 2, 4, 8)
"""By how much queries are multiplied."""


@dataclass(frozen=True)
class Sizes:
    """Of the whole attention, and how many queries are compared: float32 attention of all would not fit."""

    tokens: int
    heads: int
    compared: int
    width: int = 128

    @property
    def features(self) -> int:
        return self.heads * self.width


FULL, SMALL = Sizes(32_760, 40, 256), Sizes(512, 2, 64)


@dataclass(frozen=True)
class Inputs:
    """Query, key and value (tokens, features) in bfloat16."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    sizes: Sizes

    @property
    def parts(self) -> Three:
        return self.query, self.key, self.value


def inputs_of(sizes: Sizes, sharpness: float, device: torch.device) -> Inputs:
    """Normed queries and keys, as a model's are."""
    generator = torch.Generator(device).manual_seed(3)
    query, key, value = (
        torch.randn(sizes.tokens, sizes.features, generator=generator, device=device) for _ in range(3)
    )
    return Inputs((sharpness * normed(query)).bfloat16(), normed(key).bfloat16(), value.bfloat16(), sizes)


def normed(states: torch.Tensor) -> torch.Tensor:
    return states / states.square().mean(dim=-1, keepdim=True).sqrt()


def wanted(inputs: Inputs) -> tuple[torch.Tensor, float]:
    """What attention gives in float32 for the first queries (queries, features), and how many keys count for one."""
    query, key, value = (part[0].transpose(0, 1).float() for part in heads_of(inputs.parts, inputs))
    found, counts = [], []
    for head in range(inputs.sizes.heads):
        logits = query[head, : inputs.sizes.compared] @ key[head].t() * inputs.sizes.width**-0.5
        weights = logits.softmax(dim=-1)
        found.append(weights @ value[head])
        counts.append(1 / weights.square().sum(dim=-1))
    return torch.cat(found, dim=-1), float(torch.cat(counts).mean())


def answers(inputs: Inputs) -> Iterator[tuple[str, torch.Tensor]]:
    """Of every kernel that is here: (1, tokens, heads, features of a head) or (tokens, features)."""
    device = inputs.query.device
    has_flash3 = attention.runs_flash3(device)
    exact = attention.FLASH_3 if has_flash3 else attention.SDPA
    yield f"bfloat16, {exact.name}", exact.attend(*heads_of(inputs.parts, inputs))
    scales = tight_scales(inputs)
    plain = TorchOperations()
    eights = [
        plain.head_float8(part, HeadScales(None, scale)) for part, scale in zip(inputs.parts, scales, strict=True)
    ]
    if has_flash3:
        yield "float8", joined_heads(attention.flash3_float8(*heads_of(eights, inputs), scales))
        yield "float8, as in fast", as_in_fast(inputs)
    else:
        rounded = [
            part.float() * scale.view(1, 1, -1, 1) for part, scale in zip(heads_of(eights, inputs), scales, strict=True)
        ]
        yield "float8 inputs", attention.SDPA.attend(rounded[0], rounded[1], rounded[2])


def heads_of(parts: Sequence[torch.Tensor], inputs: Inputs) -> Three:
    """Each (tokens, features) as (1, tokens, heads, features of a head)."""
    query, key, value = (split(part, inputs.sizes.heads) for part in parts)
    return query, key, value


def tight_scales(inputs: Inputs) -> Three:
    """Of each head: its largest number becomes the largest that there is."""
    query, key, value = (part[0].float().abs().amax(dim=(0, 2)) / LARGEST for part in heads_of(inputs.parts, inputs))
    return query, key, value


def as_in_fast(inputs: Inputs) -> torch.Tensor:
    """Through the arithmetic of a profile in float8. The sharpness is in the weights of the queries' norm, as in a
    model. What comes out is rounded to float8 once more, for the product that follows."""
    sizes, device = inputs.sizes, inputs.query.device
    angles = torch.zeros(sizes.tokens, sizes.width // 2, device=device)
    still = Rope(angles.cos(), angles.sin())
    ones = torch.ones(sizes.features, device=device)
    sharpness = inputs.query.float().square().mean().sqrt()
    rows = Float8(TorchOperations(), attention.flash3_float8).self_attention(
        inputs.query, inputs.key, inputs.value, Heads(sharpness * ones, ones, sizes.heads, 1e-6), still
    )
    assert isinstance(rows, Rows)
    return rows.float()


def measured(sizes: Sizes, device: torch.device) -> Mapping[str, Mapping[str, Any]]:
    """Relative errors by the number of keys that count."""
    found: dict[str, dict[str, Any]] = {}
    for sharpness in SHARPNESS:
        inputs = inputs_of(sizes, sharpness, device)
        right, count = wanted(inputs)
        found[f"{count:,.0f} keys count"] = {
            name: relative_error(given.reshape(sizes.tokens, -1)[: sizes.compared], right)
            for name, given in answers(inputs)
        }
    return found


def main() -> None:
    asked = parser(__doc__).parse_args()
    device = torch.device("cpu" if asked.tiny else "cuda:0")
    with torch.no_grad():
        rows = measured(SMALL if asked.tiny else FULL, device)
    print(table(rows))
    name = "cpu" if asked.tiny else torch.cuda.get_device_name(device)
    tell({"device": name, **attention.versions(), "relative errors": rows}, asked.json)


if __name__ == "__main__":
    main()
