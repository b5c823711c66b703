"""The animatic: a preview of the film, drawn on a CPU faster than the film plays.

It shows a film's rhythm and framing before a night of GPU time is spent. Similar keyframes are morphed by optical flow.
Others are joined by a camera move and a dissolve. A shot without a picture gets slowly drifting colours. A bridge is a
morph or a dissolve from the last frame before it to the first one after it. It accepts any model's card, since it draws
from the plates alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from wan_render.backend_contract import THE_ONLY_VARIANT, Renderer, Variant
from wan_render.errors import Problem, RenderError
from wan_render.model_card import ModelCard, PublishedLora
from wan_render.render_values import ALONE, Device, Listen, Phase, Progress, Workspace
from wan_render.take import ShotKind, Take

_OPEN_SECONDS = 0.15
"""Importing OpenCV, once per device process."""

_PROCESS_BYTES = 250_000_000
"""An allowance for a device process with OpenCV and NumPy; not measured."""

_SECONDS_PER_MEGAPIXEL = {ShotKind.FLF2V: 0.012, ShotKind.I2V: 0.006, ShotKind.T2V: 0.007, ShotKind.BRIDGE: 0.012}
"""Measured on two cores, 81 frames of 832x480: morph 0.37 s, dissolve 0.23 s, one plate 0.15 s, none 0.21 s. A bridge
is a morph or a dissolve."""


@dataclass(frozen=True)
class Animatic:
    """The animatic's description. It has no state, so all instances are equal."""

    @property
    def id(self) -> str:
        """Name and pixel version."""
        return "animatic/1"

    @property
    def is_preview(self) -> bool:
        """True: its films carry its name."""
        return True

    @property
    def unjudged_checks(self) -> tuple[str, ...]:
        """Its dissolves are double exposures, and greyer than both keyframes: it draws so on purpose."""
        return ("ghost", "drift")

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """Only the CPU."""
        return ("cpu",)

    def missing(
        self,
        card: ModelCard,  # noqa: ARG002 - no model's weights are needed
        loras: Sequence[PublishedLora] = (),  # noqa: ARG002 - likewise
        profile: str = "exact",  # noqa: ARG002 - no profile needs anything
        variant: str = "",  # noqa: ARG002 - likewise
    ) -> Problem | None:
        """The problem that OpenCV is not installed, or None. The base install includes it."""
        if find_spec("cv2") is not None:
            return None
        return Problem(
            "backend animatic",
            "OpenCV (cv2) is not installed",
            remedy="pip install opencv-python-headless",
        )

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:  # noqa: ARG002 - no profile matters
        """Its only variant: it draws the same at every profile."""
        return THE_ONLY_VARIANT

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:  # noqa: ARG002 - no profile matters
        """Empty: every CPU can render every profile."""
        return {}

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:  # noqa: ARG002 - no take is worth several
        """Always one device per take."""
        return (1,)

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:  # noqa: ARG002 - one CPU
        """Seconds for one take, estimated from measurements."""
        megapixels = take.frames * take.size.width * take.size.height / 1e6
        return _OPEN_SECONDS + megapixels * _SECONDS_PER_MEGAPIXEL[take.kind]

    def host_bytes(
        self,
        take: Take,
        card: ModelCard,  # noqa: ARG002 - no model is loaded
        device: Device,  # noqa: ARG002 - one CPU
        tighter: int = 0,  # noqa: ARG002 - there is nothing to save
    ) -> int:
        """The process, the frames, and as much again while they are written."""
        return _PROCESS_BYTES + 2 * 3 * take.frames * take.size.width * take.size.height

    def timed_on(self, device_kind: str) -> str:  # noqa: ARG002 - there is one kind
        """Empty: the times are for any CPU."""
        return ""

    def open(
        self,
        card: ModelCard,
        device: Device,
        listen: Listen,
        workspace: Workspace = ALONE,  # noqa: ARG002 - drawing a picture has no stages
    ) -> Renderer:
        """A renderer. Raises RenderError if the device is not a CPU or OpenCV is missing."""
        if device.kind not in self.device_kinds:
            raise RenderError(Problem("backend animatic", f"cannot render on {device.name}", "it renders on: cpu"))
        if problem := self.missing(card):
            raise RenderError(problem)
        listen(Progress(Phase.LOADING))
        from wan_render.backends.animatic.renderer import AnimaticRenderer

        return AnimaticRenderer(card, device)


BACKEND = Animatic()
