"""How each kind of model is conditioned on its keyframes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from wan_render.backends.wan.pipeline.encode import picture_tensor
from wan_render.backends.wan.pipeline.latents import encode_video
from wan_render.render_values import Pixels, TakeInputs

GREY = 128
"""The level of frames that VACE is to render, as in its authors' and diffusers' examples."""


class Condition(Protocol):
    """Turns latents into the transformer's input at one timestep."""

    def model_input(self, latents: torch.Tensor) -> torch.Tensor:
        """The transformer's input (1, channels, latent frames, height, width)."""

    def timestep(self, t: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """The timestep for the batch (1,), or for each token (1, tokens)."""

    def finish(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents to decode."""

    def further_inputs(self, dtype: torch.dtype) -> Mapping[str, torch.Tensor]:
        """Inputs of the transformer besides those that every model has, in its type."""


@dataclass(frozen=True)
class TextOnly:
    """No keyframe. per_token: the model was trained with a timestep for each token (Wan 2.2 5B)."""

    per_token: bool

    def model_input(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents themselves."""
        return latents

    def timestep(self, t: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """The same timestep for all tokens."""
        return _of_tokens(torch.ones_like(latents[:1, :1]), t) if self.per_token else t.expand(1)

    def finish(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents themselves."""
        return latents

    def further_inputs(self, dtype: torch.dtype) -> Mapping[str, torch.Tensor]:  # noqa: ARG002 - part of the seam
        """None."""
        return {}


@dataclass(frozen=True)
class Channels:
    """Keyframes as additional channels of the latents: a mask of the known frames and their latents (Wan 2.1 I2V and
    FLF2V, Wan 2.2 A14B). channels: (1, 4 + z, latent frames, height, width)."""

    channels: torch.Tensor

    def model_input(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents, mask and keyframes, concatenated along the channels."""
        return torch.cat([latents, self.channels], dim=1)

    def timestep(self, t: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - part of the seam
        """The same timestep for all tokens."""
        return t.expand(1)

    def finish(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents themselves."""
        return latents

    def further_inputs(self, dtype: torch.dtype) -> Mapping[str, torch.Tensor]:  # noqa: ARG002 - part of the seam
        """None."""
        return {}


@dataclass(frozen=True)
class FirstFrame:
    """The first latent frame is fixed, at timestep 0 (Wan 2.2 5B).

    frame: (1, z, 1, height, width). unknown: (1, 1, latent frames, height, width), 0 in the fixed frame, else 1.
    """

    frame: torch.Tensor
    unknown: torch.Tensor

    def model_input(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents with the first frame replaced."""
        return (1 - self.unknown) * self.frame + self.unknown * latents

    def timestep(self, t: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - part of the seam
        """0 for the tokens of the first frame, t for the others."""
        return _of_tokens(self.unknown, t)

    def finish(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents with the first frame replaced."""
        return self.model_input(latents)

    def further_inputs(self, dtype: torch.dtype) -> Mapping[str, torch.Tensor]:  # noqa: ARG002 - part of the seam
        """None."""
        return {}


@dataclass(frozen=True)
class ControlVideo:
    """A video beside the latents, parts of which are kept (VACE). channels: (1, 2·z + mask, latent frames, height,
    width): the latents of what is kept, those of what is rendered, and the mask."""

    channels: torch.Tensor

    def model_input(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents themselves."""
        return latents

    def timestep(self, t: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - part of the seam
        """The same timestep for all tokens."""
        return t.expand(1)

    def finish(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents themselves."""
        return latents

    def further_inputs(self, dtype: torch.dtype) -> Mapping[str, torch.Tensor]:
        """The video."""
        return {"control_hidden_states": self.channels.to(dtype)}


def keyframe_latents(plates: TakeInputs, frames: int, vae: Any) -> torch.Tensor:
    """The latents of a video of `frames` frames with the keyframes at its ends: (1, z, latent frames, height,
    width)."""
    return encode_video(_video_of(plates, frames, vae.device), vae)


def channels(latents: torch.Tensor, frames: int, step: int, *, has_last: bool) -> Channels:
    """The condition from the keyframes' latents. frames: of the take. step: frames per latent frame."""
    shape = latents.shape
    known = torch.zeros(1, 1, frames, *shape[3:])
    known[:, :, 0] = 1
    if has_last:
        known[:, :, -1] = 1
    # The first latent frame stands for one frame, each other one for `step`: repeat the first to make them equal.
    known = torch.cat([known[:, :, :1].repeat_interleave(step, dim=2), known[:, :, 1:]], dim=2)
    known = known.view(1, -1, step, *shape[3:]).transpose(1, 2).to(latents.device)
    return Channels(torch.cat([known, latents], dim=1))


def first_frame(frame: torch.Tensor, shape: tuple[int, ...]) -> FirstFrame:
    """The condition from the first keyframe's latent frame. shape: of the take's latents."""
    unknown = torch.ones(1, 1, *shape[2:], dtype=torch.float32, device=frame.device)
    unknown[:, :, 0] = 0
    return FirstFrame(frame, unknown)


def control_latents(plates: TakeInputs, frames: int, vae: Any) -> torch.Tensor:
    """The latents of a bridge's video: (1, 2·z, latent frames, height, width). First those of the frames that are kept,
    with 0 in place of the others, then those of the others, which are grey, with 0 in place of those that are kept."""
    if plates.before is None or plates.after is None:
        raise ValueError("a bridge needs the frames on both sides")
    video = _grey_between(plates.before, plates.after, frames).to(vae.device)
    unknown = _to_render(plates.before, plates.after, frames).view(1, 1, -1, 1, 1).to(vae.device)
    return torch.cat([encode_video(video * (1 - unknown), vae), encode_video(video * unknown, vae)], dim=1)


def control_video(latents: torch.Tensor, plates: TakeInputs, frames: int, cell: int) -> ControlVideo:
    """The condition from the latents of a bridge's video. cell: pixels per latent pixel, on each axis.

    The mask has a channel for each pixel of a cell. A latent frame takes that of the nearest frame, as in diffusers'
    pipeline.
    """
    if plates.before is None or plates.after is None:
        raise ValueError("a bridge needs the frames on both sides")
    count, height, width = latents.shape[2:]
    unknown = _to_render(plates.before, plates.after, frames).view(1, 1, -1)
    nearest = torch.nn.functional.interpolate(unknown, size=count, mode="nearest-exact")
    channels = nearest.view(1, 1, count, 1, 1).expand(1, cell * cell, count, height, width)
    return ControlVideo(torch.cat([latents, channels.to(latents)], dim=1))


def _to_render(before: Pixels, after: Pixels, frames: int) -> torch.Tensor:
    """(frames): 1 for the frames to render, 0 for those on both sides."""
    unknown = torch.ones(frames)
    unknown[: len(before)] = 0
    unknown[frames - len(after) :] = 0
    return unknown


def _grey_between(before: Pixels, after: Pixels, frames: int) -> torch.Tensor:
    """(1, 3, frames, height, width) from -1 to 1: the frames on both sides, mid-grey between them."""
    pixels = np.full((frames, *before.shape[1:]), GREY, np.uint8)
    pixels[: len(before)], pixels[frames - len(after) :] = before, after
    return torch.cat([picture_tensor(picture).unsqueeze(2) for picture in pixels], dim=2)


def _video_of(plates: TakeInputs, frames: int, device: torch.device) -> torch.Tensor:
    """(1, 3, frames, height, width): the keyframes at the ends, mid-grey (0) between them."""
    if plates.first is None:
        raise ValueError("a keyframe condition needs a first plate")
    first = picture_tensor(plates.first)
    video = torch.zeros(1, 3, frames, *first.shape[2:], device=device)
    video[:, :, 0] = first
    if plates.last is not None:
        video[:, :, -1] = picture_tensor(plates.last)
    return video


def _of_tokens(unknown: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """A timestep for each token, which is 2x2 latent pixels: t where `unknown` is 1, else 0."""
    return (unknown[0, 0, :, ::2, ::2] * t).flatten().unsqueeze(0)
