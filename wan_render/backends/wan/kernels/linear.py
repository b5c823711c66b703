"""Linear layers with weights in float8: multiplied in float8, or in the precision of their inputs."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn import functional

from wan_render.backends.wan.kernels.operations import Operations, TorchOperations
from wan_render.backends.wan.kernels.rows import FLOAT8, LARGEST, Rows, quantised
from wan_render.printable import logger

_log = logger(__name__)


class Float8Linear(torch.nn.Module):
    """A linear layer with float8 weights: half the memory of bfloat16, and up to twice the speed. There is a scale for
    every row of the input and every output feature."""

    weight: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor

    def __init__(self, layer: torch.nn.Linear, device: torch.device) -> None:
        """Take over a layer. Its weight is freed, so that a model is never in memory twice."""
        super().__init__()
        rows = quantised(layer.weight.detach().to(device))
        bias = layer.bias if layer.bias is not None else layer.weight.new_zeros(layer.out_features)
        self.register_buffer("weight", rows.values)  # (out, in)
        self.register_buffer("scales", rows.scales.t().contiguous())  # (1, out)
        self.register_buffer("bias", bias.detach().to(device))
        layer.weight = torch.nn.Parameter(layer.weight.new_empty(0), requires_grad=False)

    @property
    def dtype(self) -> torch.dtype:
        """The type that the weight had."""
        return self.bias.dtype

    def hold(self, weight: torch.Tensor) -> None:
        """Replace the weight (out, in)."""
        rows = quantised(weight)
        self.weight.copy_(rows.values)
        self.scales.copy_(rows.scales.t())

    def forward(self, rows: Rows) -> torch.Tensor:
        """(tokens, in) to (tokens, out), in the type of the bias."""
        if rows.values.is_cuda and not takes_row_scales(rows.values.device):
            return self._scaled_afterwards(rows)
        if rows.values.is_cuda:
            found: torch.Tensor = torch._scaled_mm(  # the only product of torch that takes scales by row
                rows.values,
                self.weight.t(),
                scale_a=rows.scales,
                scale_b=self.scales,
                bias=self.bias,
                out_dtype=self.bias.dtype,
                use_fast_accum=True,
            )
            return found
        products = (rows.values.float() @ self.weight.float().t()) * rows.scales * self.scales
        return (products + self.bias.float()).to(self.bias.dtype)

    def _scaled_afterwards(self, rows: Rows) -> torch.Tensor:
        """The product with scales of 1, which every GPU with float8 takes, and the scales by row in a pass of their
        own: equal but for rounding. A sum of products is at most 2e9, which bfloat16 holds."""
        one = torch.ones((), device=rows.values.device)
        products: torch.Tensor = torch._scaled_mm(
            rows.values, self.weight.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=True
        )
        return torch.addcmul(self.bias.float(), products.float() * rows.scales, self.scales).to(self.bias.dtype)


@cache
def takes_row_scales(device: torch.device) -> bool:
    """Whether the device multiplies float8 with scales by row, by a small trial: on some it depends on torch's version
    (compute capability 8.9 since 2025; 12.0 not with torch 2.10)."""
    values = torch.ones(64, 64, device=device).to(FLOAT8)
    scales = torch.ones(64, 1, device=device)
    try:
        torch._scaled_mm(values, values.t(), scale_a=scales, scale_b=scales.t(), out_dtype=torch.bfloat16)
    except RuntimeError as fault:
        _log.info("scales by row are not supported here, and are applied afterwards: %s", str(fault).splitlines()[0])
        return False
    return True


class StoredLinear(torch.nn.Module):
    """A linear layer whose weight is stored in float8, and made wide for each product: half the memory of bfloat16, and
    no speed. A scale for every output feature; it is a bfloat16 number, so that widening rounds once."""

    weight: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor | None

    def __init__(self, layer: torch.nn.Linear, device: torch.device, operations: Operations | None = None) -> None:
        """Take over a layer. Its weight is freed, so that a model is never in memory twice. operations: make the weight
        wide; in plain torch by default."""
        super().__init__()
        self._operations = operations or TorchOperations()
        weight = layer.weight.detach().to(device)
        self.register_buffer("weight", torch.empty(weight.shape, dtype=FLOAT8, device=device))  # (out, in)
        self.register_buffer("scales", torch.empty(len(weight), 1, dtype=weight.dtype, device=device))
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().to(device))
        self.hold(weight)
        layer.weight = torch.nn.Parameter(layer.weight.new_empty(0), requires_grad=False)

    @property
    def dtype(self) -> torch.dtype:
        """The type that the weight had."""
        return self.scales.dtype

    def hold(self, weight: torch.Tensor) -> None:
        """Replace the weight (out, in)."""
        wide = weight.float()
        self.scales.copy_(wide.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / LARGEST)
        self.weight.copy_((wide / self.scales.float()).clamp(-LARGEST, LARGEST).to(FLOAT8))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(tokens, in) to (tokens, out)."""
        return functional.linear(inputs, self._operations.unpacked(self.weight, self.scales), self.bias)
