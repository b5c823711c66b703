"""Settings of a machine: `WAN_RENDER_*` environment variables. None of them changes a take's key."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from wan_render.errors import Problem, UsageError
from wan_render.printable import shown

PREFIX = "WAN_RENDER_"

FARM_HOME = "WAN_RENDER_HOME"
"""The project's folder, for deployments of former versions. No setting of ours, but no mistake either."""

BACKEND_SETTING = "WAN_RENDER_BACKEND"

TRUTHS = ("true", "false", "yes", "no", "on", "off", "1", "0")
"""What may be written for yes and no, in any case."""


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wan-render"


def _data_folder() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "wan-render"


class MachineSettings(BaseSettings):
    """What belongs to this machine, not to a film.

    outputs: where takes and films are kept; not set, they are looked for (see store.outputs). WAN_RENDER_OUTPUTS
    backend: what renders instead of the models that a storyboard names (`animatic`), where no --backend says
             otherwise.                               WAN_RENDER_BACKEND
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
    locks:   a folder for the locks of devices that have no device node (the CPU; GPUs in WSL), instead of
             ~/.local/state/wan-render/locks. All of a user's runs must share it.         WAN_RENDER_LOCKS
    ffmpeg:  an ffmpeg program instead of the one that comes with imageio-ffmpeg. WAN_RENDER_FFMPEG
    """

    # Empty is not set: `WAN_RENDER_OUTPUTS=$NOTHING` would be the folder that one happens to be in.
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    outputs: Path | None = None
    backend: str | None = None
    weights: Path = Field(default_factory=lambda: _data_folder() / "weights")
    devices: str = "auto"
    cache: Path = Field(default_factory=_cache_folder)
    kernels: Literal["auto", "stock"] = "auto"
    memory_fit: Literal["auto", "resident", "freed", "streamed", "tiled"] = "auto"
    groups: Literal["auto", "asked", "off"] = "auto"
    keep_latents: bool = False
    locks: Path | None = None
    ffmpeg: Path | None = None


def machine_settings() -> MachineSettings:
    """The settings of the environment. Raises UsageError for every WAN_RENDER_ variable that is none, and every wrong
    value."""
    wrong = list(_unknown())
    try:
        settings = MachineSettings()
    except ValidationError as error:
        wrong += [_refused(str(fault["loc"][0]), fault["input"]) for fault in error.errors()]
        raise UsageError(*wrong) from None
    wrong += _impossible_paths(settings)
    if wrong:
        raise UsageError(*wrong)
    return settings


def _impossible_paths(settings: MachineSettings) -> Iterator[Problem]:
    """What no file can be called: found here, once, not by whoever looks there first."""
    for variable, field in variables().items():
        path = getattr(settings, field)
        if isinstance(path, Path):
            try:
                os.lstat(path)
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                if getattr(error, "errno", errno.EINVAL) in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
                    yield Problem(
                        variable, f"invalid value {shown(str(path))}", f"a path ({why})", "correct or unset it"
                    )


def _unknown() -> Iterator[Problem]:
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in (*variables(), FARM_HOME):
            remedy = _did_you_mean(name[len(PREFIX) :], [each[len(PREFIX) :] for each in variables()], PREFIX)
            yield Problem(name, "unknown setting", f"allowed: {', '.join(variables())}", remedy or "unset it")


def _refused(field: str, value: object) -> Problem:
    setting = MachineSettings.model_fields[field]
    name = next(name for name in os.environ if name.upper() == f"{PREFIX}{field.upper()}")
    # Every text is the name of a folder: only choices can be wrong.
    choices = TRUTHS if setting.annotation is bool else get_args(setting.annotation)
    default = f"write one of these, or unset it: then it is {str(setting.default).lower()}"
    remedy = _did_you_mean(str(value), choices) or default
    return Problem(name, f"invalid value {shown(str(value))}", f"allowed: {', '.join(choices)}", remedy)


def _did_you_mean(text: str, allowed: Sequence[str], before: str = "") -> str:
    """The nearest of what is allowed, whatever its case, with what stands before all of it; "" where none is near."""
    close = get_close_matches(text.strip().casefold(), [each.casefold() for each in allowed], n=1)
    return next((f"did you mean '{before}{each}'?" for each in allowed if each.casefold() in close), "")


def variables() -> dict[str, str]:
    """The name of each setting's variable → the name of its field."""
    return {f"{PREFIX}{field.upper()}": field for field in MachineSettings.model_fields}


def install_command(extra: str) -> str:
    """What brings an extra into this very Python, in the versions that were tested together."""
    return f"in wan-render's folder: {sys.executable} -m pip install -c constraints.txt -e '.[{extra}]'"
