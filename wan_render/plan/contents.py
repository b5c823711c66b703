"""What a shot of the plan consists of: its takes with their seeds, a still, a card, or the reason why not yet."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wan_render.model import PREVIOUS
from wan_render.plan.film import CardText, Content, NotYet, PlannedTake, Rendered, StillPicture
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited
from wan_render.plan.lengths import Length
from wan_render.plan.models import Modelled, sampling_of
from wan_render.plan.pictures import Keyframes
from wan_render.plan.prompt import about_tokens, negative, prompt
from wan_render.plan.roles import Role
from wan_render.plan.seeds import DEFAULT_SEED, take_seed, wanted_numbers
from wan_render.take import Plate, ShotKind, Size, Take


@dataclass(frozen=True)
class Studio:
    """What all takes of a film share."""

    backend: str
    size: Size
    keyframes: Keyframes
    findings: Findings

    def rendered(self, inherited: Inherited, modelled: Modelled, length: Length, not_yet: str) -> Content:
        """The takes of a shot. All of it is checked even where `not_yet` says why it cannot be rendered."""
        first, last = self._plates(inherited)
        words = self._words(inherited, modelled)
        sampling = sampling_of(modelled, self._profile(inherited), self.findings)
        if not_yet or _lacks_plate(modelled.kind, first, last):  # a plate is lacking after an error, or when painted
            return NotYet(not_yet)
        seed = inherited.common("seed")
        take = Take(
            backend=self.backend,
            model=modelled.card.identity,
            first=first,
            last=last,
            prompt=words[0],
            negative=words[1],
            frames=length.frames,
            size=self.size,
            rate=modelled.card.rate,
            seed=DEFAULT_SEED if seed is None else seed.value,
            sampling=sampling,
        )
        return self._performed(inherited, take)

    def unrendered(self, inherited: Inherited, role: Role, not_yet: str) -> Content:
        """A still or a card as it is."""
        shot = inherited.shot
        if role is Role.CARD:
            return CardText(shot.card or "")
        plate = self.keyframes.plate(shot.still)
        return NotYet(not_yet) if plate is None or not_yet else StillPicture(plate)

    @staticmethod
    def _performed(inherited: Inherited, first: Take) -> Rendered:
        """The wanted takes, of which `first` is number 1; with a pin, the circled number alone."""
        takes, circle, refused = inherited.takes, inherited.shot.circle, inherited.shot.ng
        if circle is not None and circle.pin is not None:
            numbers: tuple[int, ...] = (circle.take,)
        else:
            wanted = 1 if takes is None else takes.value
            numbers = wanted_numbers(wanted, refused, None if circle is None else circle.take)
        planned = tuple(PlannedTake(at, replace(first, seed=take_seed(first.seed, at))) for at in numbers)
        if circle is None:
            return Rendered(planned, numbers[0])
        return Rendered(planned, circle.take, circle.pin)

    def _plates(self, inherited: Inherited) -> tuple[Plate | None, Plate | None]:
        shot = inherited.shot
        for waypoint in shot.through:
            self.keyframes.plate(waypoint.keyframe)
        if shot.from_ == PREVIOUS:
            return None, self.keyframes.plate(shot.to)
        if shot.from_ is not None and shot.to is not None and not shot.through:
            self.keyframes.compare(shot.from_, shot.to, inherited.at("to"))
        return self.keyframes.plate(shot.from_), self.keyframes.plate(shot.to)

    def _words(self, inherited: Inherited, modelled: Modelled) -> tuple[str, str]:
        told = inherited.common("negative")
        official = modelled.card.kinds[modelled.kind].negative
        words = prompt(inherited), negative(None if told is None else told.value, official, inherited.avoid)
        for name, text in zip(("prompt", "negative prompt"), words, strict=True):
            limit = modelled.card.prompt_tokens
            if about_tokens(text) > limit:
                found = f"the {name} has about {about_tokens(text)} tokens"
                allowed = f"{modelled.card.name} reads the first {limit}"
                self.findings.warn(inherited.place, found, allowed, "say it in fewer words")
        return words

    @staticmethod
    def _profile(inherited: Inherited) -> str:
        told = inherited.common("profile")
        return "exact" if told is None else str(told.value)


def _lacks_plate(kind: ShotKind, first: Plate | None, last: Plate | None) -> bool:
    return (kind is not ShotKind.T2V and first is None) or (kind is ShotKind.FLF2V and last is None)
