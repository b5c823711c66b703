"""LoRAs: files by their content, and what can be told of them before any weight is read."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wan_render.facts import FactCache
from wan_render.model import PathInFile
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Settings
from wan_render.plan.models import Modelled
from wan_render.take import Lora

MOST_HEADER_BYTES = 100_000_000
"""The limit of the format's own library."""

KIND = "lora/1"
"""The kind under which what was found out about a file is cached."""

_EXPERTS = {"highnoise": "high", "lownoise": "low"}
"""What names of files for one of two experts have in common, without what is between the words."""


@dataclass(frozen=True)
class Loras:
    """The LoRAs of one film, each file looked at once. files: by SHA-256."""

    cache: FactCache
    findings: Findings
    files: dict[str, Path] = field(default_factory=dict)

    def of(self, settings: Settings, modelled: Modelled) -> tuple[Lora, ...]:
        """The LoRAs of a shot or a painted keyframe, in the order written; mistakes are told."""
        told = settings.common("loras")
        if told is None:
            return ()
        return tuple(
            Lora(digest, float(lora.scale), _expert(lora.path, modelled))
            for at, lora in enumerate(told.value)
            if lora.scale != 0 and (digest := self._digest(lora.path, (*told.place, at)))
        )

    def _digest(self, path: str, place: PathInFile) -> str:
        """SHA-256 of a file that is a LoRA; "" after a mistake."""
        file = self.findings.document.folder / path
        try:
            digest = self.cache.digest(file)
            problem = self.cache.get(KIND, digest)
            if problem is None:
                problem = lora_problem(file)
                self.cache.put(KIND, digest, problem)
        except OSError as error:
            problem, digest = f"cannot be read: {error.strerror}", ""
        if problem:
            self.findings.error(place, f"{path} {problem}", "a LoRA in safetensors is allowed", "use another file")
            return ""
        self.files[digest] = file.absolute()
        return digest


def lora_problem(file: Path) -> str:
    """What is wrong with a file that should be a LoRA, by its header; "" for a good one."""
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(size - 8, MOST_HEADER_BYTES):
            return "is no safetensors file, or is cut off"
        try:
            header = json.loads(stream.read(length))
            ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, RecursionError, AttributeError, KeyError, IndexError, TypeError):
            return "is no safetensors file"
    if size != 8 + length + max(ends, default=0):
        return "is cut off, or longer than its header says"
    return _foreign(header)


def _foreign(header: dict[str, Any]) -> str:
    names = [name.lower() for name in header if name != "__metadata__"]
    if any("dora_scale" in name for name in names):
        return "is a DoRA, which is not rendered"
    if any("lokr_" in name or "hada_" in name for name in names):
        return "is a LoKr or LoHa, which is not rendered"
    return "" if any("lora" in name for name in names) else "holds no LoRA"


def _expert(path: str, modelled: Modelled) -> str:
    """By the file's name, as they are published: `high_noise_model.safetensors`; for models of one expert it means
    nothing."""
    if len(modelled.card.kinds[modelled.kind].sampling.guidance) < 2:
        return "both"
    name = "".join(letter for letter in Path(path).name.lower() if letter.isalpha())
    return next((expert for word, expert in _EXPERTS.items() if word in name), "both")
