"""Where the weights of an accelerated transformer are between their uses: on the device, or in host memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class ModuleStore:
    """Keeps modules that are used one after the other.

    empty:        gives an empty list, for a device and a number of modules. Modules on the device are appended to it,
                  which may move their weights; a loop over the list finds each on the device.
    device_bytes: the bytes that the list needs on the device, from the bytes of each module.
    """

    empty: Callable[[torch.device, int], torch.nn.ModuleList]
    device_bytes: Callable[[Sequence[int]], int]


ON_DEVICE = ModuleStore(lambda _, __: torch.nn.ModuleList(), sum)


@dataclass(frozen=True)
class WeightStorage:
    """Where the parts of a transformer are kept.

    form:            in words, "" if everything is on the device.
    blocks:          without the layers of `keys_and_values`.
    keys_and_values: of the cross-attention; used once per text.
    """

    form: str = ""
    blocks: ModuleStore = ON_DEVICE
    keys_and_values: ModuleStore = ON_DEVICE


ALL_ON_DEVICE = WeightStorage()
