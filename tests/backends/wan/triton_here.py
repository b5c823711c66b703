"""Where Triton's kernels can be run: on a GPU, or anywhere in its interpreter (TRITON_INTERPRET=1)."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest
import torch

IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
CAN_RUN = find_spec("triton") is not None and (IS_INTERPRETED or torch.cuda.is_available())
DEVICE = torch.device("cpu" if IS_INTERPRETED or not torch.cuda.is_available() else "cuda")

needs_triton = pytest.mark.skipif(not CAN_RUN, reason="needs triton, and a CUDA device or TRITON_INTERPRET=1")
