"""Sounds from words on this machine: which are made, by whom, and making the others."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from wan_render.authored import PathInFile
from wan_render.errors import InputError, MachineError, Problem, WanRenderError, WeightsError
from wan_render.facts import FactCache
from wan_render.keys import canonical
from wan_render.plan import AskedSound
from wan_render.settings import MachineSettings
from wan_render.sound import SoundRequest
from wan_render.sound.sound_licence import folder_licence, require_licence
from wan_render.sound.sound_models import ModelSound, SoundModel, model_digest
from wan_render.sound.sound_tools import SoundTool, read_tools, require_program, run_tool
from wan_render.store import Store
from wan_render.store.disk import disk_errors

RunsModel = Callable[[ModelSound], None]
"""Makes a sound with a model somewhere: in this process, or on a device. Raises MachineError."""


def _in_this_process(job: ModelSound) -> None:
    SoundModel(job.weights, "cpu").write(job)


@dataclass(frozen=True)
class SoundMakers:
    """The tools and models of this machine, and the sounds that they made. Implements MadeSounds."""

    settings: MachineSettings
    cache: FactCache
    store: Store
    run_model: RunsModel = _in_this_process

    def maker(self, kind: Literal["sound", "speech"], tool: str) -> str | Problem:
        """See MadeSounds. A tool is known by its name alone, so that a plan finds what another machine made."""
        if tool:
            return f"tool:{tool}"
        folder = self._folder(kind)
        if folder is None:
            setting = "WAN_RENDER_SPEECH_MODEL" if kind == "speech" else "WAN_RENDER_SOUND_MODEL"
            return Problem(kind, f"this machine has no model for it ({setting})", "", "name a `tool`, or set a model")
        try:
            return f"model:{model_digest(folder, self.cache)}"
        except WeightsError as error:
            return error.problems[0]

    def find(self, key: str) -> Path | None:
        """See MadeSounds."""
        return self.store.intermediates.find(key)

    def hindrance(self, request: SoundRequest) -> Problem | None:
        """See MadeSounds: a tool that this machine lacks, a program that is not there, a licence that is refused."""
        try:
            if request.tool:
                require_program(self._tool(request))
            require_licence(self._maker_in_words(request), self.licence(request), **self._allowed)
        except WanRenderError as error:
            return error.problems[0]
        return None

    def licence(self, request: SoundRequest) -> str:
        """The licence of the weights that make a sound. Raises UsageError for a tool that this machine lacks."""
        return self._tool(request).licence if request.tool else folder_licence(self._model_folder(request))

    def make(self, request: SoundRequest, name: str, waiting: Callable[[], None] = lambda: None) -> Path:
        """The file of a sound, made now if it is not. Raises InputError if the maker refuses the request, MachineError
        if it fails, UsageError for a tool that this machine lacks, WeightsError for a licence that is not allowed."""
        licence = self.licence(request)
        require_licence(f"{name} ({self._maker_in_words(request)})", licence, **self._allowed)

        def write(target: Path) -> None:
            from wan_render.sound.sound_reader import read_sound  # these load numpy, which planning does without
            from wan_render.sound.wav_file import write_wav

            note = json.dumps(canonical(request) | {"licence": licence}, ensure_ascii=False)[:_LONGEST_NOTE]
            with disk_errors(target), tempfile.TemporaryDirectory(dir=target.parent) as folder:
                blocks = list(read_sound(self._raw(request, Path(folder))))
                write_wav(target, blocks, sum(map(len, blocks)), note)

        return self.store.intermediates.made(request.key, f"sound {name}", ".wav", write, waiting=waiting)

    def _maker_in_words(self, request: SoundRequest) -> str:
        return f"tool {request.tool}" if request.tool else "model"

    @property
    def _allowed(self) -> Mapping[str, bool]:
        return {"non_commercial_allowed": self.settings.non_commercial}

    def _raw(self, request: SoundRequest, folder: Path) -> Path:
        """The sound as its maker gives it."""
        if request.tool:
            return run_tool(self._tool(request), request, folder)
        target = folder / "sound.wav"
        self.run_model(ModelSound(self._model_folder(request).absolute(), request, target))
        return target

    def _folder(self, kind: Literal["sound", "speech"]) -> Path | None:
        return self.settings.speech_model if kind == "speech" else self.settings.sound_model

    def _model_folder(self, request: SoundRequest) -> Path:
        folder = self._folder(request.kind)
        assert folder is not None, "a request for a model names one"  # noqa: S101
        return folder

    @cached_property
    def _tools(self) -> Mapping[str, SoundTool]:
        return {} if self.settings.sound_tools is None else read_tools(self.settings.sound_tools)

    def _tool(self, request: SoundRequest) -> SoundTool:
        if request.tool not in self._tools:
            known = f"tools of this machine: {', '.join(self._tools) or 'none'}"
            remedy = "add it to the file of WAN_RENDER_SOUND_TOOLS, or name another"
            raise InputError(Problem(f"tool {request.tool}", "this machine has no such tool", known, remedy))
        return self._tools[request.tool]


_LONGEST_NOTE = 3000


def make_sounds(
    asked: Iterable[AskedSound], makers: SoundMakers, tell: Callable[[str], None]
) -> Mapping[PathInFile, WanRenderError]:
    """Make every sound that is not made yet, and tell of each. Returns place → why that sound could not be made."""
    failed: dict[PathInFile, WanRenderError] = {}
    for each in asked:
        try:
            if each.request is None:
                raise MachineError(each.why or Problem(each.name, "has no maker"))
            if makers.find(each.request.key) is None:
                tell(f"making {each.name}")
                makers.make(each.request, each.name)
                by = f"tool {each.request.tool}" if each.request.tool else "model"
                tell(f"made {each.name} by {by}, licence: {makers.licence(each.request)}")
        except (InputError, MachineError) as error:
            first = error.problems[0]
            failed[each.place] = type(error)(replace(first, where=f"{each.name}: {first.where}"))
    return failed
