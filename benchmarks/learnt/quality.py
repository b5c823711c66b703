"""What quality control says of clips of the small model's scenes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from benchmarks.learnt.moving_scenes import Scenes, drawn
from benchmarks.learnt.opened_model import OpenedModel, as_pixels
from wan_render.quality.measuring import measure
from wan_render.quality.verdicts import QcVerdict, judge
from wan_render.render_values import Pixels


def drawn_clips(model: OpenedModel, scenes: Scenes) -> Iterator[Pixels]:
    """What the scenes really look like."""
    times, size = torch.linspace(0, 1, model.scale.frames), model.scale.size
    for at in range(len(scenes)):
        yield as_pixels(drawn(scenes.part(slice(at, at + 1)), times, size.height, size.width)[0])


def checked(model: OpenedModel, scenes: Scenes, clips: Iterable[Pixels]) -> dict[str, Any]:
    """How many clips fail and are flagged, and how often each check says so, with the worst value of its measure."""
    verdicts: list[QcVerdict] = []
    found: dict[QcVerdict, Counter[str]] = {QcVerdict.FAIL: Counter(), QcVerdict.FLAG: Counter()}
    values: dict[str, list[float]] = {}
    for at, frames in enumerate(clips):
        _, inputs = model.take(scenes, at, seed=at)
        judgement = judge(measure(iter(frames), inputs.first, inputs.last))
        verdicts.append(judgement.verdict)
        for name, result in judgement.checks.items():
            if result.verdict in found:
                found[result.verdict][name] += 1
                values.setdefault(f"{name}: {result.measure}", []).append(float(result.value or 0))
    return {
        "fail": f"{verdicts.count(QcVerdict.FAIL)} of {len(verdicts)}",
        "flag": f"{verdicts.count(QcVerdict.FLAG)} of {len(verdicts)}",
        "failing checks": _counted(found[QcVerdict.FAIL]),
        "flagging checks": _counted(found[QcVerdict.FLAG]),
        "values": "; ".join(f"{name} {min(each):.3g} to {max(each):.3g}" for name, each in values.items()),
    }


def _counted(checks: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in checks.most_common()) or "none"
