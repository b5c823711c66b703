"""What is known about a model without loading it. A plan is made from this, on a machine without weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from wan_render.hosted_model import HostedModel
from wan_render.take import Sampling, ShotKind, Size

if TYPE_CHECKING:  # few storyboards name a workflow
    from wan_render.workflows.workflow import NamedWorkflow, Workflow


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
class NamedParts:
    """The files that a model is made of, as somebody named them.

    paths:     files of weights, and folders with them. high, low: the two experts, if the model has two.
    tokenizer: a folder with its tokenizer. like: the known model whose numbers are used, where its build leaves
               several.
    keys:      for files that were named as a certain part: the component, and the file.
    """

    paths: tuple[Path, ...]
    high: Path | None = None
    low: Path | None = None
    tokenizer: Path | None = None
    like: str | None = None
    keys: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True)
class MadeFrom:
    """What a model is made from, if its weights are converted before they are used.

    root:  the folder of weights, where the model's folder will be. transformer: its configuration, as pairs.
    said:  which files were taken, in sentences. bytes: the size of the converted weights.
    """

    parts: NamedParts
    root: Path
    transformer: tuple[tuple[str, Any], ...]
    said: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class ModelCard:
    """What one model can do, and its official numbers, known without loading it.

    name:           its name in a storyboard; for a local folder, the path.
    identity:       `repo@revision`, or `sha256:<digest>` of a local folder's weights. It is part of a take's key.
    rate:           frames per second that it was trained at.
    frame_step:     takes have `frame_step·n + 1` frames.
    fewest_frames:  the shortest take, on that grid.
    trained_frames: the length that it was trained for.
    size_multiple:  width and height must be multiples of this.
    native_sizes:   the sizes that it is documented for; others are a warning, not an error.
    prompt_tokens:  the limit of its text encoder.
    folder:         a local folder of weights; None for a published model.
    distilled:      the LoRAs that it uses in the profile `draft`; if empty, the storyboard has to name one.
    is_distilled:   whether it was made to render in few steps: in no more than its official number. Its drafts need no
                    LoRA.
    attention:      what the user should know about its attention, as a sentence; "" for full attention.
    resembles:      the published model that a local folder is built like; None for a published model.
    made_from:      the files that its folder is made from; None for a folder that is there, and a published model.
    licence:        the licence of a published model's weights; None for a local folder, whose licence is unknown.
    backend:        the id of the backend that renders it, `dashscope/1`; "" for the backend of the film.
    unsupported:    settings that it cannot use (steps, guidance, shift, loras, profile, variant, seed) → why, in words.
    expected_seconds: about how long a take takes, if a backend other than the film's renders it.
    hosted:         what is known of a model that a service renders for money; None for any other.
    workflow:       the workflow of ComfyUI that it is; None for any other.
    """

    name: str
    identity: str
    kinds: Mapping[ShotKind, KindDefaults]
    rate: Fraction
    frame_step: int = 4
    fewest_frames: int = 1
    trained_frames: int = 81
    size_multiple: int = 16
    native_sizes: frozenset[Size] = frozenset()
    prompt_tokens: int = 512
    folder: Path | None = None
    distilled: tuple[PublishedLora, ...] = ()
    is_distilled: bool = False
    attention: str = ""
    resembles: Resemblance | None = None
    made_from: MadeFrom | None = None
    licence: Licence | None = None
    backend: str = ""
    unsupported: Mapping[str, str] = field(default_factory=dict)
    expected_seconds: float = 0.0
    hosted: HostedModel | None = None
    workflow: Workflow | None = None


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
    def names(self) -> Collection[str]:
        """Every name that a storyboard may use, for help and "did you mean"."""

    def card(self, name: str) -> ModelCard:
        """The card of a model in `names`. Raises KeyError for any other name."""

    def folder(self, folder: Path) -> ModelCard:
        """The card of a local folder of weights, identified by their SHA-256.

        Raises InputError if the folder holds no model of a known kind.
        """

    @property
    def imported_names(self) -> tuple[str, ...]:
        """The names of the models in this machine's folder of weights that are not published ones."""

    def imported(self, name: str) -> Path | None:
        """The folder of a model in this machine's folder of weights: by the name of that folder, or its path. None if
        there is none."""

    def made_of(self, parts: NamedParts, name: str) -> ModelCard:
        """The card of a model that is made of files, identified by their SHA-256. name: what to call it.

        Raises InputError if the files make no model of a known kind, or some are missing; MachineError if this machine
        cannot read them.
        """

    def default(self, kind: ShotKind, size: Size) -> ModelCard:
        """The model that is used if the storyboard names none."""

    def reading(self, card: ModelCard, text: str) -> TextReading | None:
        """How a model's own tokenizer reads a text; None if the tokenizer is not on this machine, or if the text is
        obviously short enough."""

    def lora_fit(self, card: ModelCard, file: Path) -> LoraFit:
        """How a LoRA's file fits a model. Reads no weights, and of the model only a local folder's configuration.

        Raises InputError, with the file as `where`, if the file is not a LoRA, is broken, or is for another model.
        """

    def published_fit(self, card: ModelCard, lora: PublishedLora) -> LoraFit | None:
        """How a published LoRA fits a model; None unless its complete file is on this machine."""


@dataclass(frozen=True)
class WorkflowReading:
    """A workflow of ComfyUI as a model. said: what was taken from its file, and doubts: what could not be checked, in
    sentences."""

    card: ModelCard
    said: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@runtime_checkable
class ReadsWorkflows(Protocol):
    """Models that may be workflows of ComfyUI. Optional for `Models`."""

    def of_workflow(self, named: NamedWorkflow) -> WorkflowReading:
        """The card of a workflow. Raises InputError with all mistakes; the place of each is a key of the storyboard's
        map."""
