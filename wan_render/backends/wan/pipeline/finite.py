"""NaN and infinity, found before they become a picture: a frame of such values is black or white in uint8, and nobody
could tell later why.

Where they come from is looked for only once they are there: in the LoRAs that the take wears, then in the weights.
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
    """Values are not finite. `where` says in words what gave them: `step 3 of 50`."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


def is_finite(values: torch.Tensor) -> torch.Tensor:
    """Whether all of them are: one truth value, on their device. Floats of eight bits are widened first."""
    wide = values if values.element_size() > 1 or not values.is_floating_point() else values.to(torch.bfloat16)
    return torch.isfinite(wide).all()


@contextmanager
def watched(decoder: torch.nn.Module, device: torch.device) -> Iterator[torch.Tensor]:
    """Within it every call of a decoder notes whether its pixels are finite, before anybody clamps them. Gives one
    truth value on the device, which is complete when the device has done its work."""
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
    """Turn NotFiniteError into RenderError, with what can be found out of its cause.

    loras: gives the files of the take's LoRAs, by SHA-256. component, module: what computed, in words and as it is now.
    """
    try:
        yield
    except NotFiniteError as fault:
        reason, remedy = _cause(take.loras, loras(), component, module())
        problem = Problem(f"take {short(take.key)}", f"{fault.where} gave {_FOUND}: {reason}", "", remedy)
        raise RenderError(problem) from fault


def refused(what: str, component: str, module: torch.nn.Module | None = None) -> RenderError:
    """The error of a stage whose values are not finite: it is not kept. module: what made it, where it is at hand."""
    found = f"the {component} gave {_FOUND}"
    if module is None:
        return RenderError(Problem(what, found, "", f"check the weights of the {component}"))
    reason, remedy = _of_weights(component, _first_in_weights(module))
    return RenderError(Problem(what, f"{found}: {reason}", "", remedy))


def _cause(
    worn: tuple[Lora, ...], files: Mapping[str, Path], component: str, module: torch.nn.Module
) -> tuple[str, str]:
    """Reason and remedy, in words."""
    for lora in worn:
        file = files.get(lora.content)
        if file is not None and (tensor := _first_in_file(file)):
            return f"the LoRA {file.name} holds such values, in {tensor}", "use another copy of it, or leave it out"
    wearing = f"the take wears {', '.join(f'{_name(lora, files)} at {lora.scale:g}' for lora in worn)}"
    reason, remedy = _of_weights(component, _first_in_weights(module))
    if worn:
        return f"{reason}; {wearing}", "render it without the LoRA, or at a smaller scale"
    return reason, remedy


def _of_weights(component: str, weight: str) -> tuple[str, str]:
    """Reason and remedy. weight: the name of one that is not finite, or ""."""
    if weight:
        return f"the weights of the {component} hold such values, in {weight}", "download the model again"
    return f"the weights of the {component} are sound", "the log of this attempt says more"


def _name(lora: Lora, files: Mapping[str, Path]) -> str:
    return files[lora.content].name if lora.content in files else f"LoRA {lora.content[:8]}"


def _first_in_file(file: Path) -> str:
    """The first tensor of a safetensors file that is not finite; "" where all are, or it cannot be read."""
    with suppress(OSError, SafetensorError), safe_open(file, framework="pt") as opened:
        return next((name for name in opened.keys() if not is_finite(opened.get_tensor(name))), "")  # noqa: SIM118 - no mapping
    return ""


def _first_in_weights(module: torch.nn.Module) -> str:
    """The first weight that is not finite; "" where all that are at hand are."""
    for name, weight in (*module.named_parameters(), *module.named_buffers()):
        if weight.is_floating_point() and not weight.is_meta and not is_finite(weight):
            return name
    return ""
