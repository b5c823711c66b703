"""What is known about a model without loading it. A plan is made from this, on a machine without weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from wan_render.take import Sampling, ShotKind, Size


@dataclass(frozen=True)
class KindDefaults:
    """A model's official numbers for one kind of shot.

    negative_note: what the user should know about the negative prompt if it was not published for this kind; else "".
    """

    sampling: Sampling
    negative: str
    negative_note: str = ""


@dataclass(frozen=True)
class Licence:
    """The licence of published weights: its SPDX name, and the pages that state it."""

    name: str
    said_in: tuple[str, ...]


@dataclass(frozen=True)
class Resemblance:
    """Which published model a local folder of weights is built like.

    model:          that model; the folder gets its numbers.
    shift:          that model's official shift.
    own_shift:      the shift in the folder's scheduler configuration; None if it has none.
    uses_own_shift: which of the two shifts is used.
    doubt:          why the folder's own shift is not used, as a clause "which …"; "" if it is used or missing.
    """

    model: str
    shift: float
    own_shift: float | None
    uses_own_shift: bool
    doubt: str = ""


@dataclass(frozen=True)
class PublishedLora:
    """A LoRA on a hub, known by the SHA-256 of its file before it is downloaded.

    expert: which transformer uses it if the model has two: `high`, `low` or `both`. licence_name: its SPDX name.
    """

    content: str
    repository: str
    revision: str
    file: str
    expert: str = "both"
    licence_name: str = "Apache-2.0"

    @property
    def licence(self) -> Licence:
        """The LoRA's own licence; it may differ from the model's."""
        return Licence(self.licence_name, (f"https://huggingface.co/{self.repository}",))


@dataclass(frozen=True)
class ModelCard:
    """What one model can do, and its official numbers, known without loading it.

    name:           its name in a storyboard; for a local folder, the path.
    identity:       `repo@revision`, or `sha256:<digest>` of a local folder's weights. It is part of a take's key.
    rate:           frames per second that it was trained at.
    frame_step:     takes have `frame_step·n + 1` frames.
    trained_frames: the length that it was trained for.
    size_multiple:  width and height must be multiples of this.
    native_sizes:   the sizes that it is documented for; others are a warning, not an error.
    prompt_tokens:  the limit of its text encoder.
    folder:         a local folder of weights; None for a published model.
    distilled:      the LoRAs that it uses in the profile `draft`; if empty, the storyboard has to name one.
    resembles:      the published model that a local folder is built like; None for a published model.
    licence:        the licence of a published model's weights; None for a local folder, whose licence is unknown.
    """

    name: str
    identity: str
    kinds: Mapping[ShotKind, KindDefaults]
    rate: Fraction
    frame_step: int = 4
    trained_frames: int = 81
    size_multiple: int = 16
    native_sizes: frozenset[Size] = frozenset()
    prompt_tokens: int = 512
    folder: Path | None = None
    distilled: tuple[PublishedLora, ...] = ()
    resembles: Resemblance | None = None
    licence: Licence | None = None


@dataclass(frozen=True)
class TextReading:
    """A text as counted by the model's own tokenizer.

    tokens: all tokens of the text, including the end-of-text token.
    lost:   the end of the text, from the beginning of a word, that the text encoder does not read; "" if it reads all.
    """

    tokens: int
    lost: str


@dataclass(frozen=True)
class LayersLeftOut:
    """Layers of a LoRA that are not applied to a transformer: `why` in words, and how many."""

    why: str
    count: int


@dataclass(frozen=True)
class LoraLayers:
    """The layers of a LoRA for one transformer: how many are applied, and which are left out."""

    applied: int
    left_out: tuple[LayersLeftOut, ...] = ()

    @property
    def total(self) -> int:
        """How many layers the file has for this transformer."""
        return self.applied + sum(each.count for each in self.left_out)


@dataclass(frozen=True)
class LoraFit:
    """How a LoRA fits a model, judged by the file's header alone.

    layers:    for each of the model's transformers, high noise first.
    meant_for: `high` or `low` if the tensor names say that the file is for that expert; else "".
    has_parts: whether the file has a part for each of two experts; each expert uses its own part.
    """

    layers: tuple[LoraLayers, ...]
    meant_for: str = ""
    has_parts: bool = False


class Models(Protocol):
    """The known models. Reading and planning take it as an argument."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a storyboard may use, for help and "did you mean"."""
        ...

    def card(self, name: str) -> ModelCard:
        """The card of a model in `names`. Raises KeyError for any other name."""
        ...

    def folder(self, folder: Path) -> ModelCard:
        """The card of a local folder of weights, identified by their SHA-256.

        Raises InputError if the folder holds no model of a known kind.
        """
        ...

    def default(self, kind: ShotKind, size: Size) -> ModelCard:
        """The model that is used if the storyboard names none."""
        ...

    def reading(self, card: ModelCard, text: str) -> TextReading | None:
        """How a model's own tokenizer reads a text; None if the tokenizer is not on this machine, or if the text is
        obviously short enough."""
        ...

    def lora_fit(self, card: ModelCard, file: Path) -> LoraFit:
        """How a LoRA's file fits a model. Reads no weights, and of the model only a local folder's configuration.

        Raises InputError, with the file as `where`, if the file is not a LoRA, is broken, or is for another model.
        """
        ...

    def published_fit(self, card: ModelCard, lora: PublishedLora) -> LoraFit | None:
        """How a published LoRA fits a model; None unless its complete file is on this machine."""
        ...
