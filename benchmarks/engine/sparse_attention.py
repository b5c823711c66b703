"""Sparse-linear attention (TurboDiffusion) beside full attention: its error against the formula, and milliseconds.

    python -m benchmarks.engine.sparse_attention --json sparse.json      (any NVIDIA GPU; 3 GB)
    python -m benchmarks.engine.sparse_attention --tiny                  (on a CPU, to try the program itself)

32,760 tokens (832x480, 81 frames), 12 and 40 heads of 128, 15 % of the blocks of keys, bfloat16. Each way has seven
runs, of which the median counts. The error is against the formula in float64, for the queries of four blocks.

flex_attention is torch's own attention to blocks, compiled. It computes the sparse part only, as "kernel, sparse part"
does.

Predicted for 12 heads on an H200, before the first run: full attention 16 ms by torch's SDPA, 11 ms by the fastest
kernel; sparse-linear 11 ms gathered, 4.5 ms by the kernel, of which the sparse part 2.8 ms, the choice 0.3 ms and the
linear part 1.2 ms; flex_attention 3 ms. Errors: 0.004 both ways. For 40 heads 3.3 times as long.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from benchmarks.engine.arguments import parser
from benchmarks.engine.meter import TorchMeter
from benchmarks.engine.results import table, tell
from wan_render.backends.wan.kernels import attention
from wan_render.backends.wan.kernels.sparse_linear import (
    KEYS_PER_BLOCK,
    QUERIES_PER_BLOCK,
    SparseLinearAttention,
    attend_gathered,
    attend_linearly,
    chosen_blocks,
)

RUNS = 7
SHARE = 0.15

Three = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Work = Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Sizes:
    """Of an attention. compared: how many blocks of queries are compared with the formula."""

    tokens: int
    heads: int
    compared: int = 4
    features: int = 128


FULL, SMALL = (Sizes(32_760, 12), Sizes(32_760, 40)), (Sizes(1000, 2, 2, 32),)


def inputs_of(sizes: Sizes, device: torch.device) -> Three:
    """Query, key and value (1, tokens, heads, features). Neighbours resemble each other, as in a picture."""
    generator = torch.Generator().manual_seed(3)
    shape = (1, sizes.tokens, sizes.heads, sizes.features)
    places = torch.sin(torch.arange(sizes.tokens) / 300).view(1, -1, 1, 1)
    made = [torch.randn(shape, generator=generator) + places * (part < 2) for part in range(3)]
    query, key, value = (part.to(device, torch.bfloat16 if device.type == "cuda" else torch.float32) for part in made)
    return query, key, value


def formula(made: SparseLinearAttention, parts: Three, sizes: Sizes) -> torch.Tensor:
    """The formula in float64, one head at a time, for the queries of the first blocks: (queries, heads, features)."""
    found = []
    for head in range(sizes.heads):
        q, k, v = (part[0, :, head].double() for part in parts)
        q = q[: sizes.compared * QUERIES_PER_BLOCK]
        of_queries = [block.mean(dim=0) for block in torch.split(q, QUERIES_PER_BLOCK)]
        of_keys = [block.mean(dim=0) for block in torch.split(k - k.mean(dim=0), KEYS_PER_BLOCK)]
        scores = torch.stack(of_queries) @ torch.stack(of_keys).t()
        best = scores.topk(int(made.share * scores.shape[1]), dim=1).indices
        chosen = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, best, value=True)
        seen = chosen.repeat_interleave(QUERIES_PER_BLOCK, 0).repeat_interleave(KEYS_PER_BLOCK, 1)[:, : len(k)]
        logits = (q @ k.t() * sizes.features**-0.5).masked_fill(~seen, -torch.inf)
        weights = q.softmax(-1) @ k.softmax(-1).t()
        linear = weights @ v / (1e-5 + weights.sum(dim=-1, keepdim=True))
        found.append(logits.softmax(-1) @ v + linear @ made.project.weight.double().t() + made.project.bias.double())
    return torch.stack(found, dim=1)


def ways(made: SparseLinearAttention, parts: Three, device: torch.device) -> Iterator[tuple[str, Work]]:
    """Every way that there is here, and the parts of the sparse one."""
    query, key, value = (part[0] for part in parts)
    for kernel in attention.candidates(device):
        yield f"full, {kernel.name}", lambda kernel=kernel: kernel.attend(*parts)  # type: ignore[misc]
    yield "sparse-linear, gathered", lambda: made(*parts)
    chosen = chosen_blocks(query, key, made.share)
    yield "of it: the choice", lambda: chosen_blocks(query, key, made.share)
    yield "of it: the linear part of 8 heads", lambda: attend_linearly(query[:, :8], key[:, :8], value[:, :8])
    if device.type == "cuda":
        yield from on_cuda(made, parts, chosen)


def on_cuda(made: SparseLinearAttention, parts: Three, chosen: torch.Tensor) -> Iterator[tuple[str, Work]]:
    """The kernel with several numbers of stages, and torch's own."""
    from wan_render.backends.wan.kernels import triton_blocks

    query, key, value = (part[0] for part in parts)
    usual = triton_blocks.STAGES
    for stages in (2, 4, usual):
        triton_blocks.STAGES = stages
        yield (
            f"kernel, sparse part, {stages} stages",
            lambda: triton_blocks.attend_chosen(query, key, value, chosen),
        )
    made.attend_blocks = triton_blocks.attend_chosen
    yield "sparse-linear, kernel", lambda: made(*parts)
    made.attend_blocks = attend_gathered
    made_once = cache(lambda: flexible(parts, chosen))
    yield "flex_attention, sparse part", lambda: made_once()()


def flexible(parts: Three, chosen: torch.Tensor) -> Work:
    """torch's flex_attention with the chosen blocks. All of them are whole: no function masks within a block."""
    from torch.nn.attention.flex_attention import BlockMask, flex_attention

    query, key, value = (part.transpose(1, 2) for part in parts)
    heads, blocks, count = chosen.shape
    ordered = chosen.sort(dim=-1).values.int()
    filled = torch.zeros(1, heads, blocks, -(-key.shape[2] // KEYS_PER_BLOCK), dtype=torch.int32, device=query.device)
    filled[0, :, :, :count] = ordered
    counts = torch.full((1, heads, blocks), count, dtype=torch.int32, device=query.device)
    mask = BlockMask.from_kv_blocks(
        torch.zeros_like(counts),
        torch.zeros_like(filled),
        counts,
        filled,
        BLOCK_SIZE=(QUERIES_PER_BLOCK, KEYS_PER_BLOCK),
        seq_lengths=(query.shape[2], key.shape[2]),
    )
    compiled: Any = torch.compile(flex_attention, dynamic=False)
    return lambda: compiled(query, key, value, block_mask=mask).transpose(1, 2)


def milliseconds(work: Work, device: torch.device) -> float:
    """The median of some runs, after one that isn't counted."""
    work()
    times = []
    for _ in range(RUNS):
        _wait(device)
        begun = time.perf_counter()
        work()
        _wait(device)
        times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measured(sizes: Sizes, device: torch.device) -> Mapping[str, Mapping[str, Any]]:
    """Milliseconds, memory and error of every way; one that fails says so."""
    parts = inputs_of(sizes, device)
    torch.manual_seed(3)
    made = SparseLinearAttention(sizes.features, SHARE).to(device, parts[0].dtype).eval()
    right, meter = formula(made, parts, sizes), TorchMeter(device)
    rows: dict[str, dict[str, Any]] = {}
    for name, work in ways(made, parts, device):
        try:
            before = meter.start()
            taken = milliseconds(work, device)
            is_whole = name.startswith("sparse-linear")
            error = float((work()[0, : len(right)] - right).norm() / right.norm()) if is_whole else "-"
            rows[name] = {"ms": taken, "GB": meter.peak() - before, "error": error}
        except Exception as fault:  # noqa: BLE001 - a way that fails is a result, and the others are wanted
            rows[name] = {"ms": f"failed: {str(fault)[:200]}", "GB": "-", "error": "-"}
        print(name, rows[name], flush=True)
    return rows


def main() -> None:
    asked = parser(__doc__).parse_args()
    device = torch.device("cpu" if asked.tiny else "cuda:0")
    found = {}
    with torch.no_grad():
        for sizes in SMALL if asked.tiny else FULL:
            rows = measured(sizes, device)
            print(f"\n{sizes.tokens} tokens, {sizes.heads} heads\n{table(rows)}\n", flush=True)
            found[f"{sizes.heads} heads"] = rows
    name = "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device)
    tell({"device": name, **attention.versions(), "milliseconds and errors": found}, asked.json)


if __name__ == "__main__":
    main()
