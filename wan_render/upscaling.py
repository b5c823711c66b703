"""How a film's takes become larger than their raster, as a value. Part of a cut, so its fields are part of keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wan_render.wheel_weights import REALESRGAN


@dataclass(frozen=True)
class Upscaling:
    """Upscaling before the film is composed.

    method:   `realesrgan`; `model` for a file of the user; `pipeline` for a folder with a pipeline of diffusers;
              `lanczos` for a filter without weights, in films whose video files have more detail than the raster.
    weights:  SHA-256 of the file of weights, or of the folder's files. strength: the network's share, above 0 to 1. The
              rest is Lanczos's.
    """

    method: Literal["realesrgan", "model", "pipeline", "lanczos"]
    weights: str
    strength: float = 1.0

    @property
    def has_network(self) -> bool:
        """Whether it needs weights and torch."""
        return self.method != "lanczos"

    @property
    def in_words(self) -> str:
        """`realesrgan (video)`, `realesrgan (photo), strength 0.5`, `model 7f3a91b2`, `lanczos`."""
        if not self.has_network:
            return self.method
        known = next((name for name, file in REALESRGAN.files.items() if file.sha256 == self.weights), "")
        what = f"realesrgan ({known})" if known else f"{self.method} {self.weights[:8]}"
        return what if self.strength == 1 else f"{what}, strength {self.strength:g}"


LANCZOS = Upscaling("lanczos", "")
