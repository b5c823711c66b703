"""The ways of computing a take that are compared, and what each would cost a 14B."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from benchmarks.learnt.small_model import SHIFT
from wan_render.backends.wan.kernels.attention_check import ALLOWED_ERROR, SLOWER_BY
from wan_render.backends.wan.profiles.first_block import SkipCount
from wan_render.take import Sampling

GUIDANCE = 2.0
"""Wan's is 5. This model needs less, since it follows its prompts without guidance: with 5, its ends were five times as
far off as without, after a first training of 45 s; with 2, its middles were nearest."""
STOCK_STEPS = 30
USUAL_SOLVER = "unipc"
TRANSFORMER = "transformer"
"""The name of the only one of the model."""

SPEEDS = {"exact": 1.34, "fast": 1.97}
"""Of a 14B's prediction, as a multiple of stock diffusers' (docs/benchmarks.md)."""
FIRST_BLOCK = 1 / 40
"""What a prediction costs a 14B of 40 blocks if only the first is computed."""


@dataclass(frozen=True)
class Approach:
    """One way of computing a take.

    solver:      a name in SOLVERS.
    guided:      the share of the steps, the first ones, that are guided.
    first_block: the threshold of the first-block cache; None without it.
    allowed:     the largest error of a layer's attention in float8; a layer with a larger one is exact.
    guidance:    the scale.
    in_float8:   the layers whose attention is in float8, however much they err; None leaves it to `allowed`.
    meant:       the guidance of the model's own takes that it is to come near.
    """

    steps: int
    profile: str = "exact"
    solver: str = USUAL_SOLVER
    guided: float = 1.0
    first_block: float | None = None
    allowed: float = ALLOWED_ERROR
    guidance: float = GUIDANCE
    in_float8: tuple[int, ...] | None = None
    meant: float = GUIDANCE

    def __str__(self) -> str:
        """Its name in tables."""
        parts = [f"{self.profile}, {self.steps} steps"]
        if self.solver != USUAL_SOLVER:
            parts.append(self.solver)
        if self.guided < 1:
            parts.append(f"guided {100 * self.guided:.0f} %")
        if self.first_block is not None:
            parts.append(f"first block {self.first_block:g}")
        if self.allowed != ALLOWED_ERROR:
            parts.append(f"attention may err by {self.allowed:g}")
        if self.guidance != self.meant:
            parts.append(f"guidance {self.guidance:g} in place of {self.meant:g}")
        elif self.guidance != GUIDANCE:
            parts.append(f"guidance {self.guidance:g}")
        if self.in_float8 is not None:
            parts.append(f"attention in float8 in {_layers_in_words(self.in_float8)}")
        return ", ".join(parts)

    @property
    def reference(self) -> Approach:
        """The model's own takes that it is compared with."""
        return Approach(STOCK_STEPS, guidance=self.meant, meant=self.meant)

    @property
    def only_takes_fewer_steps(self) -> bool:
        """Whether it differs from its reference in nothing but steps and profile."""
        return self == replace(self.reference, steps=self.steps, profile=self.profile)

    @property
    def sampling(self) -> Sampling:
        """As a take has it."""
        return Sampling(self.steps, (self.guidance,), SHIFT, self.profile, guided_share=self.guided)

    def speed(self, skips: SkipCount, exact_layers: float = 0.0) -> float:
        """How many times as fast as stock with 30 guided steps a 14B would be with the same predictions. exact_layers:
        the share of the layers whose attention was exact although the profile's is in float8."""
        guided = self.sampling.guided_steps if self.sampling.is_guided else 0
        full = guided + self.steps - skips.skipped
        longer = 1 + SLOWER_BY * exact_layers
        cost = (full + skips.skipped * FIRST_BLOCK) * longer / SPEEDS[self.profile]
        return 2 * STOCK_STEPS / cost


def _unipc(**changed: Any) -> Any:
    return import_module("diffusers").UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=SHIFT, **changed
    )


def _euler() -> Any:
    return import_module("diffusers").FlowMatchEulerDiscreteScheduler(shift=SHIFT)


def _dpm() -> Any:
    return import_module("diffusers").DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=SHIFT
    )


SOLVERS: Mapping[str, Any] = {
    USUAL_SOLVER: _unipc,
    "unipc of order 3": lambda: _unipc(solver_order=3),
    "unipc without corrector": lambda: _unipc(disable_corrector=list(range(STOCK_STEPS))),
    "euler": _euler,
    "dpm++ 2m": _dpm,
}

REFERENCE = Approach(STOCK_STEPS)
EXACT_ATTENTION = Approach(STOCK_STEPS, "fast", in_float8=())
"""The variant `exact-attention`, but for the attention kernel."""

FEWER_STEPS = tuple(Approach(steps, "fast") for steps in (30, 26, 23, 22, 20, 17, 14, 12, 10, 8))
FEWER_EXACT_STEPS = tuple(Approach(steps) for steps in (23, 17, 12, 8))
SKIPPING = (
    *(Approach(steps, "fast") for steps in (30, 22, 17)),
    *(
        Approach(steps, "fast", first_block=threshold)
        for steps, threshold in ((30, 0.03), (30, 0.04), (30, 0.05), (30, 0.02), (30, 0.08), (30, 0.12), (24, 0.05))
    ),
)
"""After the fewer steps that have such speeds."""
WINDOWS = tuple(
    Approach(steps, "fast", guided=share)
    for steps, share in ((30, 0.5), (30, 0.75), (30, 0.25), (36, 0.25), (26, 0.75), (24, 0.5), (20, 0.5))
)
"""30 at 50 %, 36 at 25 % and 26 at 75 %, which is `balanced`, are as fast as 22 or 23 steps that are all guided."""
EXACT_WINDOWS = (Approach(30, guided=0.5), Approach(23), Approach(26, guided=0.75))
"""The same without float8, whose error guidance makes larger. 23 steps are as fast as 26 at 75 %."""
STRONGLY_GUIDED, AS_STRONG_AS_WAN = (
    tuple(
        Approach(steps, "fast", guided=share, guidance=scale, meant=scale)
        for steps, share in ((22, 1.0), (23, 1.0), (30, 0.5), (26, 0.75))
    )
    for scale in (4.0, 5.0)
)
"""Windows of takes that guidance changes more, after the fewer steps that are as fast."""
FLOAT8_LAYERS = (
    EXACT_ATTENTION,
    Approach(STOCK_STEPS, "fast"),
    *(
        replace(EXACT_ATTENTION, in_float8=tuple(layers))
        for layers in (range(8), range(4), range(4, 8), range(2, 6), (0, 1, 6, 7), *((layer,) for layer in range(8)))
    ),
    Approach(STOCK_STEPS, "fast", allowed=0.055),
)
"""For the 8 layers of the scale gpu."""
OTHER_SOLVERS = tuple(
    Approach(steps, profile, solver)
    for steps, profile in ((12, "exact"), (22, "fast"))
    for solver in (USUAL_SOLVER, "euler", "dpm++ 2m")
)
SOLVERS_IN_FEW_STEPS = tuple(Approach(12, "fast", solver) for solver in SOLVERS)
GUIDANCES = tuple(Approach(STOCK_STEPS, guidance=scale) for scale in (1.0, 3.0, 5.0))
APPROACHES: Mapping[str, tuple[Approach, ...]] = {
    "steps": FEWER_STEPS,
    "windows": WINDOWS,
    "exact windows": EXACT_WINDOWS,
    "windows at 4": STRONGLY_GUIDED,
    "windows at 5": AS_STRONG_AS_WAN,
    "solvers": OTHER_SOLVERS,
    "skipping": SKIPPING,
    "float8": FLOAT8_LAYERS,
    "exact": FEWER_EXACT_STEPS,
    "solvers in few steps": SOLVERS_IN_FEW_STEPS,
    "guidance": GUIDANCES,
}
"""The most important first: a run may have to end before the last. Without fewer steps of `fast`, nothing is
compared at equal speed."""


def _layers_in_words(layers: tuple[int, ...]) -> str:
    if not layers:
        return "no layer"
    return f"{'layer' if len(layers) == 1 else 'layers'} {', '.join(map(str, layers))}"
