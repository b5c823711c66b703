"""Settings of a machine: `WAN_RENDER_*` environment variables. None of them changes a take's key."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from wan_render.errors import Problem, UsageError
from wan_render.price import PRICE_FORM, Price
from wan_render.printable import shown

PREFIX = "WAN_RENDER_"

FARM_HOME = "WAN_RENDER_HOME"
"""The project's folder, in deployments of earlier versions. Not a setting any more, but not a mistake either."""

BACKEND_SETTING = "WAN_RENDER_BACKEND"
NOTIFY_SETTING, NOTIFY_BY_SETTING = "WAN_RENDER_NOTIFY", "WAN_RENDER_NOTIFY_BY"

TRUTHS = ("true", "false", "yes", "no", "on", "off", "1", "0")
"""The spellings of yes and no, in any case."""


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wan-render"


def _data_folder() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "wan-render"


def _listed(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _price(value: object) -> object:
    return Price.read(value) if isinstance(value, str) else value


class MachineSettings(BaseSettings):
    """What belongs to this machine, not to a film. The variable of `outputs` is WAN_RENDER_OUTPUTS, and so on.

    outputs: the folder of takes and films. If unset, it is searched for (see store.outputs).
    backend: the backend that renders instead of the models that a storyboard names (`animatic`). --backend overrides
             it.
    weights: a folder of checkpoints, each in a folder named like the last part of its repository. `models pull` writes
             to it. Models that are not in it are looked for in Hugging Face's cache.
    devices: `auto`, or a comma-separated list of names that `doctor` shows (`cuda:0,cuda:1`, `cpu`).
    cache:   a folder for small facts about files (digests, picture facts). It is safe to delete.
    kernels: `auto`: on a GPU, transformers and the VAE's decoder use wan-render's own kernels. Each is checked on the
             device before its first use. The profile exact then differs from diffusers by float rounding.
             `stock`: both use diffusers' own kernels, bit for bit. Only the profile exact is then available.
    memory_fit: `auto`, or a level of memory use, from most to least: `resident`, `freed`, `streamed`, `tiled`. Only
             `tiled` changes pixels; see docs/memory.md.
    groups:  which takes several identical GPUs render together. `asked`: those for which a storyboard names a number
             (`render: {gpus: 2}`). `auto`: also those where it should finish the run sooner. `off`: none.
    keep_latents: whether a take's denoised latents are kept after its clip is finished, to be decoded again.
    locks:   a folder for the locks of devices without a device node (the CPU; GPUs in WSL), instead of
             ~/.local/state/wan-render/locks. All of a user's runs must share it.
    ffmpeg:  an ffmpeg program to use instead of the one that comes with imageio-ffmpeg.
    patience: every time limit of a watchdog is multiplied by it. Raise it if slow weights or disks are taken for hung.
    gpu_hour_price: what an hour of one GPU costs: `2.5`, or with a currency `2.50 EUR`. Estimates then name the price.
    notify:  where the farm reports how films and nights ended: addresses of webhooks, and names of Prefect's
             notification blocks, separated by commas.
    notify_by: the time of day (`06:00`) at which the farm reports that a scheduled night has finished no film yet.
    """

    # An empty variable counts as unset: otherwise `WAN_RENDER_OUTPUTS=$NOTHING` would be the current folder.
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
    patience: float = Field(1.0, gt=0, allow_inf_nan=False)
    gpu_hour_price: Annotated[Price | None, NoDecode, BeforeValidator(_price)] = None
    notify: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)] = ()
    notify_by: time | None = None


def machine_settings() -> MachineSettings:
    """The settings of the environment. Raises UsageError with every unknown WAN_RENDER_ variable and every invalid
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
    """Settings whose path no file can have: found here, once, before anything uses them."""
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
    if setting.annotation is float:
        return Problem(
            name,
            f"invalid value {shown(str(value))}",
            "a number above 0",
            f"correct or unset it (default: {setting.default:g})",
        )
    if field == "notify_by":
        return Problem(name, f"invalid value {shown(str(value))}", "a time of day: 06:00", "correct or unset it")
    if field == "gpu_hour_price":
        return Problem(name, f"invalid value {shown(str(value))}", PRICE_FORM, "correct or unset it")
    # Any text may be a path, so of the others only choices can be invalid.
    choices = TRUTHS if setting.annotation is bool else get_args(setting.annotation)
    default = f"write one of these, or unset it (default: {str(setting.default).lower()})"
    remedy = _did_you_mean(str(value), choices) or default
    return Problem(name, f"invalid value {shown(str(value))}", f"allowed: {', '.join(choices)}", remedy)


def _did_you_mean(text: str, allowed: Sequence[str], before: str = "") -> str:
    """`did you mean '…'?` for the nearest allowed word in any case, with `before` in front of it; "" if none is
    near."""
    close = get_close_matches(text.strip().casefold(), [each.casefold() for each in allowed], n=1)
    return next((f"did you mean '{before}{each}'?" for each in allowed if each.casefold() in close), "")


def variables() -> dict[str, str]:
    """Setting's variable → its field in MachineSettings."""
    return {f"{PREFIX}{field.upper()}": field for field in MachineSettings.model_fields}


def install_command(extra: str) -> str:
    """The command that installs an extra into this Python, in the versions that were tested together."""
    return f"in wan-render's folder: {sys.executable} -m pip install -c constraints.txt -e '.[{extra}]'"
