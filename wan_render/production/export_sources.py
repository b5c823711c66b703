"""The pictures of an export: as in the film, upscaled where the film's own upscaled takes are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from wan_render.cut import RETIME_FORMS, ClipSource, ColourRamp, Cut, Event
from wan_render.errors import MachineError, Problem
from wan_render.media.raster import FilmSources
from wan_render.plan import FilmPlan
from wan_render.production.conformed_cut import conformed
from wan_render.production.matched_colours import matched_colours
from wan_render.production.store_sources import Sources
from wan_render.production.upscaled_cut import upscaled
from wan_render.store import Store
from wan_render.upscale.clip_upscaler import ClipToUpscale


@dataclass(frozen=True)
class ExportSources:
    """Gives each piece of media its sources. film: the cut of the film. notes: what is not as in it, in words."""

    film: Cut
    plan: FilmPlan
    store: Store
    notes: list[str] = field(default_factory=list)

    def prepared(self, cut: Cut) -> tuple[Cut, FilmSources]:
        """The cut of one event and its sources: with matched colours if the film's are, upscaled if its take is kept
        upscaled. An export loads no network: an alternate may need hours on a CPU."""
        cut, sources = self._as_in_film(self._matched(cut))
        return conformed(cut, sources, self.plan.footage, self.store.intermediates, _ignore)

    def _as_in_film(self, cut: Cut) -> tuple[Cut, FilmSources]:
        sources = Sources(self.store, self.plan.pictures)
        if cut.retime == RETIME_FORMS["rife"]:
            self._say("frames in between are made by flow: an export loads no network for the film's rife")
            cut = replace(cut, retime=RETIME_FORMS["flow"])
        if cut.upscale is None:
            return cut, sources
        weights = self.plan.upscaler
        try:
            return upscaled(cut, self.store, self.plan.pictures, weights, _not_kept, lambda _name: _ignore)
        except _NotKeptError:
            name = ", ".join(event.name for event in cut.events)
            self._say(f"a take of {name} is enlarged by Lanczos: it is not kept upscaled, as those of the film")
            return replace(cut, upscale=None), sources

    def _matched(self, cut: Cut) -> Cut:
        """With the colours of its keyframes. A take that continues another one follows the corrections of that."""
        (event,) = cut.events
        if cut.match_colours is None or not isinstance(event.source, ClipSource):
            return cut
        if event.is_bridge:
            return replace(cut, events=(self._matched_bridge(event, cut.rate),))
        matched, _ = matched_colours(replace(cut, events=(*self._run_before(event), event)), self.store)
        return replace(cut, events=matched.events[-1:])

    def _matched_bridge(self, event: Event, rate: Fraction) -> Event:
        """A bridge with the correction that leads from one shot to the other, as in the film; it runs on in frames that
        the film does not show. rate: that of the event's frames."""
        at = [each.name for each in self.film.events].index(event.name)
        before, shown, after = self.film.events[at - 1 : at + 2]
        around = (*self._run_before(before), before, shown, after)
        grade = matched_colours(replace(self.film, events=around), self.store)[0].events[-2].grade
        if grade is None:
            return event
        first, last = (shown.source_position(place, self.film.rate) for place in (0, shown.frames - 1))
        positions = (event.source_position(place, rate) for place in (0, event.frames - 1))
        parts = (float((position - first) / (last - first)) for position in positions)
        return replace(event, grade=ColourRamp(*(grade.begin.towards(grade.end, part) for part in parts)))

    def _run_before(self, event: Event) -> tuple[Event, ...]:
        """The events of the film that lead to this one by continuous joints."""
        names = [each.name for each in self.film.events]
        end = names.index(event.name)
        start = end
        while start and (joint := self.film.events[start - 1].joint) is not None and joint.kind == "continuous":
            start -= 1
        return self.film.events[start:end]

    def _say(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


class _NotKeptError(MachineError):
    """A take was not upscaled, or its result was swept."""


def _not_kept(job: ClipToUpscale, progress: Callable[[int, int], None]) -> None:  # noqa: ARG001 - UpscalesClips
    raise _NotKeptError(Problem(str(job.clip), "is not kept upscaled"))


def _ignore(_done: int, _total: int) -> None:
    """Nobody waits for what is only looked up."""
