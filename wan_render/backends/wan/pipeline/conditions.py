"""How each kind of model is conditioned on its keyframes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch

from wan_render.backends.wan.pipeline.encode import picture_tensor
from wan_render.backends.wan.pipeline.latents import encode_video
from wan_render.render_values import TakeInputs


class Condition(Protocol):
    """Turns latents into the transformer's input at one timestep."""

    def model_input(self, latents: torch.Tensor) -> torch.Tensor:
        """The transformer's input (1, channels, latent frames, height, width)."""
        ...

    def timestep(self, t: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """The timestep for the batch (1,), or for each token (1, tokens)."""
        ...

    def finish(self, latents: torch.Tensor) -> torch.Tensor:
        """The latents to decode."""
        ...


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
