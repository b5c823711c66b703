"""Rendering on running ComfyUI servers, with workflows that people have. Importing this needs no httpx."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from wan_render.backend_contract import THE_ONLY_VARIANT, Renderer, Variant
from wan_render.backends.comfyui.servers import KIND, SETTING, server_of, servers
from wan_render.bounded_http import HttpError
from wan_render.diagnosis import Finding, installed
from wan_render.errors import MachineError, Problem, RenderError
from wan_render.model_card import ModelCard, PublishedLora, WorkflowReading
from wan_render.printable import one_line
from wan_render.render_values import ALONE, Device, Listen, Phase, Progress, Workspace
from wan_render.settings import MachineSettings, install_command, machine_settings
from wan_render.take import Take
from wan_render.workflows.workflow import NamedWorkflow

PACKAGES = ("httpx", "websockets")

_SECONDS_OF_A_TAKE = 300.0
"""A rough guess: nothing is known of a workflow until one of its takes is finished."""

_ANSWER_SECONDS = 3.0


@dataclass(frozen=True)
class ComfyUIBackend:
    """Workflows of ComfyUI as a Backend."""

    @property
    def id(self) -> str:
        """Name and pixel version."""
        return "comfyui/1"

    @property
    def is_preview(self) -> bool:
        """False: it renders final frames."""
        return False

    @property
    def device_kinds(self) -> tuple[str, ...]:
        """Servers."""
        return (KIND,)

    def own_devices(self, settings: MachineSettings) -> tuple[Device, ...]:
        """One device per server of WAN_RENDER_COMFYUI (backend_contract.HasOwnDevices)."""
        return tuple(server.device for server in servers(settings))

    def read_workflow(self, named: NamedWorkflow, like: ModelCard | None) -> WorkflowReading:
        """The card of a workflow, compared with every server that answers (model_family.RendersWorkflows)."""
        from wan_render.backends.comfyui.workflow_card import workflow_reading  # few storyboards name one

        return workflow_reading(named, like, self.id, machine_settings())

    def findings(self) -> Iterator[Finding]:
        """The packages of the extra 'comfyui', and whether each server answers; nothing where no server is named."""
        found = servers(machine_settings())
        if found:
            yield installed("comfyui", PACKAGES)
        for server in found:
            if find_spec("httpx") is None:
                continue
            try:
                stats = server.service(_ANSWER_SECONDS).get_json("/system_stats")
            except HttpError as error:
                yield Finding(server.base, one_line(str(error)), f"start ComfyUI there, or correct {SETTING}")
                continue
            system = stats.get("system") if isinstance(stats, dict) else None
            version = system.get("comfyui_version") if isinstance(system, dict) else None
            yield Finding(server.base, f"ComfyUI {one_line(str(version or 'of an unknown version'))[:60]}")

    def missing(
        self,
        card: ModelCard,
        loras: Sequence[PublishedLora] = (),  # noqa: ARG002 - LoRAs are in the workflow
        profile: str = "exact",  # noqa: ARG002 - the workflow decides that
        variant: str = "",  # noqa: ARG002 - see `profile`
    ) -> Problem | None:
        """The packages, or the setting. Whether a server answers is not asked: it may be started later."""
        absent = [package for package in PACKAGES if find_spec(package) is None]
        if absent:
            return Problem(card.name, f"not installed: {', '.join(absent)}", remedy=install_command("comfyui"))
        if not servers(machine_settings()):
            remedy = f"start ComfyUI and set {SETTING}=http://127.0.0.1:8188"
            return Problem(card.name, f"{SETTING} names no server", "addresses of ComfyUI", remedy)
        return None

    def variant(self, profile: str, devices: Sequence[Device]) -> Variant:  # noqa: ARG002 - the workflow decides that
        """There is one."""
        return THE_ONLY_VARIANT

    def unable(self, profile: str, devices: Sequence[Device], variant: str = "") -> Mapping[str, Problem]:  # noqa: ARG002 - see `variant`
        """Every server can render."""
        return {}

    def group_sizes(self, take: Take, card: ModelCard) -> tuple[int, ...]:  # noqa: ARG002 - true of any take
        """One server renders a take."""
        return (1,)

    def expected_seconds(self, take: Take, device_kind: str, devices: int = 1) -> float:  # noqa: ARG002 - nothing is known
        """A guess, in proportion to the pixels of 81 frames of 480p."""
        return _SECONDS_OF_A_TAKE * take.frames * take.size.width * take.size.height / (81 * 832 * 480)

    def timed_on(self, device_kind: str) -> str:  # noqa: ARG002 - nothing was timed
        """No device."""
        return ""

    def open(self, card: ModelCard, device: Device, listen: Listen, workspace: Workspace = ALONE) -> Renderer:  # noqa: ARG002 - the server keeps what it has
        """A renderer for a workflow, when its server answers. Raises RenderError, MachineError or DeviceError."""
        if card.workflow is None:
            raise RenderError(Problem(card.name, "is no workflow of ComfyUI"))
        if (problem := self.missing(card)) is not None:
            raise MachineError(problem)
        listen(Progress(Phase.LOADING))
        from wan_render.backends.comfyui.workflow_renderer import WorkflowRenderer

        return WorkflowRenderer(card, card.workflow, device, server_of(device), listen)


BACKEND = ComfyUIBackend()
