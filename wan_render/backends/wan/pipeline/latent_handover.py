"""The latents that one take hands to the next, for `render: {previous: latents}`.

All latents of a take are handed over. The last one takes the place of the encoded picture in the next take's condition,
and is the next take's first one. It stands for four frames. So the next take is decoded after all of the handed ones,
as if both were one video; only then is its first frame the last one of the take before. Further back, before the take
that handed them over, nothing is known.
"""

from __future__ import annotations

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from wan_render.errors import Problem, RenderError
from wan_render.take import Take, short

_NAME = "latents"


def to_hand_over(latents: torch.Tensor) -> bytes:
    """Denoised latents (1, z, latent frames, height, width) as a safetensors file."""
    return save({_NAME: latents.detach().to(torch.float32).cpu().contiguous()})


def handed_over(take: Take, content: bytes | None, shape: tuple[int, ...]) -> torch.Tensor | None:
    """The latents that a take begins on, in host memory: (1, z, latent frames of the take before, height, width); None
    for a take that begins on none, or if there are none, as for a device that only helps to denoise.

    shape: of the take's own latents. Raises RenderError for latents of another shape.
    """
    if not take.continues_latents or content is None:
        return None
    try:
        found = load(content)[_NAME]
    except (SafetensorError, KeyError) as error:
        raise _refused(take, f"cannot be read ({error})", "") from error
    without_time = (*shape[:2], *shape[3:])
    if found.ndim != len(shape) or (*found.shape[:2], *found.shape[3:]) != without_time:
        expected = f"expected (1, {shape[1]}, any, {shape[3]}, {shape[4]})"
        raise _refused(take, f"are {tuple(found.shape)}", expected)
    return found


def begun_on(handed: torch.Tensor | None, latents: torch.Tensor) -> torch.Tensor:
    """A take's latents with the last handed one in place of its first, which the model has only drawn again."""
    if handed is None:
        return latents
    return torch.cat([handed[:, :, -1:].to(latents), latents[:, :, 1:]], dim=2)


def decoded_before(handed: torch.Tensor | None) -> torch.Tensor | None:
    """The handed latents that are decoded before a take: all but the last, which is the take's first."""
    return None if handed is None else handed[:, :, :-1]


def _refused(take: Take, found: str, expected: str) -> RenderError:
    where = f"take {short(take.key)}: the latents that it begins on"
    return RenderError(Problem(where, found, expected, "render the take before it again"))
