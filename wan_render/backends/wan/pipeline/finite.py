"""Detects NaN and infinity before they become a frame, which would be black or white in uint8 without a reason.

The cause is only looked for when such values occur: first in the LoRAs that the take uses, then in the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from wan_render.errors import Problem, RenderError
from wan_render.take import Lora, Take, short

_FOUND = "values that are not finite (NaN or infinity)"


class NotFiniteError(Exception):
    """Values are not finite. where: the stage that gave them, in words, such as `step 3 of 50`."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


def is_finite(values: torch.Tensor) -> torch.Tensor:
    """Whether all values are finite: a bool tensor of one element, on their device. 8-bit floats are widened first."""
    wide = values if values.element_size() > 1 or not values.is_floating_point() else values.to(torch.bfloat16)
    return torch.isfinite(wide).all()


@contextmanager
def watched(decoder: torch.nn.Module, device: torch.device) -> Iterator[torch.Tensor]:
    """Inside, every call of the decoder checks whether its pixels are finite, before they are clamped. Yields a bool
    tensor on the device. It is valid when the device has finished."""
    all_finite = torch.ones((), dtype=torch.bool, device=device)

    def look(_module: torch.nn.Module, _shown: Any, pixels: torch.Tensor) -> None:
        all_finite.logical_and_(is_finite(pixels))

    hook = decoder.register_forward_hook(look)
    try:
        yield all_finite
    finally:
        hook.remove()


@contextmanager
def explained(
    take: Take, loras: Callable[[], Mapping[str, Path]], component: str, module: Callable[[], torch.nn.Module]
) -> Iterator[None]:
    """Turn NotFiniteError into a RenderError that names the likely cause.

    loras:             gives the files of the take's LoRAs, by SHA-256.
    component, module: the name of the component that computed the values, and its module.
    """
    try:
        yield
    except NotFiniteError as fault:
        reason, remedy = _cause(take.loras, loras(), component, module())
        problem = Problem(f"take {short(take.key)}", f"{fault.where} gave {_FOUND}: {reason}", "", remedy)
        raise RenderError(problem) from fault


def refused(what: str, component: str, module: torch.nn.Module | None = None) -> RenderError:
    """The error for a stage whose values are not finite. module: the component that made it, if known."""
    found = f"the {component} gave {_FOUND}"
    if module is None:
        return RenderError(Problem(what, found, "", f"check the weights of the {component}"))
    reason, remedy = _of_weights(component, _first_in_weights(module))
    return RenderError(Problem(what, f"{found}: {reason}", "", remedy))


def _cause(
    loras: tuple[Lora, ...], files: Mapping[str, Path], component: str, module: torch.nn.Module
) -> tuple[str, str]:
    """Reason and remedy, in words."""
    for lora in loras:
        file = files.get(lora.content)
        if file is not None and (tensor := _first_in_file(file)):
            return f"the LoRA {file.name} holds such values, in {tensor}", "use another copy of it, or leave it out"
    used = f"the take uses {', '.join(f'{_name(lora, files)} at {lora.scale:g}' for lora in loras)}"
    reason, remedy = _of_weights(component, _first_in_weights(module))
    if loras:
        return f"{reason}; {used}", "render it without the LoRA, or at a smaller scale"
    return reason, remedy


def _of_weights(component: str, weight: str) -> tuple[str, str]:
    """Reason and remedy. weight: the name of a weight that is not finite, or ""."""
    if weight:
        return f"the weights of the {component} hold such values, in {weight}", "download the model again"
    return f"the weights of the {component} are sound", "the log of this attempt says more"


def _name(lora: Lora, files: Mapping[str, Path]) -> str:
    return files[lora.content].name if lora.content in files else f"LoRA {lora.content[:8]}"


def _first_in_file(file: Path) -> str:
    """The first tensor of a safetensors file that is not finite; "" if all are finite or the file is unreadable."""
    with suppress(OSError, SafetensorError), safe_open(file, framework="pt") as opened:
        return next((name for name in opened.keys() if not is_finite(opened.get_tensor(name))), "")  # noqa: SIM118 - no mapping
    return ""


def _first_in_weights(module: torch.nn.Module) -> str:
    """The first weight that is not finite; "" if all are finite. Meta tensors are skipped."""
    for name, weight in (*module.named_parameters(), *module.named_buffers()):
        if weight.is_floating_point() and not weight.is_meta and not is_finite(weight):
            return name
    return ""
