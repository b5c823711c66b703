"""Rough estimates of how long takes render, for the plan, until the store has measurements. Needs no torch."""

from __future__ import annotations

import os

from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.limits import token_count
from wan_render.backends.wan.models.official import Official
from wan_render.backends.wan.parallel.layout import layout
from wan_render.backends.wan.profiles.render_profile import Precision, profile_of
from wan_render.take import ShotKind, Take

TIMED_ON = "NVIDIA H200"
"""The GPU of the measurements, as nvidia-smi names it."""

TOKENS_480P_81 = 32_760
"""The number of tokens at 832x480, 81 frames."""

FORWARD_SECONDS_H200 = 2.41
"""One forward of the 14B at TOKENS_480P_81 with wan-render's kernels in bf16. This and the next figures were measured
on H200s: docs/benchmarks.md."""

FLOAT8_TIME_SHARE = 0.68
"""The time of a forward with linear layers and self-attention in float8, relative to bf16: 1.64 s."""

PRODUCTS_TIME_SHARE = 0.81
"""The same with linear layers alone in float8, and FlashAttention 3 in bfloat16: 3.87 s a step instead of 4.79."""

FORWARD_FLOP = 1.69e15
"""The floating-point operations of that forward."""

ATTENTION_SHARE = 0.52
"""The share of attention in that work. It grows with the square of the tokens, the rest linearly."""

NARROW_MODELS_EFFICIENCY = {official.T2V_1_3B: 0.83, official.VACE_1_3B: 0.83, official.TI2V_5B: 0.78}
"""How efficiently narrower models use the device, relative to the 14B. The 1.3B took 0.863 s, where its work alone
gives 0.721; the 5B took 1.672 s instead of 1.302 (1280x704, 121 frames). In float8 the values are 0.77 and 0.74."""

STOCK_FORWARD_EFFICIENCY = 0.73
"""The efficiency of diffusers' own forward, which computes bridges, relative to wan-render's: 2.41 s instead of 3.3."""

CONTROL_SECONDS_H200 = 2 * 1.72
"""Encoding the video of a bridge at 832x480, 81 frames: the frames that it keeps, and those that it renders."""

ENCODE_SECONDS_H200 = 0.87
"""Encoding text and new keyframes at 832x480, 81 frames, if 16 GB are free for the cache of still frames. With it
longer shots take hardly longer; the estimate does not rely on that."""

DECODE_SECONDS_H200, BFLOAT16_DECODE_SECONDS_H200 = 1.98, 1.02
"""Decoding the same size with the VAE, in float32 and in bfloat16."""

SEQUENCE_EFFICIENCY = {1: 1.0, 2: 0.87, 4: 0.81, 8: 0.68}
"""The efficiency of devices that share the tokens of a prediction, by their number. For two it was measured, in a group
of four (3.46 times as fast). For more it is scaled from published numbers for H200s (0.99, 0.92, 0.78)."""

GUIDANCE_EFFICIENCY = 0.99
"""The efficiency of two devices that each make one of a step's predictions and exchange 4 MB: 1.97 to 2.0 times as
fast."""

CPU_FLOPS_PER_CORE = 4e10
"""Float32 operations per second of one core. A server's core did 9.7e10 in matrix products; the rest is slower."""


def estimated_seconds(take: Take, device_kind: str, devices: int = 1) -> float:
    """Seconds for one take on this many H200s (`cuda`) or on this machine's CPU, with the weights loaded. Several
    devices share the denoising; one encodes and decodes.

    Weights of an unknown build (a local folder) count as the 14B.
    """
    model = official.BY_IDENTITY.get(take.model, official.T2V_14B)
    forward = FORWARD_SECONDS_H200 * _relative_work(take, model) / NARROW_MODELS_EFFICIENCY.get(model, 1.0)
    profile = profile_of(take.sampling)
    if take.bridge is not None:
        forward /= STOCK_FORWARD_EFFICIENCY
    if profile.linears is Precision.FLOAT8:
        forward *= FLOAT8_TIME_SHARE if profile.attention is Precision.FLOAT8 else PRODUCTS_TIME_SHARE
    on_h200 = _forwards_in_turn(take, devices) * forward + _vae_seconds(take)
    return on_h200 if device_kind == "cuda" else on_h200 * _cpu_slowness()


def _forwards_in_turn(take: Take, devices: int) -> float:
    """How many forwards of one device take as long as the steps of a take: two for each guided step. Experts are
    assumed to share the steps equally. Where several devices share guidance, half of them have nothing to do in a step
    without it."""
    sampling, shared = take.sampling, layout(take, devices)
    in_guided_step = sum(2 if scale > 1 else 1 for scale in sampling.guidance) / len(sampling.guidance)
    of_guidance = 2 * GUIDANCE_EFFICIENCY if shared.guidance == 2 else 1.0
    unguided = sampling.steps - sampling.guided_steps
    forwards = sampling.guided_steps * in_guided_step / of_guidance + unguided
    return forwards / (shared.sequence * SEQUENCE_EFFICIENCY[shared.sequence])


def _relative_work(take: Take, model: Official) -> float:
    """The work of one forward relative to the 14B at TOKENS_480P_81."""
    relative = token_count(take, model.size_multiple) / TOKENS_480P_81
    linear, attention = model.work
    return (1 - ATTENTION_SHARE) * linear * relative + ATTENTION_SHARE * attention * relative**2


def _vae_seconds(take: Take) -> float:
    pixels = take.frames * take.size.width * take.size.height / (81 * 832 * 480)
    in_bfloat16 = profile_of(take.sampling).decodes_in_bfloat16
    decode = BFLOAT16_DECODE_SECONDS_H200 if in_bfloat16 else DECODE_SECONDS_H200
    encode = {ShotKind.T2V: 0.0, ShotKind.BRIDGE: CONTROL_SECONDS_H200}.get(take.kind, ENCODE_SECONDS_H200)
    return pixels * (decode + encode)


def _cpu_slowness() -> float:
    """How many times longer this CPU takes than an H200."""
    return FORWARD_FLOP / FORWARD_SECONDS_H200 / (CPU_FLOPS_PER_CORE * (os.cpu_count() or 1))
