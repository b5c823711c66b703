"""What a device process does that answers questions with a language model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wan_render.extension.local_model import LocalVisionModel, ModelQuestion
from wan_render.render_values import Device, Listen, Phase, Progress


def answers_of_models(device: Device, store: Path) -> Callable[[ModelQuestion, Listen], str]:
    """Answers one question after the other. The model stays loaded. store: not needed."""
    del store
    loaded: dict[Path, LocalVisionModel] = {}

    def handle(job: ModelQuestion, listen: Listen) -> str:
        if job.weights not in loaded:
            listen(Progress(Phase.LOADING))
            loaded[job.weights] = LocalVisionModel(job.weights, device.kind)

        def hear(made: int) -> None:
            listen(Progress(Phase.STEP, made, job.most_tokens))

        return loaded[job.weights].answer(job.question, job.most_tokens, hear)

    return handle
