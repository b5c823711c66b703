"""How kernels are launched on a device: how many numbers a warp handles. Needs no Triton.

Only kernels whose results are the same bit for bit with any number of warps have a choice: they compute each number for
itself, or take the largest of a row. The norms add numbers in an order that depends on the warps, so theirs is fixed:
else a take would depend on a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass

NUMBERS_PER_WARP = 2048
"""64 per thread. With 5,120 numbers each of four warps has five times 256, and none idles."""

CHOICES = (1024, NUMBERS_PER_WARP, 4096)


@dataclass(frozen=True)
class Launches:
    """Numbers per warp of each kernel that has a choice. A value of CHOICES.

    rows:        sums and GELU as rows of float8.
    head_float8: values of heads in float8.
    unpacked:    stored weights made wide.
    """

    rows: int = NUMBERS_PER_WARP
    head_float8: int = NUMBERS_PER_WARP
    unpacked: int = 512


UNPACKED_CHOICES = (256, 512, 1024)
"""Of a block of 2,048 columns."""

USUAL = Launches()
"""Those that were best on an H200."""
