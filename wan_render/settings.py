"""Settings of a machine: `WAN_RENDER_*` environment variables. None of them changes a take's key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wan-render"


def _data_folder() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "wan-render"


class MachineSettings(BaseSettings):
    """What belongs to this machine, not to a film.

    outputs: where takes and films are kept.         WAN_RENDER_OUTPUTS
    weights: a folder of checkpoints, each in a folder named like its repository's last part: `models pull`
             writes there; models that are not there are looked for in Hugging Face's cache.
                                                      WAN_RENDER_WEIGHTS
    devices: `auto`, or a comma-separated list of names that `doctor` shows (`cuda:0,cuda:1`, `cpu`).
                                                      WAN_RENDER_DEVICES
    cache:   small facts about files (digests, picture facts); safe to delete.  WAN_RENDER_CACHE
    kernels: `auto`, or `stock`: transformers are left to diffusers, bit for bit, by its own kernels; only profile
             exact can then be rendered on a GPU.                       WAN_RENDER_KERNELS
    memory_fit: `auto`, or what is given up for memory, the least first: `resident`, `freed`, `streamed`, `tiled` (the
             last changes pixels; see docs/memory.md).             WAN_RENDER_MEMORY_FIT
    keep_latents: whether a take's denoised latents stay when its clip is there, to be decoded again.
                                                      WAN_RENDER_KEEP_LATENTS
    ffmpeg:  an ffmpeg program instead of the one that comes with imageio-ffmpeg. WAN_RENDER_FFMPEG
    """

    model_config = SettingsConfigDict(env_prefix="WAN_RENDER_", frozen=True, extra="ignore")

    outputs: Path = Path("outputs")
    weights: Path = Field(default_factory=lambda: _data_folder() / "weights")
    devices: str = "auto"
    cache: Path = Field(default_factory=_cache_folder)
    kernels: Literal["auto", "stock"] = "auto"
    memory_fit: Literal["auto", "resident", "freed", "streamed", "tiled"] = "auto"
    keep_latents: bool = False
    ffmpeg: Path | None = None
