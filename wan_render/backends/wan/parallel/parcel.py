"""The encodings of a take as bytes, for the other devices of a group: named tensors, no pickles."""

from __future__ import annotations

import torch
from safetensors.torch import load, save

from wan_render.backends.wan.pipeline.conditions import Channels, Condition, FirstFrame, TextOnly
from wan_render.backends.wan.pipeline.denoise import Context


def packed(context: Context) -> bytes:
    """A context as a safetensors file."""
    parts = {"text": context.text, "negative": context.negative, "pictures": context.pictures}
    parts |= _of_condition(context.condition)
    return save({name: part.cpu().contiguous() for name, part in parts.items() if part is not None})


def unpacked(content: bytes, device: torch.device, *, per_token: bool) -> Context:
    """The same context on a device. per_token: see conditions.TextOnly."""
    parts = {name: part.to(device) for name, part in load(content).items()}
    return Context(
        condition=_condition(parts, per_token=per_token),
        text=parts["text"],
        negative=parts.get("negative"),
        pictures=parts.get("pictures"),
    )


def _of_condition(condition: Condition) -> dict[str, torch.Tensor]:
    match condition:
        case Channels(channels):
            return {"channels": channels}
        case FirstFrame(frame, unknown):
            return {"frame": frame, "unknown": unknown}
        case TextOnly():
            return {}
    raise TypeError(f"a condition of an unknown kind: {type(condition).__name__}")


def _condition(parts: dict[str, torch.Tensor], *, per_token: bool) -> Condition:
    if "channels" in parts:
        return Channels(parts["channels"])
    if "frame" in parts:
        return FirstFrame(parts["frame"], parts["unknown"])
    return TextOnly(per_token)
