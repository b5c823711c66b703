"""Models that others made of the official ones and that are built like them: trained for both ends, or for few steps.

They are published in Wan's own layout or as single files, so `models import` brings them here. Their tensors do not
tell them from the official models: `--like`, or the name of their file, does.

Sources: `examples` and `config` of aigc-apps/VideoX-Fun; `configs/distill` and `schedulers/wan/step_distill` of
ModelTC/LightX2V; `turbodiffusion/inference` of thu-ml/TurboDiffusion, whose sampler is that of NVlabs/rcm, and the
README there for its models.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from wan_render.backends.wan.models import official
from wan_render.backends.wan.models.official import Official
from wan_render.backends.wan.models.step_schedule import StepSchedule
from wan_render.take import ShotKind

_BOTH_ENDS = (ShotKind.FLF2V, ShotKind.I2V)


def _fun(model: Official, name: str, repository: str, guidance: tuple[float, ...]) -> Official:
    """Trained on both ends, with the shared negative prompt. CLIP, if it has it, sees the first keyframe alone."""
    return replace(
        model,
        name=name,
        repository=f"alibaba-pai/{repository}",
        kinds=_BOTH_ENDS,
        steps=50,
        guidance=guidance,
        shift=5.0,
        before_negative="",
        lacks_negative=(),
    )


FUN_14B = _fun(official.I2V_14B_480P, "wan2.1-fun-14b-inp", "Wan2.1-Fun-14B-InP", (6.0,))
FUN_1_3B = replace(
    _fun(official.T2V_1_3B, "wan2.1-fun-1.3b-inp", "Wan2.1-Fun-1.3B-InP", (6.0,)),
    disk_bytes=official.T2V_1_3B.disk_bytes + 4 * 630_766_080,
)
FUN_A14B = _fun(official.I2V_A14B, "wan2.2-fun-a14b-inp", "Wan2.2-Fun-A14B-InP", (6.0, 6.0))


def _few_steps(model: Official, name: str, repository: str, schedule: StepSchedule) -> Official:
    """Distilled: 4 steps, without guidance, at shift 5. It needs no LoRA for drafts."""
    return replace(
        model,
        name=name,
        repository=repository,
        steps=4,
        guidance=(1.0,) * len(model.guidance),
        shift=5.0,
        distilled=(),
        step_schedule=schedule,
    )


_2_1, _2_2 = "lightx2v/Wan2.1-Distill-Models", "lightx2v/Wan2.2-Distill-Models"
_RENOISED = StepSchedule.RENOISED
I2V_480P_4STEP = _few_steps(official.I2V_14B_480P, "wan2.1-i2v-14b-480p-4step", _2_1, _RENOISED)
I2V_720P_4STEP = _few_steps(official.I2V_14B_720P, "wan2.1-i2v-14b-720p-4step", _2_1, _RENOISED)
T2V_4STEP = _few_steps(official.T2V_14B, "wan2.1-t2v-14b-4step", _2_1, _RENOISED)
I2V_A14B_4STEP = _few_steps(official.I2V_A14B, "wan2.2-i2v-a14b-4step", _2_2, StepSchedule.EULER)
T2V_A14B_4STEP = _few_steps(official.T2V_A14B, "wan2.2-t2v-a14b-4step", _2_2, StepSchedule.EULER)
_RCM_REPOSITORY = "worstcoder/rcm-Wan"
T2V_RCM = _few_steps(official.T2V_14B, "wan2.1-t2v-14b-rcm", _RCM_REPOSITORY, StepSchedule.RCM)
T2V_1_3B_RCM = _few_steps(official.T2V_1_3B, "wan2.1-t2v-1.3b-rcm", _RCM_REPOSITORY, StepSchedule.RCM)


def _turbo(model: Official, name: str, repository: str, schedule: StepSchedule) -> Official:
    """Distilled with rCM, and with sparse-linear attention."""
    made = _few_steps(model, name, f"TurboDiffusion/{repository}", schedule)
    return replace(made, attention=SPARSE_LINEAR_WORDS)


ATTENDED_SHARE = 0.15
"""The share of the blocks of keys that a block of queries attends to. The README of TurboDiffusion recommends 0.15 "for
better video quality"; the models were trained with 0.1 (`sla_topk` in `rcm/configs/experiments/sla`)."""

SPARSE_LINEAR_WORDS = (
    f"its self-attention is sparse-linear, as it was trained: exact over {100 * ATTENDED_SHARE:.0f} % of the keys, "
    "linear over all"
)
T2V_1_3B_TURBO = _turbo(official.T2V_1_3B, "wan2.1-t2v-1.3b-turbo", "TurboWan2.1-T2V-1.3B-480P", StepSchedule.RCM)
T2V_TURBO = _turbo(official.T2V_14B, "wan2.1-t2v-14b-turbo", "TurboWan2.1-T2V-14B-480P", StepSchedule.RCM)
T2V_720P_TURBO = _turbo(official.T2V_14B, "wan2.1-t2v-14b-720p-turbo", "TurboWan2.1-T2V-14B-720P", StepSchedule.RCM)
I2V_A14B_TURBO = replace(
    _turbo(official.I2V_A14B, "wan2.2-i2v-a14b-turbo", "TurboWan2.2-I2V-A14B-720P", StepSchedule.RCM_200),
    kinds=(ShotKind.I2V,),
)
SPARSE_LINEAR = (T2V_1_3B_TURBO, T2V_TURBO, T2V_720P_TURBO, I2V_A14B_TURBO)
"""Those whose tensors do tell: they have weights for their attention."""

ALL = (
    *(FUN_14B, FUN_1_3B, FUN_A14B),
    *(I2V_480P_4STEP, I2V_720P_4STEP, T2V_4STEP, I2V_A14B_4STEP, T2V_A14B_4STEP, T2V_RCM, T2V_1_3B_RCM),
    *SPARSE_LINEAR,
)
KNOWN = {model.name: model for model in (*official.ALL, *ALL)}
"""By its name, every model that weights may be made like."""

_WORDS = (
    (re.compile(r"rcm", re.I), "rcm"),
    (re.compile(r"(?<![a-z])fun(?![a-z])", re.I), "fun"),
    (re.compile(r"4[-_ ]?steps?|step[-_ ]?distill|distill|lightx2v|lightning", re.I), "4step"),
    (re.compile(r"720p", re.I), "720p"),
)
"""What names of files say, in the order in which it counts."""


def named_like(name: str, fitting: Sequence[Official]) -> Official | None:
    """The model among those that weights fit which a file's name speaks of; None if it speaks of none."""
    words = [word for pattern, word in _WORDS if pattern.search(name)]
    scored = {model: [word in model.name for word in words].count(True) for model in fitting}
    best = max(scored.values(), default=0)
    found = [model for model, score in scored.items() if score == best]
    return found[0] if best else None
