"""What a shot of the plan consists of: its takes with their seeds, a still, a card, or the reason why not yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from wan_render.authored import PREVIOUS
from wan_render.plan.film_plan import CardText, Content, NotYet, PlannedShot, PlannedTake, Rendered, StillPicture
from wan_render.plan.inherit import Inherited
from wan_render.plan.keyframe_plates import Keyframes
from wan_render.plan.legs import reached
from wan_render.plan.lengths import PlannedLength
from wan_render.plan.model_choice import Modelled
from wan_render.plan.paintings import Painter
from wan_render.plan.previous import PinnedClips, end_of
from wan_render.plan.prompt import prompt
from wan_render.plan.resolve import Ends, Resolver
from wan_render.plan.roles import ShotRole
from wan_render.plan.seeds import take_seed, wanted_numbers
from wan_render.take import AnyPlate, Leg, ShotKind, Take


@dataclass(frozen=True)
class Studio:
    """What all takes of a film share."""

    resolver: Resolver
    keyframes: Keyframes
    painter: Painter
    kept: PinnedClips

    def rendered(
        self,
        inherited: Inherited,
        modelled: Modelled,
        length: PlannedLength,
        before: PlannedShot | None,
        told_rate: Fraction,
        not_yet: str,
    ) -> Content:
        """The takes of a shot that follows `before`. All of it is checked even where `not_yet` says why it cannot be
        rendered."""
        first = self._first(inherited, before)
        if isinstance(first, NotYet):
            not_yet, first = ", ".join(filter(None, (not_yet, first.reason))), None
        self._compare(inherited)
        through = self._through(inherited, modelled, length, told_rate)
        last = self._plate(inherited.shot.to)
        if through is None or _lacks_plate(modelled.kind, first, last):  # after an error, or none to continue
            ends, not_yet = Ends(), not_yet or "after a mistake"
        else:
            ends = Ends(first, last, through)
        take = self.resolver.take(inherited, modelled, prompt(inherited), length.frames, ends)
        if not_yet:
            return NotYet(not_yet)
        performed = self._performed(inherited, take)
        for planned in performed.takes:
            self.keyframes.remark(planned.take)
        return Rendered(performed.takes, _best_of(performed, inherited)) if self.resolver.is_draft else performed

    def unrendered(self, inherited: Inherited, role: ShotRole, not_yet: str) -> Content:
        """A still or a card as it is."""
        shot = inherited.shot
        if role is ShotRole.CARD:
            return CardText(shot.card or "")
        plate = self._plate(shot.still)
        return NotYet(not_yet) if plate is None or not_yet else StillPicture(plate)

    def _performed(self, inherited: Inherited, first: Take) -> Rendered:
        """The wanted takes, of which `first` is number 1; with a pin, the circled number alone."""
        takes, circle, refused = inherited.takes, inherited.shot.circle, inherited.shot.ng
        if circle is not None and circle.pin is not None:
            numbers: tuple[int, ...] = (circle.take,)
        else:
            wanted = 1 if takes is None else takes.value
            numbers = wanted_numbers(wanted, refused, None if circle is None else circle.take)
        takes_by_number = {at: replace(first, seed=take_seed(first.seed, at)) for at in numbers}
        planned = tuple(PlannedTake(at, self.resolver.settled(inherited, take)) for at, take in takes_by_number.items())
        if circle is None:
            return Rendered(planned, numbers[0])
        return Rendered(planned, circle.take, circle.pin)

    def _first(self, inherited: Inherited, before: PlannedShot | None) -> AnyPlate | NotYet | None:
        if inherited.shot.from_ != PREVIOUS:
            return self._plate(inherited.shot.from_)
        if before is None:
            raise ValueError(f"{inherited.id} continues a shot and is the film's first: the reader refuses that")
        return end_of(before, self.resolver.size, self.kept)

    def _plate(self, name: str | None) -> AnyPlate | None:
        """A keyframe by its name, from its file or painted."""
        if name is not None and self.keyframes.painted(name):
            return self.painter.plate(name)
        return self.keyframes.plate(name)

    def _compare(self, inherited: Inherited) -> None:
        """Warn of every two keyframes of a shot, one after the other, that make a poor way."""
        shot = inherited.shot
        names = (shot.from_, *(waypoint.keyframe for waypoint in shot.through), shot.to)
        places = (*((*inherited.at("through"), at) for at in range(len(shot.through))), inherited.at("to"))
        for (start, end), place in zip(pairwise(names), places, strict=True):
            if start is not None and start != PREVIOUS and end is not None:
                self.keyframes.compare(start, end, place)

    def _through(
        self, inherited: Inherited, modelled: Modelled, length: PlannedLength, told_rate: Fraction
    ) -> tuple[Leg, ...] | None:
        """The keyframes on the way; None after a mistake."""
        waypoints = inherited.shot.through
        plates = [self._plate(waypoint.keyframe) for waypoint in waypoints]
        if not waypoints:
            return ()
        frames = reached(inherited, length.frames, modelled.card, told_rate, self.resolver.findings)
        legs = tuple(
            Leg(plate, frame, prompt(inherited, waypoint.action))
            for waypoint, plate, frame in zip(waypoints, plates, frames, strict=False)
            if plate is not None
        )
        return legs if len(legs) == len(waypoints) else None


def _best_of(performed: Rendered, inherited: Inherited) -> int:
    """The number that goes into a draft: the first that is not refused. The circled take performs differently there."""
    return next(take.number for take in performed.takes if take.number not in inherited.shot.ng)


def _lacks_plate(kind: ShotKind, first: AnyPlate | None, last: AnyPlate | None) -> bool:
    return (kind is not ShotKind.T2V and first is None) or (kind is ShotKind.FLF2V and last is None)
