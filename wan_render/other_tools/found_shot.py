"""The settings of one shot as another tool wrote them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

UNNAMED = "?"
"""The name of a picture that was used, and whose name is not recorded."""


@dataclass(frozen=True)
class FoundLora:
    """A LoRA by the name of its file."""

    name: str
    scale: float


@dataclass(frozen=True)
class FoundShot:
    """tool: `ComfyUI` or `WanGP`. What was not found is None or empty.

    first, last: the names of pictures. models: the names of files of weights, or of a model.
    left_out:    what has no place in a storyboard, each in words.
    graph:       the workflow in API format, if there is one. roles: role → `NODE.INPUT` in it.
    """

    tool: str
    prompt: str = ""
    negative: str = ""
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    shift: float | None = None
    frames: int | None = None
    size: tuple[int, int] | None = None
    first: str = ""
    last: str = ""
    models: tuple[str, ...] = ()
    loras: tuple[FoundLora, ...] = ()
    left_out: tuple[str, ...] = ()
    graph: Mapping[str, Any] | None = None
    roles: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of shot that the pictures make: `flf2v`, `i2v` or `t2v`."""
        if self.last and self.first:
            return "flf2v"
        return "i2v" if self.first else "t2v"


KNOWN_MODELS = (
    (r"flf2v", "wan2.1-flf2v-14b"),
    (r"2[._]?2.*ti2v|ti2v.*5b", "wan2.2-ti2v-5b"),
    (r"2[._]?2.*i2v|i2v.*2[._]?2", "wan2.2-i2v-a14b"),
    (r"2[._]?2.*t2v|t2v.*2[._]?2", "wan2.2-t2v-a14b"),
    (r"i2v.*720", "wan2.1-i2v-14b-720p"),
    (r"i2v", "wan2.1-i2v-14b-480p"),
    (r"t2v.*1[._]?3b", "wan2.1-t2v-1.3b"),
    (r"t2v", "wan2.1-t2v-14b"),
)
"""What the name of a file of weights contains → the published model that it is most likely a copy of."""

_OF_WAN = r"(^|[^a-z])wan|wanvideo|^(t2v|i2v|flf2v|ti2v)"


def known_model(names: Sequence[str]) -> str:
    """The published model that the names of files are most likely those of; "" if none is."""
    for name in names:
        text = name.lower().replace("image2video", "i2v").replace("text2video", "t2v")
        if re.search(_OF_WAN, text.rpartition("/")[2].rpartition("\\")[2]):
            for pattern, model in KNOWN_MODELS:
                if re.search(pattern, text):
                    return model
    return ""
