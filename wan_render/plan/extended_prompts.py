"""`render.extend`: which prompts a language model extends, what it will see of each, and what it answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wan_render.authored import PREVIOUS, PathInFile, Storyboard, Waypoint
from wan_render.cleaning import cleaned, has_han
from wan_render.extension.prompt_file import SUFFIX, KnownPrompts
from wan_render.extension.prompt_request import PromptLanguage, PromptRequest, SeenPicture
from wan_render.plan.film_plan import NotYet, PlannedPrompt
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited
from wan_render.plan.keyframe_plates import Keyframes
from wan_render.plan.prompt import camera_words, prompt
from wan_render.plan.roles import ShotRole, kind_of, role_of
from wan_render.take import Plate, Size, Take

NOT_ASKED = "(to be extended) "
"""Begins a prompt in a plan that is made before the language model is asked. No take is rendered with it."""


@dataclass(frozen=True)
class _Segment:
    """One segment of a shot: between two keyframes. start: the keyframe it begins on, or PREVIOUS."""

    name: str
    action: str | None
    start: str | None
    end: str | None


class FilmPrompts:
    """The prompts of one film's shots: extended where that is asked for and answered.

    cast: the shots of the film, in order.
    """

    def __init__(
        self, cast: Sequence[Inherited], known: KnownPrompts, keyframes: Keyframes, size: Size, findings: Findings
    ) -> None:
        self._places = {inherited.id: at for at, inherited in enumerate(cast)}
        self._cast, self._known, self._keyframes, self._findings = cast, known, keyframes, findings
        self._shape = round(4 * size.width / size.height)
        self._planned: dict[str, PlannedPrompt] = {}

    @property
    def planned(self) -> tuple[PlannedPrompt, ...]:
        """Every prompt that is or will be extended, in the order of the film."""
        return tuple(self._planned.values())

    def of(self, inherited: Inherited, waypoint: Waypoint | None = None) -> str | NotYet:
        """The prompt of a shot, or of the segment that leads to a waypoint. NotYet: it has to be extended, nobody
        answered, and the film doesn't say that the written one will do."""
        written = prompt(inherited, None if waypoint is None else waypoint.action)
        enabled = inherited.extend("enabled")
        if enabled is None or not enabled.value:
            return written
        segment = _segment(inherited, waypoint)
        planned = self._planned.get(segment.name)
        if planned is None:
            planned = self._planned[segment.name] = self._plan(inherited, segment, written, enabled.place)
        return self._text(planned)

    def remark(self, take: Take) -> None:
        """Add a remark to a take and to its segments: who wrote their prompts."""
        for planned in self._planned.values():
            for one in (take, *take.segments):
                if planned.found is not None and one.prompt == cleaned(planned.found.entry.prompt):
                    self._findings.remark(one.key, f"the prompt was {planned.by}; written was: {planned.written}")

    def _text(self, planned: PlannedPrompt) -> str | NotYet:
        if planned.found is not None:
            return cleaned(planned.found.entry.prompt)
        if not self._known.is_final:
            return NOT_ASKED + planned.written
        if planned.may_stay:
            return planned.written
        return NotYet(f"{planned.name} has no extended prompt")

    def _plan(self, inherited: Inherited, segment: _Segment, written: str, place: PathInFile) -> PlannedPrompt:
        request = self._request(inherited, segment, written)
        found = self._known.find(segment.name, request)
        unanswered = inherited.extend("unanswered")
        may_stay = unanswered is not None and unanswered.value == "written"
        plates = (self._plate(self._start(inherited, segment.start)), self._plate(segment.end))
        planned = PlannedPrompt(
            segment.name, written, request, plates, found, may_stay, self._known.entries.get(segment.name)
        )
        self._tell(planned, inherited, place)
        return planned

    def _tell(self, planned: PlannedPrompt, inherited: Inherited, place: PathInFile) -> None:
        file = Path(self._findings.document.file).stem + SUFFIX
        if planned.found is not None and planned.found.stale:
            found = f"the extended prompt of {planned.name} is stale: since then, this changed: {planned.found.stale}"
            remedy = f"edit it in {file}, then `wan-render extend --keep`; or have it asked again: `--stale`"
            self._findings.warn(inherited.place, found, "it stays in use", remedy)
        elif planned.found is None and self._known.is_final and planned.may_stay:
            found = "has no extended prompt, so the written one is used"
            self._findings.warn_for(planned.name, place, found, "", "`wan-render extend` asks for it")

    def _request(self, inherited: Inherited, segment: _Segment, written: str) -> PromptRequest:
        shot, kind = inherited.shot, kind_of(inherited.shot)
        language = inherited.extend("language")
        names = inherited.extend("names")
        speakers = [line.who for line in shot.dialogue if line.who]
        is_whole = bool(shot.prompt) and segment.action is None
        spelt: PromptLanguage = "zh" if kind == "flf2v" or has_han(written) else "en"
        place = self._places[inherited.id]
        kinds: dict[tuple[bool, bool], Literal["t2v", "i2v", "flf2v"]] = {(True, True): "flf2v", (True, False): "i2v"}
        return PromptRequest(
            kind=kinds.get((segment.start is not None, segment.end is not None), "t2v"),
            language=spelt if language is None else language.value,
            written=written,
            action=cleaned(segment.action or shot.action or ""),
            style=cleaned(inherited.look("style")),
            setting=cleaned(inherited.look("setting")),
            camera=camera_words(inherited, chinese=has_han(shot.action or "")),
            whole=is_whole,
            before=self._action(place - 1),
            after=self._action(place + 1),
            names=_named(written, (*(() if names is None else names.value), *speakers)),
            first=self._seen(inherited, self._start(inherited, segment.start)),
            last=self._seen(inherited, segment.end),
        )

    def _action(self, place: int) -> str:
        """What happens in the shot at a place of the film; "" outside of it, and for cards, stills and clips."""
        if not 0 <= place < len(self._cast):
            return ""
        shot = self._cast[place].shot
        return cleaned(shot.prompt or shot.action or "") if role_of(shot) is ShotRole.RENDER else ""

    def _start(self, inherited: Inherited, start: str | None) -> str | None:
        """The keyframe that stands for the first frame. For `previous`, it is the one that the shot before ends on:
        its last frame is not rendered yet."""
        if start != PREVIOUS:
            return start
        place = self._places[inherited.id] - 1
        return self._cast[place].shot.to if place >= 0 else None

    def _plate(self, name: str | None) -> Plate | None:
        return None if name is None or self._keyframes.painted(name) else self._keyframes.plate(name)

    def _seen(self, inherited: Inherited, name: str | None) -> SeenPicture | None:
        if name is None:
            return None
        if self._keyframes.painted(name):
            return SeenPicture("", shape=self._shape, words=_painted_words(inherited.storyboard, name))
        plate = self._keyframes.plate(name)
        return None if plate is None else SeenPicture(plate.picture, plate.fit, plate.focus, self._shape)


def _named(written: str, names: Sequence[str]) -> tuple[str, ...]:
    """Those names that a prompt has, each once."""
    return tuple(dict.fromkeys(name for name in map(cleaned, names) if name and name in written))


def _painted_words(storyboard: Storyboard, name: str) -> str:
    return cleaned(storyboard.keyframes[name].prompt or "")


def _segment(inherited: Inherited, waypoint: Waypoint | None) -> _Segment:
    """The segment that leads to a waypoint, or the last one of the shot."""
    shot = inherited.shot
    if waypoint is None:
        start = shot.through[-1].keyframe if shot.through else shot.from_
        return _Segment(inherited.id, None, start, shot.to)
    at = next(at for at, each in enumerate(shot.through) if each is waypoint)
    start = shot.from_ if at == 0 else shot.through[at - 1].keyframe
    return _Segment(f"{inherited.id} through {at + 1}", waypoint.action, start, waypoint.keyframe)


def wants_prompts(storyboard: Storyboard) -> bool:
    """Whether a film may have a prompt that is extended."""
    shots = (shot.render for scene in storyboard.scenes for shot in scene.shots)
    renders = (storyboard.defaults.render, *(scene.render for scene in storyboard.scenes), *shots)
    return any(render is not None and render.extend is not None and render.extend.enabled for render in renders)
