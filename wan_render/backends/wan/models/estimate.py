"""How long a take will take, roughly: for the plan, before anything was measured in the store. Needs no torch."""

from __future__ import annotations

import os

from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.limits import token_count
from wan_render.backends.wan.models.official import Official
from wan_render.backends.wan.parallel.layout import layout
from wan_render.backends.wan.profiles.render_profile import Precision, profile_of
from wan_render.take import ShotKind, Take

TIMED_ON = "NVIDIA H200"
"""The GPU that the figures are of, as nvidia-smi calls it."""

TOKENS_480P_81 = 32_760
"""Tokens of 832x480, 81 frames."""

FORWARD_SECONDS_H200 = 2.41
"""One forward of the 14B at TOKENS_480P_81 by wan-render's own kernels in bf16. This and the figures after it were
measured on H200s: docs/benchmarks.md."""

FLOAT8_TIME_SHARE = 0.68
"""Of the time of a forward, with linear layers and self-attention in float8: 1.64 s."""

FORWARD_FLOP = 1.69e15
"""Work of that forward."""

ATTENTION_SHARE = 0.52
"""Share of attention in that work; it grows with the square of the tokens, the rest in proportion."""

NARROW_MODELS_EFFICIENCY = {official.T2V_1_3B: 0.83, official.TI2V_5B: 0.78}
"""How well a step of a narrower model uses the device, against the 14B's: 0.863 s were measured where by its work alone
the 1.3B would take 0.721, and 1.672 where the 5B would take 1.302 (1280x704, 121 frames); in float8 0.77 and 0.74."""

ENCODE_SECONDS_H200 = 0.87
"""Words, CLIP's and the VAE's view of new keyframes, 832x480, 81 frames, where 16 GB are free for frames that stand
still; longer shots take hardly more, which is not counted on."""

DECODE_SECONDS_H200, BFLOAT16_DECODE_SECONDS_H200 = 1.98, 1.02
"""The VAE's decode of as much, in float32 and in bfloat16."""

SEQUENCE_EFFICIENCY = {1: 1.0, 2: 0.87, 4: 0.81, 8: 0.68}
"""Of devices that share the tokens of a prediction by Ulysses. That of two was measured, in a group of four (3.46 times
as fast); those of more are what others publish for H200s (0.99, 0.92, 0.78), scaled to it."""

GUIDANCE_EFFICIENCY = 0.99
"""Of two devices that each make one of a step's two predictions and exchange 4 MB: 1.97 to 2.0 times as fast."""

CPU_FLOPS_PER_CORE = 4e10
"""Float32 work a second of one core: one of a server did 9.7e10 in matrix products alone, and the rest is slower."""


def estimated_seconds(take: Take, device_kind: str, devices: int = 1) -> float:
    """Seconds for one take on so many H200s (`cuda`), or devices like this machine's CPU, weights loaded. Several share
    the denoising; one of them encodes and decodes.

    Weights of unknown build (a local folder) are taken for the 14B.
    """
    model = official.BY_IDENTITY.get(take.model, official.T2V_14B)
    forward = FORWARD_SECONDS_H200 * _relative_work(take, model) / NARROW_MODELS_EFFICIENCY.get(model, 1.0)
    if profile_of(take.sampling).linears is Precision.FLOAT8:
        forward *= FLOAT8_TIME_SHARE
    on_h200 = _forwards(take) * forward / _speedup(take, devices) + _vae_seconds(take)
    return on_h200 if device_kind == "cuda" else on_h200 * _cpu_slowness()


def _forwards(take: Take) -> float:
    """Forwards of a take: two a step where it is guided; the experts share the steps about equally."""
    guidance = take.sampling.guidance
    return take.sampling.steps * sum(2 if scale > 1 else 1 for scale in guidance) / len(guidance)


def _relative_work(take: Take, model: Official) -> float:
    """Work of one forward against that of the 14B at TOKENS_480P_81."""
    relative = token_count(take, model.size_multiple) / TOKENS_480P_81
    linear, attention = model.work
    return (1 - ATTENTION_SHARE) * linear * relative + ATTENTION_SHARE * attention * relative**2


def _speedup(take: Take, devices: int) -> float:
    """How many times faster than one so many devices denoise."""
    shared = layout(take, devices)
    of_guidance = 2 * GUIDANCE_EFFICIENCY if shared.guidance == 2 else 1.0
    return of_guidance * shared.sequence * SEQUENCE_EFFICIENCY[shared.sequence]


def _vae_seconds(take: Take) -> float:
    pixels = take.frames * take.size.width * take.size.height / (81 * 832 * 480)
    in_bfloat16 = profile_of(take.sampling).decodes_in_bfloat16
    decode = BFLOAT16_DECODE_SECONDS_H200 if in_bfloat16 else DECODE_SECONDS_H200
    return pixels * (decode + (0.0 if take.kind is ShotKind.T2V else ENCODE_SECONDS_H200))


def _cpu_slowness() -> float:
    """How many times longer this CPU takes than an H200."""
    return FORWARD_FLOP / FORWARD_SECONDS_H200 / (CPU_FLOPS_PER_CORE * (os.cpu_count() or 1))
