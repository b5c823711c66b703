"""What is known of a model without loading it: a plan is made from this, on a machine without weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from wan_render.take import Sampling, ShotKind, Size


@dataclass(frozen=True)
class KindDefaults:
    """A model's own official numbers for one kind of shot.

    negative_note: what is worth knowing of a negative prompt that is not published for this very kind; else "".
    """

    sampling: Sampling
    negative: str
    negative_note: str = ""


@dataclass(frozen=True)
class Licence:
    """Under which terms weights are published, by its SPDX name, and the pages that say so."""

    name: str
    said_in: tuple[str, ...]


@dataclass(frozen=True)
class Resemblance:
    """What a local folder of weights was taken for.

    model: the published model that it is built like, whose numbers it gets. shift: that model's official one.
    own_shift: what the folder's scheduler says; None where it says nothing. uses_own_shift: which of both counts.
    doubt: why the folder's own shift does not count, where it says one: "which …".
    """

    model: str
    shift: float
    own_shift: float | None
    uses_own_shift: bool
    doubt: str = ""


@dataclass(frozen=True)
class PublishedLora:
    """A LoRA of a hub, by the SHA-256 of its file there: known before it is downloaded.

    expert: which transformer of a model with two wears it: `high`, `low` or `both`. licence_name:
    its SPDX name.
    """

    content: str
    repository: str
    revision: str
    file: str
    expert: str = "both"
    licence_name: str = "Apache-2.0"

    @property
    def licence(self) -> Licence:
        """Where its own licence is told; it need not be the model's."""
        return Licence(self.licence_name, (f"https://huggingface.co/{self.repository}",))


@dataclass(frozen=True)
class ModelCard:
    """What one model can do and its official numbers, known without loading it.

    name:     what a storyboard calls it; a local folder is called by its path.
    identity: `repo@revision`, or `sha256:<digest>` of a local folder's weights; this enters the key.
    rate:     frames per second that it was trained at.
    frames are on the grid `frame_step·n + 1`; `trained_frames` is the length it was trained for.
    size_multiple: width and height must be multiples of this.
    native_sizes: the sizes it is documented for; others are a warning, not an error.
    prompt_tokens: the text encoder's limit.
    folder:   where the weights lie, for a local folder; None for a model of the hub.
    distilled: the LoRAs with which it renders at the profile `draft`; none: a storyboard has to name some.
    resembles: what a local folder was taken for; None for a model of the hub.
    licence:  of a published model's weights; None for a local folder, whose licence nobody here knows.
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
    """What a model's own tokenizer makes of a text.

    tokens: the whole text's, the mark at its end included. lost: the end of the text that the text encoder does not
    read, from the beginning of a word on; "" where it reads all.
    """

    tokens: int
    lost: str


@dataclass(frozen=True)
class LayersLeftOut:
    """Layers of a LoRA that a transformer does not wear: `why` in words, and how many."""

    why: str
    count: int


@dataclass(frozen=True)
class LoraLayers:
    """The layers of a LoRA for one transformer: how many it wears, and those that are left out."""

    worn: int
    left_out: tuple[LayersLeftOut, ...] = ()

    @property
    def total(self) -> int:
        """How many the file has for it."""
        return self.worn + sum(each.count for each in self.left_out)


@dataclass(frozen=True)
class LoraFit:
    """How a LoRA fits a model, by the file's header alone.

    layers:    for each of the model's transformers, high noise first.
    meant_for: `high` or `low` where the names in the file say that it is for that expert; else "".
    has_parts: the file has a part for each of two experts, and each wears its own.
    """

    layers: tuple[LoraLayers, ...]
    meant_for: str = ""
    has_parts: bool = False


class Models(Protocol):
    """The known models: an argument to reading and planning."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a storyboard may use, for help and "did you mean"."""
        ...

    def card(self, name: str) -> ModelCard:
        """The card of a known name; KeyError otherwise."""
        ...

    def folder(self, folder: Path) -> ModelCard:
        """The card of a local folder of weights, identified by their SHA-256.

        Raises InputError where the folder holds no model of a known kind.
        """
        ...

    def default(self, kind: ShotKind, size: Size) -> ModelCard:
        """The model used where the storyboard names none."""
        ...

    def reading(self, card: ModelCard, text: str) -> TextReading | None:
        """How a model reads a text, by its own tokenizer; None where that is not on this machine, or where the text is
        plainly short enough."""
        ...

    def lora_fit(self, card: ModelCard, file: Path) -> LoraFit:
        """How a LoRA's file fits a model. No weight is read and no model's file is needed but a local folder's
        configuration.

        Raises InputError, with the file as `where`, for what is no LoRA, is broken, or is another model's.
        """
        ...

    def published_fit(self, card: ModelCard, lora: PublishedLora) -> LoraFit | None:
        """How a published LoRA fits a model, where its file is on this machine and whole; else None."""
        ...
