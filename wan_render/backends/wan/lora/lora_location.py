"""Where the LoRAs of drafts are on this machine, and how to get them. Downloads nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wan_render.backends.wan.checkpoint.hub_caches import cached_file
from wan_render.errors import Problem
from wan_render.model_card import PublishedLora
from wan_render.settings import machine_settings


def missing_loras(loras: Iterable[PublishedLora]) -> Problem | None:
    """A problem for the first of these published LoRAs that is not on this machine; None if all are."""
    for lora in loras:
        if lora_file(lora) is None:
            folder = _lora_folder(lora)
            command = f"hf download {lora.repository} {lora.file} --revision {lora.revision} --local-dir '{folder}'"
            licence = f"its licence is {lora.licence.name} ({', '.join(lora.licence.said_in)})"
            return Problem(lora.file, "is not on this machine: a draft needs it", licence, f"run: {command}")
    return None


def lora_file(lora: PublishedLora) -> Path | None:
    """The file of a published LoRA: below WAN_RENDER_WEIGHTS, or in Hugging Face's cache. None if it is in neither."""
    pulled = _lora_folder(lora) / lora.file
    return pulled if pulled.is_file() else cached_file(lora.repository, lora.file, lora.revision)


def _lora_folder(lora: PublishedLora) -> Path:
    return machine_settings().weights / lora.repository.rpartition("/")[2]
