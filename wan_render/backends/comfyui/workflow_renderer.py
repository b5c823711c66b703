"""Renders takes on a ComfyUI server.

Whatever happens to the server or to this process, the order is the same: look whether the server knows a job for the
take, send one if not, follow it, fetch its frames. What is lost is sent again, a few times.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wan_render.backends.comfyui.patient_server import LostFramesError, PatientServer
from wan_render.backends.comfyui.server_jobs import Job, JobState
from wan_render.backends.comfyui.servers import ComfyServer, servers
from wan_render.backends.comfyui.take_graph import take_graph
from wan_render.errors import DeviceError, Problem, RenderError
from wan_render.model_card import ModelCard
from wan_render.printable import logger, one_line
from wan_render.render_values import Device, Frames, Group, Listen, TakeInputs
from wan_render.settings import machine_settings
from wan_render.take import Take, short
from wan_render.workflows.workflow import Workflow

MOST_SENDS = 4
"""How often one attempt sends a take whose job or frames were lost."""

_log = logger(__name__)


class WorkflowRenderer:
    """One workflow on one server."""

    def __init__(
        self, card: ModelCard, workflow: Workflow, device: Device, server: ComfyServer, listen: Listen
    ) -> None:
        """Waits until the server answers. Raises DeviceError."""
        self._card, self._workflow, self._device = card, workflow, device
        self._server = PatientServer(server)
        self._others = [PatientServer(other) for other in servers(machine_settings()) if other != server]
        self._is_open = True
        self._stats = self._server.stats(listen)

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:
        """Do nothing: the server keeps its models loaded by itself."""

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        """Render a take on the server. Raises RenderError with the node that failed, or DeviceError."""
        self._check(take, plates, group)
        for _ in range(MOST_SENDS):
            server, job = self._job(take, plates, listen)
            report = server.followed(job, take.sampling.steps, listen)
            if report.error is not None:
                raise report.error
            if report.state is JobState.LOST:
                _log.warning("%s has lost the job of take %s: it is sent again", server.base, short(take.key))
                continue
            try:
                pixels = server.fetched(take, report.images, listen)
            except LostFramesError as lost:
                _log.warning("%s: %s: the take is sent again", server.base, lost)
                server.forget(job, with_cache=True)
                continue
            server.forget(job)
            return Frames(pixels, take.rate)
        problem = Problem(self._server.base, f"lost take {short(take.key)} {MOST_SENDS} times", "", "read its log")
        raise DeviceError(problem)

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:  # noqa: ARG002 - the seam's
        """Raise RenderError: one server renders a take."""
        raise _refused(f"cannot render a take on {group.size} servers", "one server per take")

    def facts(self) -> Mapping[str, str]:
        """The server, its version, its GPU, and the files of weights by name."""
        system = self._stats.get("system") if isinstance(self._stats, dict) else None
        version = system.get("comfyui_version") if isinstance(system, dict) else None
        found = {"device": self._device.label, "comfyui": one_line(str(version or "unknown"))[:60]}
        return {**found, "weights": ", ".join(self._workflow.models)} if self._workflow.models else found

    def close(self) -> None:
        """Refuse further takes. The server keeps its models."""
        self._is_open = False

    def _check(self, take: Take, plates: TakeInputs, group: Group | None) -> None:
        if group is not None:
            self.assist(take, plates, lambda _: None, group)
        if not self._is_open:
            raise _refused("the renderer is closed")
        if take.kind not in self._card.kinds:
            raise _refused(f"{self._card.name} cannot render {take.kind}", f"it can: {', '.join(self._card.kinds)}")
        for name, plate, picture in (("first", take.first, plates.first), ("last", take.last, plates.last)):
            expected = None if plate is None else (take.size.height, take.size.width, 3)
            found = None if picture is None else picture.shape
            if found != expected or (picture is not None and str(picture.dtype) != "uint8"):
                raise _refused(f"the {name} plate is {found}", f"expected uint8 {expected}")

    def _job(self, take: Take, plates: TakeInputs, listen: Listen) -> tuple[PatientServer, Job]:
        """The take's job and the server that has it: another one if an earlier run sent it there, else our own."""
        for other in self._others:
            if (job := other.known_job(take.key)) is not None:
                _log.info("%s knows take %s: job %s", other.base, short(take.key), job.id)
                return other, job
        pictures = {"first": plates.first, "last": plates.last}

        def graph() -> Mapping[str, Any]:
            names = {role: self._server.uploaded(each) for role, each in pictures.items() if each is not None}
            return take_graph(self._workflow, take, names)

        return self._server, self._server.job(take.key, graph, uuid.uuid4().hex, listen)


def _refused(found: str, allowed: str = "", remedy: str = "") -> RenderError:
    return RenderError(Problem("backend comfyui", found, allowed, remedy))
