"""Settings of a machine: `WAN_RENDER_*` environment variables. None of them changes a take's key."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from wan_render.errors import Problem, UsageError

PREFIX = "WAN_RENDER_"

FARM_HOME = "WAN_RENDER_HOME"
"""Set by `make farm` for its deployments: the project's folder. No setting of ours, but no mistake either."""


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
    kernels: `auto`: on a GPU transformers and the VAE's decoder compute by wan-render's own kernels, each checked on
             the device before its first use; exact then differs from diffusers by float rounding. `stock`: both are
             left to diffusers, bit for bit, by its own kernels; only profile exact can then be rendered.
                                                      WAN_RENDER_KERNELS
    memory_fit: `auto`, or what is given up for memory, the least first: `resident`, `freed`, `streamed`, `tiled` (the
             last changes pixels; see docs/memory.md).             WAN_RENDER_MEMORY_FIT
    groups:  which takes several equal GPUs render together: `auto`, those for which a storyboard names a number
             (`render: {gpus: 2}`), and others where the night is expected to end sooner for it; `asked`, the former
             only; `off`, none.                       WAN_RENDER_GROUPS
    keep_latents: whether a take's denoised latents stay when its clip is there, to be decoded again.
                                                      WAN_RENDER_KEEP_LATENTS
    ffmpeg:  an ffmpeg program instead of the one that comes with imageio-ffmpeg. WAN_RENDER_FFMPEG
    """

    # Empty is not set: `WAN_RENDER_OUTPUTS=$NOTHING` would be the folder that one happens to be in.
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    outputs: Path = Path("outputs")
    weights: Path = Field(default_factory=lambda: _data_folder() / "weights")
    devices: str = "auto"
    cache: Path = Field(default_factory=_cache_folder)
    kernels: Literal["auto", "stock"] = "auto"
    memory_fit: Literal["auto", "resident", "freed", "streamed", "tiled"] = "auto"
    groups: Literal["auto", "asked", "off"] = "auto"
    keep_latents: bool = False
    ffmpeg: Path | None = None


def machine_settings() -> MachineSettings:
    """The settings of the environment. Raises UsageError for a WAN_RENDER_ variable that is none, or a wrong value."""
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in (*variables(), FARM_HOME))
    if unknown:
        raise UsageError(*(Problem(name, "is no setting", f"allowed: {', '.join(variables())}") for name in unknown))
    try:
        return MachineSettings()
    except ValidationError as error:
        raise UsageError(
            *(
                Problem(f"{PREFIX}{fault['loc'][0]}".upper(), f"{fault['input']!r}", fault["msg"])
                for fault in error.errors()
            )
        ) from error


def variables() -> dict[str, str]:
    """The name of each setting's variable → the name of its field."""
    return {f"{PREFIX}{field.upper()}": field for field in MachineSettings.model_fields}


def install_command(extra: str) -> str:
    """What brings an extra into this very Python, in the versions that were tested together."""
    return f"in wan-render's folder: {sys.executable} -m pip install -c constraints.txt -e '.[{extra}]'"
