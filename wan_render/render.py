"""The seam between what is planned and what renders it.

A `Backend` is inert: it can be pickled, compared and asked what it can do without weights or a device.
A `Renderer` is live: weights on a device. Frames cross this seam, files do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from wan_render.errors import Problem, RenderError
from wan_render.take import Sampling, ShotKind, Size, Take

if TYPE_CHECKING:  # planning needs no numpy, whose import is a fifth of the time of `check`
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
else:
    Pixels = Any
"""Pictures, uint8 RGB: one (height, width, 3), or several (frames, height, width, 3)."""


class Phase(StrEnum):
    """What a device process is doing; each has a time-out of its own in the farm.

    WAITING: another run renders this very take, or others of its group are not ready; told every second, so that it
    never looks stalled.
    WRITING: told of every take that is rendered, and of none that is found.
    """

    WAITING = "waiting"
    LOADING = "loading"
    ENCODING = "encoding"
    STEP = "step"
    DECODING = "decoding"
    WRITING = "writing"


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a phase are finished; total 0: a phase without a measure."""

    phase: Phase
    done: int = 0
    total: int = 0


Listen = Callable[[Progress], None]


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
    """

    model: str
    shift: float
    own_shift: float | None
    uses_own_shift: bool


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


@dataclass(frozen=True)
class Device:
    """Something that renders one shot at a time. `name` is `cpu`, `cuda:0`, …; `pin` is what the process
    that owns it gets as CUDA_VISIBLE_DEVICES (a GPU's UUID; "" hides every GPU)."""

    name: str
    label: str
    memory_bytes: int
    pin: str = ""

    @property
    def kind(self) -> str:
        """`cpu` or `cuda`."""
        return self.name.partition(":")[0]


@dataclass(frozen=True)
class Plates:
    """What a take is made from: its conformed pictures, each (height, width, 3) uint8 RGB at the take's size, and the
    files of its LoRAs by SHA-256, but for published ones, which the backend finds."""

    first: Pixels | None
    last: Pixels | None
    loras: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Frames:
    """Rendered frames: uint8 RGB (frames, height, width, 3) and their rate per second."""

    pixels: Pixels
    rate: Fraction


@dataclass(frozen=True)
class Stage:
    """What a renderer works out on the way to a take, named by what decides it.

    key:  of all that decides its bytes (keys.content_key).
    what: in words, for listings.
    take: the key of the one take that it is for, after whose publication it may go; "" where others may need it.
    """

    key: str
    what: str
    take: str = ""


class Stages(Protocol):
    """Where stages are kept: for other takes, processes and runs. May forget anything at any time."""

    def find(self, stage: Stage) -> bytes | None:
        """What was kept, byte for byte; None where it is not there, or was damaged."""
        ...

    def keep(self, stage: Stage, content: bytes) -> None:
        """Keep it for later. Raises DiskError."""
        ...


@dataclass(frozen=True)
class NoStages:
    """Keeps nothing."""

    def find(self, stage: Stage) -> bytes | None:  # noqa: ARG002 - part of the seam
        """Nothing is there."""
        return None

    def keep(self, stage: Stage, content: bytes) -> None:
        """Let it go."""


NOTHING_KEPT = NoStages()


@dataclass(frozen=True)
class Workspace:
    """What a renderer may use besides its device.

    tighter: how often this model ran out of memory on such a device: by so many steps it is to use less than it would.
    """

    stages: Stages = NOTHING_KEPT
    tighter: int = 0


ALONE = Workspace()
"""Of a renderer from which nothing is kept."""


@dataclass(frozen=True)
class Group:
    """A process's part among several that render one take together, a device each.

    rank:       0 leads: it encodes, decodes and gives the frames; the others only denoise along.
    size:       how many there are.
    rendezvous: a folder of their own, new for each attempt, in which they find each other.
    """

    rank: int
    size: int
    rendezvous: Path

    @property
    def is_over(self) -> bool:
        """Whether the leader needs nobody: it has denoised, or failed, or found the take."""
        return (self.rendezvous / _OVER).exists()

    def end(self) -> None:
        """Make it over, for whoever still waits for the leader."""
        (self.rendezvous / _OVER).touch()


_OVER = "over"


@dataclass(frozen=True)
class Variant:
    """How a profile is computed where a film is rendered.

    name:   enters the key of its takes (take.Sampling.variant). told: what is worth knowing of the choice, in words; ""
            where there was none. others: the profile's other variants: a take that is there in one of them counts.
    """

    name: str = ""
    told: str = ""
    others: tuple[str, ...] = ()


THE_ONLY_VARIANT = Variant()
"""Of a profile that is computed in one way."""


class Renderer(Protocol):
    """One model, ready on one device."""

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], Plates], listen: Listen) -> None:
        """Get ready for takes that follow, as far as that saves time in all: may do nothing. `plates` gives a take's,
        and may raise any error of wan_render.errors. Only those leave it."""
        ...

    def render(self, take: Take, plates: Plates, listen: Listen, group: Group | None = None) -> Frames:
        """Render a take; with a group, as its leader. Only errors of wan_render.errors leave it."""
        ...

    def assist(self, take: Take, plates: Plates, listen: Listen, group: Group) -> None:
        """Help the leader of a group to render a take, until it needs no more help; WAITING is told every second
        before it begins. Of the plates only the LoRAs are used. Only errors of wan_render.errors leave it."""
        ...

    def facts(self) -> Mapping[str, str]:
        """What is recorded beside a take but is not in its key: library versions, device, resolved commit."""
        ...

    def close(self) -> None:
        """Free the device."""
        ...


class Backend(Protocol):
    """A way to render, described. Inert, hashable and picklable."""

    @property
    def id(self) -> str:
        """Name and pixel version, `animatic/1`: raised whenever the same take would come out otherwise."""
        ...

    @property
    def is_preview(self) -> bool:
        """Whether films made with it carry its name, burned in."""
        ...

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """Kinds of devices that it renders on, the best first: `cuda`, `cpu`."""
        ...

    def missing(
        self, card: ModelCard, loras: Sequence[PublishedLora] = (), profile: str = "exact", variant: str = ""
    ) -> Problem | None:
        """What this machine lacks to render with this model, these LoRAs of it and this profile (a package, weights,
        a device, a setting), or None."""
        ...

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:
        """In which variant a film's takes of this profile are computed on these devices: one for all of them. Without
        devices, the strongest that there is. Raises nothing."""
        ...

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:
        """Which of these devices cannot render this profile in this variant, by their names, and what each of them
        lacks; equal devices are alike in it. Raises nothing: a device that does not answer cannot."""
        ...

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:
        """How many equal devices can render this take together, ascending; 1 always can."""
        ...

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:
        """A rough time for one take on so many devices (one of `group_sizes`), for the plan and for deciding about
        groups; what was measured in the store goes before it."""
        ...

    def timed_on(self, device_kind: str) -> str:
        """The device that those times are of, by the name that its driver gives it; "" where they are of whatever
        device of the kind is here."""
        ...

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:
        """Load a model on a device. Raises WeightsError, DeviceError or RenderError."""
        ...


def of_devices(unable: Mapping[str, Problem]) -> Problem:
    """What devices lack, at least one, as one problem: each reason once, after the names of those that have it."""
    names: dict[Problem, list[str]] = {}
    for name, problem in unable.items():
        names.setdefault(problem, []).append(name)
    return Problem(
        next(iter(names)).where,
        "; ".join(f"{', '.join(those)}: {problem.found}" for problem, those in names.items()),
        ", ".join(dict.fromkeys(problem.allowed for problem in names)),
        ", or ".join(dict.fromkeys(problem.remedy for problem in names)),
    )


BLANK_CONTRAST = 8
"""Standard deviation of a picture's samples, 0 to 255, from which it plainly shows something."""

BLANK_DIFFERENCE = 32
"""Of 255: so far apart two even colours are plainly not the same."""


def is_blank_instead(frame: Pixels, picture: Pixels) -> bool:
    """Whether a frame is of one single colour although the picture that it should show plainly is not, or is of
    another: in uint8 this is what is left of NaN. No dark or pale picture comes out so even, and a picture without
    contrast is only compared by its colour.

    frame, picture: (height, width, 3) uint8 RGB.
    """
    colour = frame[0, 0].astype("int16")
    if (frame != frame[0, 0]).any():
        return False
    mean = picture.mean(axis=(0, 1))
    return bool(picture.std(axis=(0, 1)).max() >= BLANK_CONTRAST or abs(mean - colour).max() >= BLANK_DIFFERENCE)


def checked(take: Take, frames: Frames, plates: Plates) -> Frames:
    """The frames, if they are what the take asks for and show something; the seam promises this whatever a renderer
    does. A backend that computes in floats also looks whether they are finite before it rounds them: it can say why.

    Raises RenderError: another attempt would end alike.
    """
    expected = (take.frames, take.size.height, take.size.width, 3)
    pixels = frames.pixels
    if pixels.dtype != "uint8" or pixels.shape != expected or frames.rate != take.rate:
        raise RenderError(
            Problem(
                f"backend {take.backend}",
                f"returned {pixels.dtype} {pixels.shape} at {frames.rate} fps",
                f"expected uint8 {expected} at {take.rate} fps",
                "this is a defect of the backend, please report it",
            )
        )
    if reason := _shows_nothing(pixels, plates):
        remedy = "render it without LoRAs, at other settings, or on another device"
        raise RenderError(Problem(f"backend {take.backend}", reason, "", remedy))
    return frames


def _shows_nothing(pixels: Pixels, plates: Plates) -> str:
    """What is wrong with a clip that ends on one colour instead of its keyframes, or without any is black to the last
    sample; "" for every other one. Nothing that was photographed or painted at night comes out so black."""
    for name, frame, plate in (("first", pixels[0], plates.first), ("last", pixels[-1], plates.last)):
        if plate is not None and is_blank_instead(frame, plate):
            colour = "black" if not frame.any() else f"of one colour, RGB {', '.join(map(str, frame[0, 0]))},"
            return f"the {name} frame is {colour} although the {name} keyframe is not"
    return "every frame is black" if plates.first is None and not pixels.any() else ""
