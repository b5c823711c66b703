"""Sounds from words by diffusers' audio pipelines, from a local folder of weights.

torch and diffusers are imported when a model is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from wan_render.errors import MachineError, Problem, WeightsError
from wan_render.facts import FactCache
from wan_render.keys import content_key
from wan_render.settings import install_command
from wan_render.sound.sound_request import SoundRequest, spoken_seconds

INDEX = "model_index.json"
MODEL_FORM = "sound-model/1"
"""Tag and version of the digest of a folder of weights."""


@dataclass(frozen=True)
class SoundPipeline:
    """A pipeline of diffusers. steps: of denoising. seconds: the name of its argument for the length."""

    steps: int
    seconds: str
    speaks: bool = False


PIPELINES: Mapping[str, SoundPipeline] = {
    "StableAudioPipeline": SoundPipeline(100, "audio_end_in_s"),
    "AudioLDM2Pipeline": SoundPipeline(200, "audio_length_in_s", speaks=True),
    "AudioLDMPipeline": SoundPipeline(100, "audio_length_in_s"),
    "MusicLDMPipeline": SoundPipeline(200, "audio_length_in_s"),
}
"""Those that are supported, by the name of their class. Steps as in the examples of their documentation."""

MOST_SPEECH_TOKENS = 512
"""AudioLDM2's longest speech, as in its documentation."""


def pipeline_class(folder: Path) -> str:
    """The class that a folder of weights is for. Raises WeightsError if it is none of PIPELINES."""
    try:
        name = json.loads((folder / INDEX).read_text(encoding="utf-8"))["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            Problem(str(folder), f"is not a model of diffusers: {INDEX} cannot be read", "a folder of weights")
        ) from error
    if name not in PIPELINES:
        raise WeightsError(Problem(str(folder), f"is for {name}", f"supported: {', '.join(PIPELINES)}"))
    return str(name)


def model_digest(folder: Path, cache: FactCache) -> str:
    """SHA-256 over the names and contents of a folder's configurations and weights. Raises WeightsError."""
    pipeline_class(folder)
    files = sorted(file for file in folder.rglob("*") if file.suffix in (".json", ".safetensors", ".txt", ".model"))
    try:
        return content_key(MODEL_FORM, {str(file.relative_to(folder)): cache.digest(file) for file in files})
    except OSError as error:
        raise WeightsError(Problem(str(error.filename), f"cannot be read: {error.strerror}")) from error


@dataclass(frozen=True)
class ModelSound:
    """What a process needs to make one sound with a model. weights: their folder. target: a WAV file."""

    weights: Path
    request: SoundRequest
    target: Path


OnStep = Callable[[int, int], None]
"""Called with the steps done and their total."""


class SoundModel:
    """A pipeline that is loaded."""

    def __init__(self, folder: Path, device: str) -> None:
        """device: `cuda` or `cpu`, as torch names them in a process that sees only one GPU.

        Raises WeightsError if the weights cannot be loaded, or torch and diffusers are not installed.
        """
        self._name = pipeline_class(folder)
        try:
            import diffusers
            import torch
        except ImportError as error:
            raise WeightsError(
                Problem("sounds from words", f"{error.name} is not installed", "", install_command("wan"))
            ) from error
        self._torch = torch
        self._device = device
        dtype = torch.float16 if device == "cuda" else torch.float32
        try:
            loaded = getattr(diffusers, self._name).from_pretrained(
                folder, dtype=dtype, use_safetensors=True, local_files_only=True
            )
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise WeightsError(
                Problem(str(folder), f"cannot be loaded: {error}", "safetensors, complete", "download it again")
            ) from error
        self._pipeline = loaded.to(self._device)
        self._pipeline.set_progress_bar_config(disable=True)

    def write(self, job: ModelSound, progress: OnStep = lambda *_: None) -> None:
        """Make the sound of a request as a WAV file. Raises MachineError, and OSError."""
        request, pipeline = job.request, PIPELINES[self._name]
        if request.kind == "speech" and not pipeline.speaks:
            raise MachineError(
                Problem(self._name, "cannot speak", "AudioLDM2 with weights for speech", "name a `tool` for `say`")
            )
        generator = self._torch.Generator(self._device).manual_seed(request.seed)
        try:
            found = self._pipeline(
                **_words(request),
                **{pipeline.seconds: _asked_seconds(request)},
                num_inference_steps=pipeline.steps,
                generator=generator,
                callback=lambda step, *_: progress(step + 1, pipeline.steps),
            ).audios[0]
        except (RuntimeError, ValueError, IndexError, TypeError) as error:  # a pipeline checks little of its weights
            raise MachineError(Problem(self._name, f"failed: {error}")) from error
        import numpy as np

        from wan_render.sound.wav_file import write_float_wav

        samples = np.atleast_2d(np.asarray(found.float().cpu() if hasattr(found, "cpu") else found, np.float32)).T
        write_float_wav(job.target, _spoken(samples) if request.kind == "speech" else samples, self._rate)

    @property
    def _rate(self) -> int:
        if hasattr(self._pipeline, "vocoder"):
            return int(self._pipeline.vocoder.config.sampling_rate)
        return int(self._pipeline.vae.config.sampling_rate)


def _words(request: SoundRequest) -> dict[str, Any]:
    if request.kind == "sound":
        return {"prompt": request.text}
    voice = request.voice or "A person speaks clearly"
    return {"prompt": voice, "transcription": request.text, "max_new_tokens": MOST_SPEECH_TOKENS}


def _asked_seconds(request: SoundRequest) -> float:
    """The length that is asked of a model. Speech gets more time than it should need; what is left is cut off."""
    if request.seconds is not None:
        return float(request.seconds)
    return float(spoken_seconds(request.text) * Fraction(3, 2) + 1)


def _spoken(samples: Any) -> Any:
    """Speech without the silence after it: what is 50 dB below its peak."""
    import numpy as np

    levels = np.abs(samples).max(axis=1)
    loud = np.flatnonzero(levels > levels.max(initial=0.0) * 10 ** (-50 / 20))
    return samples[: loud[-1] + 1] if len(loud) else samples
