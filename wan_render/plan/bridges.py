"""`transition: bridge 16f`: frames on both sides of a cut are rendered again, as a take between two others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from wan_render.model_card import ModelCard
from wan_render.plan.bridge_frames import LEAST_CONTEXT, BridgeEnd, BridgeFrames, BridgeModel, bridge_frames
from wan_render.plan.bridge_settings import BridgeSettings
from wan_render.plan.film_plan import (
    BRIDGE_SUFFIX,
    BridgedShots,
    NotYet,
    PlannedJoint,
    PlannedShot,
    PlannedTake,
    Rendered,
)
from wan_render.plan.inherit import Inherited
from wan_render.plan.model_choice import Chooser
from wan_render.plan.previous import PinnedClips, clip_in_film
from wan_render.plan.prompt import bridge_prompt
from wan_render.plan.resolve import Ends, Resolver
from wan_render.take import Bridge, ShotKind, Take, TakePart


@dataclass(frozen=True)
class _Side:
    """A shot next to a bridge. clip: the whole of its clip in the film."""

    inherited: Inherited
    planned: PlannedShot
    clip: TakePart


@dataclass(frozen=True)
class _Gap:
    """A bridge to plan: its settings, the shots on both sides, and how many film frames of each it replaces."""

    settings: BridgeSettings
    before: _Side
    after: _Side
    frames: int

    @property
    def id(self) -> str:
        """`1/020+bridge`."""
        return self.before.planned.id + BRIDGE_SUFFIX


@dataclass(frozen=True)
class BridgeBuilder:
    """Plans the bridges of one film. film_rate: frames per second of the film."""

    resolver: Resolver
    chooser: Chooser
    kept: PinnedClips
    film_rate: Fraction

    def bridged(
        self, cast: Sequence[Inherited], shots: Sequence[PlannedShot]
    ) -> tuple[tuple[PlannedShot, ...], dict[str, ModelCard]]:
        """The shots with their bridges between them, and the models of the bridges by identity. A bridge that cannot be
        rendered is a cut, with a warning."""
        self._check_room(cast, shots)
        planned = list(shots)
        made: dict[str, PlannedShot] = {}
        cards: dict[str, ModelCard] = {}
        for at, shot in enumerate(shots[:-1]):
            if shot.joint is None or shot.joint.kind != "bridge":
                continue
            gap = self._gap(cast[at : at + 2], shots[at : at + 2], shot.joint.frames)
            if gap is None:
                planned[at] = replace(shot, joint=PlannedJoint("cut"))
            elif (found := self._bridge(gap)) is not None:
                made[shot.id], card = found
                cards[card.identity] = card
        return with_bridges(planned, made), cards

    def _gap(self, cast: Sequence[Inherited], shots: Sequence[PlannedShot], frames: int) -> _Gap | None:
        """The bridge to plan; None, with a word, where the film cuts instead."""
        written = cast[0].transition
        if written is None:
            raise ValueError(f"{shots[0].id} has a bridge, but no transition")
        if self.resolver.is_draft:
            self.resolver.findings.note(written.place, "a draft cuts where the film has bridges")
            return None
        sides: list[_Side] = []
        for inherited, shot in zip(cast, shots, strict=True):
            clip = clip_in_film(shot, self.resolver.size, self.kept)
            if isinstance(clip, NotYet):
                found = f"{shots[0].id}{BRIDGE_SUFFIX} is a cut: {clip.reason}"
                self.resolver.findings.warn(written.place, found)
                return None
            sides.append(_Side(inherited, shot, clip))
        before, after = sides
        return _Gap(BridgeSettings(cast[0], written), before, after, frames)

    def _bridge(self, gap: _Gap) -> tuple[PlannedShot, ModelCard] | None:
        """The bridge and its model; None after a mistake."""
        modelled = self.chooser.choose(gap.settings, ShotKind.BRIDGE)
        card = modelled.card
        if (
            ShotKind.BRIDGE not in card.kinds
            or not self._have_rate(gap, card)
            or (found := self._frames(gap, card)) is None
        ):
            return None
        self._tell(gap, card, found)
        text = bridge_prompt(gap.before.inherited, gap.after.inherited)
        take = self.resolver.take(gap.settings, modelled, text, found.frames, Ends())
        bridge = Bridge(TakePart(gap.before.clip.take, *found.before), TakePart(gap.after.clip.take, *found.after))
        return _planned(gap, found, replace(take, bridge=bridge), card), card

    def _have_rate(self, gap: _Gap, card: ModelCard) -> bool:
        """Whether both shots have the rate of the bridge's model. Reports the first that hasn't."""
        for side in (gap.before, gap.after):
            if (rate := side.planned.rate or self.film_rate) != card.rate:
                found = f"{side.planned.id} has {rate} frames per second, {card.name} renders {card.rate}"
                allowed = "a bridge is between shots of the rate of its model"
                self.resolver.findings.error(gap.settings.place, found, allowed, "write cut, or another model")
                return False
        return True

    def _frames(self, gap: _Gap, card: ModelCard) -> BridgeFrames | None:
        """The frames of the bridge; None after a mistake."""
        findings, model = self.resolver.findings, self._lengths(card)
        if gap.frames > model.longest:
            found = f"the bridge replaces {gap.frames} frames on each side"
            allowed = f"at most {model.longest}: {card.name} was trained on {card.trained_frames} frames"
            findings.error(gap.settings.place, found, allowed, f"write bridge {model.longest}f or less")
            return None
        one = BridgeEnd(gap.before.clip.frames, gap.before.planned.first + gap.before.planned.frames)
        frames = bridge_frames(one, BridgeEnd(gap.after.clip.frames, gap.after.planned.first), gap.frames, model)
        for side, (_, kept) in ((gap.before, frames.before), (gap.after, frames.after)):
            if kept < LEAST_CONTEXT:
                found = f"the take of {side.planned.id} is too short for a bridge of {gap.frames} frames"
                allowed = f"a bridge sees at least {LEAST_CONTEXT} more frames of each take"
                findings.error(gap.settings.place, found, allowed, "make the bridge shorter or the shot longer")
                return None
        return frames

    def _lengths(self, card: ModelCard) -> BridgeModel:
        return BridgeModel(card.rate / self.film_rate, card.trained_frames, card.frame_step)

    def _tell(self, gap: _Gap, card: ModelCard, found: BridgeFrames) -> None:
        """Note how the bridge is made, and warn of settings of its shot that don't hold for it."""
        findings, place = self.resolver.findings, gap.settings.place
        after = gap.after.planned.id
        kept = f"{found.before[1]} frames of {gap.before.planned.id} and {found.after[1]} of {after}"
        findings.note(
            place, f"{gap.id} has {found.frames} frames: {card.name} renders {found.rendered}, and sees {kept}"
        )
        if found.moved:
            seconds = abs(float(found.moved / card.rate))
            remedy = f"durations in steps of {card.frame_step / card.rate} s avoid it"
            findings.note(place, f"{gap.id} and {after} meet {seconds:.3f} s apart", "", remedy)
        if ignored := gap.settings.ignored:
            findings.warn_for(gap.id, place, f"bridges are rendered without {' and '.join(ignored)}")

    def _check_room(self, cast: Sequence[Inherited], shots: Sequence[PlannedShot]) -> None:
        """Check that bridges leave at least one frame of each shot."""
        into = 0
        for inherited, shot in zip(cast, shots, strict=True):
            out = _replaced(shot)
            if (into or out) and shot.frames <= into + out:
                found = f"bridges replace {into + out} frames of {shot.id}"
                allowed = f"it shows {shot.frames}, and one has to be left"
                place = inherited.at("transition") if out else inherited.place
                self.resolver.findings.error(place, found, allowed, "make the bridge shorter or the shot longer")
            into = out


def _planned(gap: _Gap, found: BridgeFrames, take: Take, card: ModelCard) -> PlannedShot:
    shot = gap.before.planned
    contents = [side.planned.content for side in (gap.before, gap.after)]
    is_checked = all(isinstance(content, Rendered) and content.is_checked for content in contents)
    return PlannedShot(
        id=gap.id,
        scene=shot.scene,
        name=shot.name + BRIDGE_SUFFIX,
        index=shot.index,
        where=shot.where,
        content=Rendered((PlannedTake(1, take),), 1, is_checked=is_checked),
        first=found.first,
        frames=2 * gap.frames,
        hold=0,
        joint=PlannedJoint("bridge", gap.frames),
        slugline=shot.slugline,
        model=card.name,
        rate=shot.rate,
        bridges=BridgedShots(shot.id, gap.after.planned.id, gap.frames),
    )


def _replaced(shot: PlannedShot) -> int:
    """How many of its last frames a bridge replaces."""
    return shot.joint.frames if shot.joint is not None and shot.joint.kind == "bridge" else 0


def with_bridges(shots: Sequence[PlannedShot], made: Mapping[str, PlannedShot]) -> tuple[PlannedShot, ...]:
    """The shots without the frames that bridges replace, and the bridges between them. made: id of a shot → the bridge
    after it."""
    return tuple(_inserted(shots, made))


def _inserted(shots: Sequence[PlannedShot], made: Mapping[str, PlannedShot]) -> Iterator[PlannedShot]:
    into = 0
    for shot in shots:
        out = _replaced(shot) if shot.id in made else 0
        yield replace(shot, first=shot.first + into, frames=shot.frames - into - out)
        if shot.id in made:
            yield made[shot.id]
        into = out


def without_bridges(shots: Sequence[PlannedShot], cuts: Collection[str]) -> tuple[PlannedShot, ...]:
    """The shots, where these bridges (by their ids) are cuts: the opposite of `with_bridges`."""
    gone = [shot.bridges for shot in shots if shot.id in cuts and shot.bridges is not None]
    out, into = {each.before: each.frames for each in gone}, {each.after: each.frames for each in gone}
    return tuple(
        replace(
            shot,
            first=shot.first - into.get(shot.id, 0),
            frames=shot.frames + into.get(shot.id, 0) + out.get(shot.id, 0),
            joint=PlannedJoint("cut") if shot.id in out else shot.joint,
        )
        for shot in shots
        if shot.id not in cuts
    )
