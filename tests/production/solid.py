"""A tiny backend that paints every frame in one colour and writes down what it was asked; its films, and plates."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

from wan_render.backend_contract import THE_ONLY_VARIANT, Renderer, Variant
from wan_render.errors import DeviceError, DiskFullError, Problem, RenderError, WanRenderError
from wan_render.model_card import ModelCard, PublishedLora
from wan_render.plan import FilmPlan, PlannedShot, PlannedTake, Rendered
from wan_render.plan.film_plan import Content
from wan_render.render_values import ALONE, Device, Frames, Group, Listen, Phase, Progress, TakeInputs, Workspace
from wan_render.take import Plate, Sampling, Size, Take

CPU = Device("cpu", "a processor", 1 << 30)
SIZE = Size(64, 48)
CARD = ModelCard(name="paint", identity="test/paint@1", kinds={}, rate=Fraction(16))
OTHER_CARD = replace(CARD, name="ink", identity="test/ink@1")

FAILURES: Mapping[str, type[WanRenderError]] = {"fail": RenderError, "die": DeviceError, "full": DiskFullError}
"""What a prompt of this word ends in."""


@dataclass(frozen=True)
class Solid:
    """`diary`: a file that gets a line for every model opened or closed and every take rendered. `weak`: devices that
    render at profile exact only."""

    diary: Path
    lacking: str = ""
    id: str = "solid/1"
    is_preview: bool = True
    weak: tuple[str, ...] = ()
    device_kinds: tuple[str, ...] = ("cpu",)

    def missing(
        self,
        card: ModelCard,
        loras: Sequence[PublishedLora] = (),  # noqa: ARG002
        profile: str = "exact",  # noqa: ARG002
        variant: str = "",  # noqa: ARG002
    ) -> Problem | None:
        return Problem(card.name, self.lacking) if self.lacking else None

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:  # noqa: ARG002
        return THE_ONLY_VARIANT

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:  # noqa: ARG002
        weak = [device.name for device in devices if device.name in self.weak and profile != "exact"]
        return dict.fromkeys(weak, Problem(f"profile '{profile}'", "too weak", "strong ones", "buy another"))

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:  # noqa: ARG002
        return (1,)

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:  # noqa: ARG002
        return take.frames / (1 if device_kind == "cpu" else 2)

    def timed_on(self, device_kind: str) -> str:  # noqa: ARG002
        return ""

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:  # noqa: ARG002
        listen(Progress(Phase.LOADING))
        self.note(f"open {card.name} on {device.name}")
        return Painter(self, card)

    def note(self, line: str) -> None:
        with self.diary.open("a") as diary:
            diary.write(line + "\n")

    def noted(self, word: str) -> int:
        """Lines that begin with a word."""
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        return sum(line.startswith(word) for line in lines)


@dataclass(frozen=True)
class Painter:
    backend: Solid
    card: ModelCard

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:  # noqa: ARG002
        self.backend.note(f"prepare {' '.join(take.prompt for take in takes)}")

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:
        raise AssertionError((take, plates, listen, group))

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        assert group is None
        self.backend.note(f"begin {take.prompt}")
        listen(Progress(Phase.STEP, 0, 1))
        if take.prompt == "sleep":
            time.sleep(1)
        if take.prompt in FAILURES:
            raise FAILURES[take.prompt](Problem("paint", "spilt"))
        pixels = np.full((take.frames, take.size.height, take.size.width, 3), take.seed % 256, np.uint8)
        for index, plate in ((0, plates.first), (-1, plates.last)):
            if plate is not None:
                pixels[index] = plate
        self.backend.note(f"render {take.prompt}")
        return Frames(pixels if take.prompt != "short" else pixels[1:], take.rate)

    def facts(self) -> Mapping[str, str]:
        return {"paint": "1"}

    def close(self) -> None:
        self.backend.note(f"close {self.card.name}")


def a_take(prompt: str, seed: int = 100, first: Plate | None = None, model: ModelCard = CARD) -> Take:
    sampling = Sampling(1, (1.0,), 1.0)
    return Take("solid/1", model.identity, first, None, prompt, "", 5, SIZE, Fraction(16), seed, sampling)


def rendered(*takes: Take, chosen: int = 1, pin: str | None = None) -> Rendered:
    return Rendered(tuple(PlannedTake(number, take) for number, take in enumerate(takes, 1)), chosen, pin)


def painted(folder: Path, colour: int) -> tuple[Plate, dict[str, Path]]:
    """A keyframe of one grey, and its file."""
    file = folder / f"{colour}.png"
    Image.fromarray(np.full((96, 128, 3), colour, np.uint8)).save(file)
    digest = sha256(file.read_bytes()).hexdigest()
    return Plate(digest, SIZE), {digest: file}


def film(
    folder: Path, shots: Mapping[str, Content | Take], pictures: Mapping[str, Path] | None = None, slug: str = "river"
) -> FilmPlan:
    """A film of these shots, each shown whole and joined by cuts; its storyboard is there."""
    file = folder / f"{slug}.yaml"
    file.touch()
    planned = tuple(
        PlannedShot(
            id=shot,
            scene=shot.partition("/")[0],
            name=shot.partition("/")[2],
            index=(0, index),
            content=rendered(content) if isinstance(content, Take) else content,
            first=0,
            frames=5,
            hold=0,
            joint=None,
            from_name="dawn",
            model="paint",
        )
        for index, (shot, content) in enumerate(shots.items())
    )
    return FilmPlan(
        title="River",
        slug=slug,
        file=file,
        backend="solid/1",
        size=SIZE,
        delivery=Size(128, 96),
        fit="cover",
        rate=Fraction(16),
        fade_in=0,
        fade_out=0,
        opening=(),
        shots=planned,
        closing=(),
        omitted={},
        pictures=dict(pictures or {}),
        models={CARD.identity: CARD, OTHER_CARD.identity: OTHER_CARD},
        warnings=(),
    )
