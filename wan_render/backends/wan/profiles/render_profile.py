"""Profiles: how a shot is computed where that changes its pixels. Importing this needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.util import find_spec

from wan_render.errors import DeviceError, Problem, RenderError
from wan_render.settings import install_command
from wan_render.take import Sampling


class Precision(StrEnum):
    """Of matrix products, and of what goes into them."""

    LOADED = "as loaded"
    FLOAT8 = "float8 e4m3"


class Schedule(StrEnum):
    """Which noise levels a shot is sampled at."""

    MODEL = "model"
    DISTILLED = "distilled"


@dataclass(frozen=True)
class Profile:
    """What is computed how; `exact` is what the weights say, every other profile is an approximation of it.

    linears:    of the transformer blocks' linear layers, but for the keys and values of the cross-attention, which are
                computed once for a shot.
    attention:  of the self-attention; the cross-attention is always as loaded.
    first_block_threshold: with a value, the blocks behind the first are skipped in steps in which the first one's
                contribution changed by less than this share since the last step that was computed in full.
    schedule:   `distilled`: the noise levels that 4-step LoRAs were distilled for, without guidance.
    decode:     of the VAE's decoder.
    """

    name: str
    linears: Precision = Precision.LOADED
    attention: Precision = Precision.LOADED
    first_block_threshold: float | None = None
    schedule: Schedule = Schedule.MODEL
    decodes_in_bfloat16: bool = False

    @property
    def needs_own_kernels(self) -> bool:
        """Whether anything of it is computed otherwise than `exact` is, which diffusers' forward cannot do. A schedule
        is no such thing."""
        return replace(self, name=EXACT.name, schedule=EXACT.schedule) != EXACT


EXACT = Profile("exact")
FAST = Profile("fast", Precision.FLOAT8, Precision.FLOAT8, decodes_in_bfloat16=True)
BALANCED = Profile("balanced", Precision.FLOAT8, Precision.FLOAT8, first_block_threshold=0.05, decodes_in_bfloat16=True)
DRAFT = Profile("draft", Precision.FLOAT8, Precision.FLOAT8, schedule=Schedule.DISTILLED, decodes_in_bfloat16=True)

DRAFT_AS_EXACT = Profile("draft", schedule=Schedule.DISTILLED)

AS_EXACT = "exact"
"""The variant of a profile whose shots are computed as those of `exact` are."""

VARIANTS: Mapping[str, Mapping[str, Profile]] = {
    "exact": {"": EXACT},
    "fast": {"": FAST},
    "balanced": {"": BALANCED},
    "draft": {"": DRAFT, AS_EXACT: DRAFT_AS_EXACT},
}
"""Every profile by its name, and every variant of it, the strongest first. What "" names is what the profile was before
it had variants: keys of takes count on it."""

ALL = tuple(profile for variants in VARIANTS.values() for profile in variants.values())
BY_NAME = {name: variants[""] for name, variants in VARIANTS.items()}


@dataclass(frozen=True)
class Machine:
    """What a profile may ask of a device and of what is installed.

    capability: CUDA's compute capability, (0, 0) for a CPU.
    has_float8_attention: FlashAttention 3 for Hopper, from the wheel `fa3-fwd`.
    """

    kind: str
    capability: tuple[int, int] = (0, 0)
    has_float8_attention: bool = False


def require_profile(profile: Profile, machine: Machine) -> None:
    """Raise DeviceError with all that the machine lacks for a profile: nothing falls back to another one, but where
    unlike devices are, another one may render it."""
    if problems := tuple(problems_of(profile, machine)):
        raise DeviceError(*problems)


def problems_of(profile: Profile, machine: Machine) -> Iterator[Problem]:
    """What the machine lacks for a profile."""
    where = f"profile '{profile.name}'"
    use_exact = "render with profile: exact, or on another machine"
    if profile.needs_own_kernels and machine.kind != "cuda":
        yield Problem(where, "the device is not an NVIDIA GPU", "it needs one", use_exact)
        return
    if profile.linears is Precision.FLOAT8 and machine.capability < (8, 9):
        found = f"the device has compute capability {'.'.join(map(str, machine.capability))}"
        yield Problem(where, found, "float8 products need 8.9 or later", use_exact)
    if profile.attention is Precision.FLOAT8:
        yield from _attention_problems(where, machine, use_exact)


def _attention_problems(where: str, machine: Machine, use_exact: str) -> Iterator[Problem]:
    if machine.capability[0] != 9:
        found = f"the device has compute capability {'.'.join(map(str, machine.capability))}"
        yield Problem(where, found, "float8 attention is there for Hopper (9.0) only", use_exact)
    elif not machine.has_float8_attention:
        yield Problem(where, "FlashAttention 3 is not installed", "it needs fa3-fwd", install_command("hopper"))


def has_flash3(capability: tuple[int, int]) -> bool:
    """Whether FlashAttention 3 is installed for a GPU of this compute capability, which it takes a Hopper for."""
    return capability[0] == 9 and find_spec("fa3_fwd") is not None


def profile_of(sampling: Sampling) -> Profile:
    """The profile that a take is sampled at, in its variant. Raises RenderError."""
    return profile_named(sampling.profile, sampling.variant)


def profile_named(name: str, variant: str = "") -> Profile:
    """The profile of this name, in a variant of it. Raises RenderError."""
    try:
        return VARIANTS[name][variant]
    except KeyError:
        if name in VARIANTS:
            allowed = f"allowed: {', '.join(map(repr, VARIANTS[name]))}"
            raise RenderError(Problem(f"profile '{name}'", f"there is no variant '{variant}'", allowed)) from None
        allowed = f"allowed: {', '.join(BY_NAME)}"
        raise RenderError(Problem("render.profile", f"there is no profile '{name}'", allowed)) from None
