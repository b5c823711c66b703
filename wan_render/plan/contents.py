"""The content of a planned shot: its takes with their seeds, a still, a card, or why it cannot be rendered yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import pairwise

from wan_render.authored import PREVIOUS
from wan_render.plan.extended_prompts import FilmPrompts
from wan_render.plan.film_plan import CardText, Content, NotYet, PlannedShot, PlannedTake, Rendered, StillPicture
from wan_render.plan.film_take import NO_CHECKS, JudgedTake, TakeChecks, film_take, numbers_with_retakes
from wan_render.plan.footage import FilmFootage
from wan_render.plan.handed_latents import Handover
from wan_render.plan.inherit import Inherited
from wan_render.plan.keyframe_plates import Keyframes
from wan_render.plan.legs import reached
from wan_render.plan.lengths import PlannedLength
from wan_render.plan.model_choice import Modelled
from wan_render.plan.paintings import Painter
from wan_render.plan.placed_sounds import FilmSounds
from wan_render.plan.previous import PinnedClips, end_of
from wan_render.plan.resolve import Ends, Resolver
from wan_render.plan.roles import ShotRole
from wan_render.plan.seeds import take_seed, wanted_numbers
from wan_render.take import AnyPlate, Leg, ShotKind, Take


@dataclass(frozen=True)
class Studio:
    """What all shots of a film share while their contents are planned."""

    resolver: Resolver
    keyframes: Keyframes
    painter: Painter
    sounds: FilmSounds
    footage: FilmFootage
    prompts: FilmPrompts
    kept: PinnedClips
    handover: Handover
    checks: TakeChecks = NO_CHECKS

    def rendered(
        self,
        inherited: Inherited,
        modelled: Modelled,
        length: PlannedLength,
        before: PlannedShot | None,
        written_rate: Fraction,
    ) -> Content:
        """The takes of a shot that follows `before`. It is checked completely, even if it cannot be rendered."""
        first, not_yet = self._first(inherited, modelled, before), ""
        self.handover.warn_if_unused(inherited)
        if isinstance(first, NotYet):
            not_yet, first = first.reason, None
        self._compare(inherited)
        through = self._through(inherited, modelled, length, written_rate)
        if isinstance(through, NotYet):
            not_yet, through = not_yet or through.reason, ()
        last = self._plate(inherited.shot.to)
        if through is None or _lacks_plate(modelled.kind, first, last):  # after a mistake, or nothing to continue
            ends, not_yet = Ends(), not_yet or "after a mistake"
        else:
            ends = Ends(first, last, through)
        text = self.prompts.of(inherited)
        if isinstance(text, NotYet):
            not_yet, text = not_yet or text.reason, ""
        take = self.resolver.take(inherited, modelled, text, length.frames, ends)
        if not_yet:
            return NotYet(not_yet)
        rendered = self._numbered(inherited, take, costs_money=modelled.card.hosted is not None)
        for planned in rendered.takes:
            self.keyframes.remark(planned.take)
            self.prompts.remark(planned.take)
        return rendered

    def unrendered(self, inherited: Inherited, role: ShotRole) -> Content:
        """The content of a still or a card."""
        shot = inherited.shot
        if role is ShotRole.CARD:
            return CardText(shot.card or "")
        plate = self._plate(shot.still)
        return NotYet("after a mistake") if plate is None else StillPicture(plate)

    def _numbered(self, inherited: Inherited, first: Take, *, costs_money: bool) -> Rendered:
        """The wanted takes, where `first` is take 1, and retakes. With a pin, only the circled number.

        costs_money: then retakes have to be written.
        """
        circle, is_checked = inherited.shot.circle, self._is_checked(inherited)

        def taken(number: int) -> Take:
            return replace(first, seed=take_seed(first.seed, number))

        @cache
        def judged(number: int) -> JudgedTake | None:
            if not is_checked or self.checks is NO_CHECKS:  # without a store, no key is needed
                return None
            return self.checks.judged(self.resolver.quietly_settled(inherited, taken(number)).key)

        wanted = _wanted(inherited)
        unwritten = 0 if costs_money else self.checks.retakes
        retakes = unwritten if inherited.retakes is None else inherited.retakes.value
        refused = inherited.shot.ng
        numbers = wanted if circle is not None else numbers_with_retakes(len(wanted), refused, retakes, judged)
        circled = None if circle is None or self.resolver.is_draft else circle.take
        failed = numbers if len(numbers) > len(wanted) else ()
        fails = dict.fromkeys(check for number in failed if (found := judged(number)) for check in found.fails)
        return Rendered(
            tuple(
                PlannedTake(at, self.resolver.settled(inherited, taken(at)), () if at in wanted else tuple(fails))
                for at in numbers
            ),
            film_take(numbers, circled, judged),
            None if circle is None or self.resolver.is_draft else circle.pin,
            circled,
            is_checked,
        )

    def _is_checked(self, inherited: Inherited) -> bool:
        check = inherited.check
        if check is None or check.value == "on":
            return True
        self.resolver.findings.note(check.place, "takes are not checked")
        return False

    def _first(self, inherited: Inherited, modelled: Modelled, before: PlannedShot | None) -> AnyPlate | NotYet | None:
        if inherited.shot.from_ != PREVIOUS:
            return self._plate(inherited.shot.from_)
        if before is None:
            raise ValueError(f"{inherited.id} continues a shot but is the film's first; the reader should refuse that")
        plate = end_of(before, self.resolver.size, self.kept)
        return self.handover.handed(plate, inherited, modelled, before)

    def _plate(self, name: str | None) -> AnyPlate | None:
        """The plate of a keyframe by its name, from its file or painted."""
        if name is not None and self.keyframes.painted(name):
            return self.painter.plate(name)
        return self.keyframes.plate(name)

    def _compare(self, inherited: Inherited) -> None:
        """Warn about neighbouring keyframes of a shot that are too similar or too different."""
        shot = inherited.shot
        names = (shot.from_, *(waypoint.keyframe for waypoint in shot.through), shot.to)
        places = (*((*inherited.at("through"), at) for at in range(len(shot.through))), inherited.at("to"))
        for (start, end), place in zip(pairwise(names), places, strict=True):
            if start is not None and start != PREVIOUS and end is not None:
                self.keyframes.compare(start, end, place)

    def _through(
        self, inherited: Inherited, modelled: Modelled, length: PlannedLength, written_rate: Fraction
    ) -> tuple[Leg, ...] | NotYet | None:
        """The keyframes between the first and the last one; None after a mistake."""
        waypoints = inherited.shot.through
        plates = [self._plate(waypoint.keyframe) for waypoint in waypoints]
        if not waypoints:
            return ()
        frames = reached(inherited, length.frames, modelled.card, written_rate, self.resolver.findings)
        texts = [self.prompts.of(inherited, waypoint) for waypoint in waypoints]
        for text in texts:
            if isinstance(text, NotYet):
                return text
        legs = tuple(
            Leg(plate, frame, str(text))
            for text, plate, frame in zip(texts, plates, frames, strict=False)
            if plate is not None
        )
        return legs if len(legs) == len(waypoints) else None


def _wanted(inherited: Inherited) -> tuple[int, ...]:
    """The numbers of the wanted takes, without retakes. With a pin, only the circled number."""
    takes, circle = inherited.takes, inherited.shot.circle
    if circle is not None and circle.pin is not None:
        return (circle.take,)
    wanted = 1 if takes is None else takes.value
    return wanted_numbers(wanted, inherited.shot.ng, None if circle is None else circle.take)


def _lacks_plate(kind: ShotKind, first: AnyPlate | None, last: AnyPlate | None) -> bool:
    return (kind is not ShotKind.T2V and first is None) or (kind is ShotKind.FLF2V and last is None)
