"""Errors of attention where ever fewer keys count: FlashAttention 3 in bfloat16 and in float8, against float32.

    python -m benchmarks.engine.peaky_heads --json peaky.json        (Hopper, fa3-fwd; 12 GB)
    python -m benchmarks.engine.peaky_heads --emulated               (on a CPU: 4 heads, 64 queries; two minutes)
    python -m benchmarks.engine.peaky_heads --tiny                   (on a CPU, to try the program itself)

Attention of random numbers is flat: every key counts a little, and the errors of thousands of them cancel. Heads of
trained models can be peaky, and then a few products decide. Here queries are multiplied, which has the same effect.
A key "counts" by the participation ratio: one over the sum of the squares of a query's weights, the mean over queries.

float8: the kernel by itself, a scale for each head, as tight as can be. "as in fast": with the scales that a profile in
float8 gives it, which have to hold for every token, with the keys' and values' means taken out, and with its result
rounded to float8 for the product that follows.

"a scale for each token" is what finer scales would win. Keys of trained models have much in common, which random ones
have not: so every case is shown with keys that share a vector of four times their own length, too.

Emulated is the float8 kernel in plain torch: its inputs are rounded as for the kernel, and so are its probabilities,
256 times larger, before they meet the values; all else is float32. The emulation is as good as its first rows are near
the measured ones.

Predicted, from a run by hand on another day (12,271 / 940 / 22 / 3 keys): 0.053, 0.087, 0.108, 0.139 in float8, and
0.002 throughout in bfloat16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from benchmarks.engine.arguments import parser
from benchmarks.engine.results import table, tell
from benchmarks.engine.steps import relative_error
from wan_render.backends.wan.kernels import attention
from wan_render.backends.wan.kernels.arithmetic import Heads, Projections, joined_heads, split
from wan_render.backends.wan.kernels.float8_arithmetic import Float8
from wan_render.backends.wan.kernels.operations import HeadScales, Rope, TorchOperations
from wan_render.backends.wan.kernels.rows import FLOAT8, LARGEST, Rows, quantised

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


FULL, FEW_HEADS, SMALL = Sizes(32_760, 40, 256), Sizes(32_760, 4, 64), Sizes(512, 2, 64)
SHARED = (0.0, 4.0)
"""By how much what keys share is longer than what they do not."""


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


def inputs_of(sizes: Sizes, sharpness: float, shared: float, device: torch.device) -> Inputs:
    """Normed queries and keys, as a model's are."""
    generator = torch.Generator(device).manual_seed(3)
    query, key, value = (
        torch.randn(sizes.tokens, sizes.features, generator=generator, device=device) for _ in range(3)
    )
    common = torch.randn(sizes.features, generator=generator, device=device)
    key = normed(key + shared * common)
    return Inputs((sharpness * normed(query)).bfloat16(), key.bfloat16(), value.bfloat16(), sizes)


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
    query, key, value = heads_of(inputs.parts, inputs)
    first = query if has_flash3 else query[:, : inputs.sizes.compared]  # a CPU would take minutes for all
    yield f"bfloat16, {exact.name}", exact.attend(first, key, value)
    scales = tight_scales(inputs)
    plain = TorchOperations()
    eights = [
        plain.head_float8(part, HeadScales(None, scale)) for part, scale in zip(inputs.parts, scales, strict=True)
    ]
    kernel = attention.flash3_float8 if has_flash3 else emulated(inputs.sizes.compared)
    yield "float8", joined_heads(kernel(*heads_of(eights, inputs), scales))
    yield "float8, as in fast", as_in_fast(inputs, kernel)
    fine = [by_token(part) for part in heads_of(inputs.parts, inputs)[:2]]
    ones = torch.ones(inputs.sizes.heads, device=device)
    yield (
        "float8, a scale for each token",
        joined_heads(emulated(inputs.sizes.compared)(*fine, heads_of(eights, inputs)[2], (ones, ones, scales[2]))),
    )


def emulated(compared: int) -> Any:
    """FlashAttention 3 in float8 in plain torch, of the first queries; the other results are zeros."""

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scales: Three) -> torch.Tensor:
        query, key, value = (
            (part.float() * scale.view(1, 1, -1, 1)).transpose(1, 2)
            for part, scale in zip((query, key, value), scales, strict=True)
        )
        found = torch.zeros_like(query)
        for head in range(query.shape[1]):
            logits = query[0, head, :compared] @ key[0, head].t() * query.shape[-1] ** -0.5
            weights = (logits - logits.amax(dim=-1, keepdim=True)).exp()
            rounded = (256 * weights).to(FLOAT8).float() / 256
            found[0, head, :compared] = rounded @ value[0, head] / weights.sum(dim=-1, keepdim=True)
        return found.transpose(1, 2).bfloat16()

    return attend


def by_token(part: torch.Tensor) -> torch.Tensor:
    """Heads (1, tokens, heads, features) rounded to float8 with a scale for each token of each head."""
    return quantised(part.flatten(0, 2)).float().view(part.shape)


def heads_of(parts: Sequence[torch.Tensor], inputs: Inputs) -> Three:
    """Each (tokens, features) as (1, tokens, heads, features of a head)."""
    query, key, value = (split(part, inputs.sizes.heads) for part in parts)
    return query, key, value


def tight_scales(inputs: Inputs) -> Three:
    """Of each head: its largest number becomes the largest that there is."""
    query, key, value = (part[0].float().abs().amax(dim=(0, 2)) / LARGEST for part in heads_of(inputs.parts, inputs))
    return query, key, value


def as_in_fast(inputs: Inputs, kernel: Any) -> torch.Tensor:
    """Through the arithmetic of a profile in float8. The sharpness is in the weights of the queries' norm, as in a
    model. What comes out is rounded to float8 once more, for the product that follows."""
    sizes, device = inputs.sizes, inputs.query.device
    angles = torch.zeros(sizes.tokens, sizes.width // 2, device=device)
    still = Rope(angles.cos(), angles.sin())
    ones = torch.ones(sizes.features, device=device)
    sharpness = inputs.query.float().square().mean().sqrt()
    rows = Float8(TorchOperations(), kernel).self_attention(
        Projections.of(inputs.query, inputs.key, inputs.value), Heads(sharpness * ones, ones, sizes.heads, 1e-6), still
    )
    assert isinstance(rows, Rows)
    return rows.float()


def measured(sizes: Sizes, device: torch.device) -> Mapping[str, Mapping[str, Any]]:
    """Relative errors by the number of keys that count."""
    found: dict[str, dict[str, Any]] = {}
    for shared, sharpness in product(SHARED, SHARPNESS):
        inputs = inputs_of(sizes, sharpness, shared, device)
        right, count = wanted(inputs)
        named = f"{count:,.0f} keys count{', and share a vector' if shared else ''}"
        found[named] = {
            name: relative_error(given.reshape(-1, sizes.features)[: sizes.compared], right)
            for name, given in answers(inputs)
        }
        print(named, found[named], flush=True)
    return found


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--emulated", action="store_true", help="on a CPU, the float8 kernel in plain torch")
    asked = programs.parse_args()
    device = torch.device("cpu" if asked.tiny or asked.emulated else "cuda:0")
    with torch.no_grad():
        rows = measured(SMALL if asked.tiny else FEW_HEADS if asked.emulated else FULL, device)
    print(table(rows))
    name = "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
    tell({"device": name, **attention.versions(), "relative errors": rows}, asked.json)


if __name__ == "__main__":
    main()
