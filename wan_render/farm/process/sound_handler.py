"""What a device process does that makes sounds from words with a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wan_render.render_values import Device, Listen, Phase, Progress
from wan_render.sound.sound_models import ModelSound, SoundModel


def sounds_of_models(device: Device, store: Path) -> Callable[[ModelSound, Listen], None]:
    """Makes one sound after the other. A model stays loaded until another is needed. store: not needed."""
    del store
    loaded: dict[Path, SoundModel] = {}

    def handle(job: ModelSound, listen: Listen) -> None:
        if job.weights not in loaded:
            listen(Progress(Phase.LOADING))
            loaded.clear()
            loaded[job.weights] = SoundModel(job.weights, device.kind)
        loaded[job.weights].write(job, lambda done, total: listen(Progress(Phase.STEP, done, total)))

    return handle
