"""Profiles: the choices of computation that change pixels. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.util import find_spec

from wan_render.errors import DeviceError, Problem, RenderError
from wan_render.settings import install_command
from wan_render.take import Sampling


class Precision(StrEnum):
    """The precision of matrix products and of their inputs."""

    LOADED = "as loaded"
    FLOAT8 = "float8 e4m3"
    STORED = "stored in 8 bits, multiplied in bfloat16"


class Schedule(StrEnum):
    """The noise levels at which a take is sampled."""

    MODEL = "model"
    DISTILLED = "distilled"


@dataclass(frozen=True)
class Profile:
    """How a take is computed. `exact` follows the weights; every other profile is an approximation of it.

    linears:    precision of the transformer blocks' linear layers, except the keys and values of the cross-attention,
                which are computed once per take.
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
        """Whether it needs wan-render's kernels, because diffusers' forward cannot compute it. Other schedules need
        none."""
        return replace(self, name=EXACT.name, schedule=EXACT.schedule) != EXACT


EXACT = Profile("exact")
FAST = Profile("fast", Precision.FLOAT8, Precision.FLOAT8, decodes_in_bfloat16=True)
BALANCED = Profile("balanced", Precision.FLOAT8, Precision.FLOAT8, first_block_threshold=0.05, decodes_in_bfloat16=True)
"""Of takes that were planned before `balanced` took fewer steps; plans have none any more (docs/decisions/0056)."""
DRAFT = Profile("draft", Precision.FLOAT8, Precision.FLOAT8, schedule=Schedule.DISTILLED, decodes_in_bfloat16=True)

DRAFT_AS_EXACT = Profile("draft", schedule=Schedule.DISTILLED)

HOPPER, EXACT_ATTENTION, STORED_WEIGHTS, AS_EXACT = "", "exact-attention", "8-bit-weights", "exact"
"""Names of variants. HOPPER: everything in float8, with FlashAttention 3. EXACT_ATTENTION: products in float8, for Ada
and Blackwell, and for whoever wants the smaller error on a Hopper. STORED_WEIGHTS: weights in 8 bits, which saves
memory and no time, for Ampere. AS_EXACT: like the profile `exact`."""


def _products_only(profile: Profile) -> Profile:
    return replace(profile, attention=Precision.LOADED)


def _stored_only(profile: Profile) -> Profile:
    return replace(profile, linears=Precision.STORED, attention=Precision.LOADED)


VARIANTS: Mapping[str, Mapping[str, Profile]] = {
    "exact": {HOPPER: EXACT},
    "fast": {HOPPER: FAST, EXACT_ATTENTION: _products_only(FAST), STORED_WEIGHTS: _stored_only(FAST)},
    "balanced": {HOPPER: BALANCED, EXACT_ATTENTION: _products_only(BALANCED), STORED_WEIGHTS: _stored_only(BALANCED)},
    "draft": {HOPPER: DRAFT, EXACT_ATTENTION: _products_only(DRAFT), AS_EXACT: DRAFT_AS_EXACT},
}
"""The variants of every profile, the strongest first. The variant "" is what the profile was before it had variants;
keys of takes rely on that."""

VARIANT_WORDS: Mapping[str, str] = {
    HOPPER: "in float8",
    EXACT_ATTENTION: "with products in float8 and exact attention",
    STORED_WEIGHTS: "with weights stored in 8 bits and multiplied in bfloat16, which saves memory but no time",
    AS_EXACT: "like exact",
}
"""How each variant is computed, to follow "is computed"."""


def variant_of(profile: Profile) -> str:
    """The name of a profile's variant."""
    return next(name for name, each in VARIANTS[profile.name].items() if each == profile)


ALL = tuple(profile for variants in VARIANTS.values() for profile in variants.values())


@dataclass(frozen=True)
class Machine:
    """The abilities of a device that profiles may need.

    capability: CUDA's compute capability, (0, 0) for a CPU.
    has_float8_attention: FlashAttention 3 for Hopper, from the wheel `fa3-fwd`.
    """

    kind: str
    capability: tuple[int, int] = (0, 0)
    has_float8_attention: bool = False


def require_profile(profile: Profile, machine: Machine) -> None:
    """Raise DeviceError with everything that the device lacks for a profile. There is no fallback to another profile,
    but another device of the farm may render it."""
    if problems := tuple(problems_of(profile, machine)):
        raise DeviceError(*problems)


def problems_of(profile: Profile, machine: Machine) -> Iterator[Problem]:
    """What the device lacks for a profile."""
    where = f"profile '{profile.name}'"
    use_exact = "render with profile: exact, or on another machine"
    if profile.needs_own_kernels and machine.kind != "cuda":
        yield Problem(where, "the device is not an NVIDIA GPU", "it needs one", use_exact)
        return
    found = f"the device has compute capability {'.'.join(map(str, machine.capability))}"
    if profile.linears is Precision.FLOAT8 and machine.capability < (8, 9):
        yield Problem(where, found, "float8 products need 8.9 or later", use_exact)
    if profile.linears is Precision.STORED and machine.capability < (8, 0):
        yield Problem(where, found, "products in bfloat16 need 8.0 or later", use_exact)
    if profile.attention is Precision.FLOAT8:
        yield from _attention_problems(where, machine, use_exact)


def _attention_problems(where: str, machine: Machine, use_exact: str) -> Iterator[Problem]:
    if machine.capability[0] != 9:
        found = f"the device has compute capability {'.'.join(map(str, machine.capability))}"
        yield Problem(where, found, "float8 attention needs a Hopper GPU (9.0)", use_exact)
    elif not machine.has_float8_attention:
        yield Problem(where, "FlashAttention 3 is not installed", "it needs fa3-fwd", install_command("hopper"))


def has_flash3(capability: tuple[int, int]) -> bool:
    """Whether the GPU is a Hopper, by its compute capability, and FlashAttention 3 is installed."""
    return capability[0] == 9 and find_spec("fa3_fwd") is not None


def profile_of(sampling: Sampling) -> Profile:
    """The profile of a take, in its variant. Raises RenderError if it is unknown."""
    return profile_named(sampling.profile, sampling.variant)


def profile_named(name: str, variant: str = "") -> Profile:
    """The profile of this name, in one of its variants. Raises RenderError if it is unknown."""
    try:
        return VARIANTS[name][variant]
    except KeyError:
        if name in VARIANTS:
            allowed = f"allowed: {', '.join(map(repr, VARIANTS[name]))}"
            raise RenderError(Problem(f"profile '{name}'", f"unknown variant '{variant}'", allowed)) from None
        allowed = f"allowed: {', '.join(VARIANTS)}"
        raise RenderError(Problem("render.profile", f"unknown profile '{name}'", allowed)) from None
