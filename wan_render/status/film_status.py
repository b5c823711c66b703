"""The state of every shot and take, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from wan_render.backend_contract import Backend
from wan_render.estimates import TakeTime
from wan_render.footage.footage_part import FootagePart
from wan_render.keys import canonical
from wan_render.plan import CardText, FilmPlan, NotYet, PlannedShot, PlannedTake, Rendered, StillPicture
from wan_render.quality.verdicts import Judgement, QcVerdict
from wan_render.status.forecast import expected_bytes, expected_film_seconds, expected_times
from wan_render.status.needed import with_needs
from wan_render.status.take_judgement import with_judgements
from wan_render.store import Clip, Store
from wan_render.take import FramePlate, Take
from wan_render.take_changes import changes


class State(StrEnum):
    """The state of a shot or a take, from best to worst.

    OMITTED: the storyboard leaves it out. FOUND: it is in the store. KEPT: a pin keeps an earlier clip of the shot.
    STALE: something else was rendered under this shot's id. MISSING: nothing was.
    """

    OMITTED = "omitted"
    FOUND = "found"
    KEPT = "kept"
    STALE = "stale"
    MISSING = "missing"


_FROM_BEST_TO_WORST = tuple(State)


@dataclass(frozen=True)
class TakeStatus:
    """One take of a shot.

    take:   what would be rendered; None for a kept clip.
    fields: the canonical fields of the take or of the kept clip.
    why:    why it is not found, or what has changed since it was kept.
    clip:   the clip, if it is in the store.
    judgement: what its checks say; None if it was not measured, or with `qc: {check: off}`.
    """

    number: int
    key: str
    take: Take | None
    fields: Mapping[str, Any]
    state: State
    why: str
    clip: Clip | None
    judgement: Judgement | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it failed its checks."""
        return self.judgement is not None and self.judgement.verdict is QcVerdict.FAIL


@dataclass(frozen=True)
class ShotStatus:
    """The status of one shot.

    planned: None for an omitted shot. state: the worst state of its takes.
    chosen:  key of the take that goes into the film; "" if there is none.
    why:     the reason for the state. For a missing shot without takes, its slate shows it.
    """

    id: str
    planned: PlannedShot | None
    state: State
    why: str
    takes: tuple[TakeStatus, ...] = ()
    chosen: str = ""


@dataclass(frozen=True)
class FilmStatus:
    """The status of a film. Its shots are in the film's order, including omitted ones.

    times:        key → expected device time of each take to render.
    bytes:        expected disk space.
    to_render:    the missing takes, each once, in the film's order; the takes that one needs come before it.
    paintings:    keyframe name → status of its painted take, which has the number 1.
    film_seconds: expected seconds from the last take to the finished film; 0 if no new version is made.
    film_change:  why a new version of the film is made although no take is missing; "" in all other cases.
    undelivered:  deliverables that the newest version does not have yet, if no new version is made.
    """

    shots: tuple[ShotStatus, ...]
    times: Mapping[str, TakeTime]
    bytes: int
    to_render: tuple[Take, ...] = ()
    paintings: Mapping[str, TakeStatus] = field(default_factory=dict)
    film_seconds: float = 0.0
    film_change: str = ""
    undelivered: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Expected seconds to render everything on one device."""
        return sum(time.seconds for time in self.times.values())

    def shot(self, shot_id: str) -> ShotStatus:
        """The status of a shot. Raises KeyError for an unknown id."""
        return {shot.id: shot for shot in self.shots}[shot_id]


@dataclass(frozen=True)
class _SoundTakes:
    """The store without the takes that count as missing. spoilt: the keys of these takes → why. film_rate: frames per
    second of the film."""

    store: Store
    spoilt: Mapping[str, str]
    film_rate: Fraction

    def find(self, key: str) -> Clip | None:
        """The clip of a take, if it is in the store and not spoilt."""
        return None if key in self.spoilt else self.store.find(key)

    def closed(self, key: str) -> str:
        """Why an existing take cannot be read; "" for any other take."""
        return unreadable_words(self.store, key)

    def stands(self, key: str) -> bool:
        """Whether nothing is rendered for this key: the take is found, or exists and cannot be read."""
        return self.find(key) is not None or bool(self.closed(key))

    def fault(self, key: str) -> str:
        """Why a take that existed is gone; "" if that is unknown."""
        return self.spoilt.get(key) or ("its clip was damaged" if self.store.takes.damaged(key) else "")


def status(
    plan: FilmPlan,
    store: Store,
    backend: Backend,
    device_kind: str | None = None,
    spoilt: Mapping[str, str] = MappingProxyType({}),
    device_labels: Collection[str] = (),
) -> FilmStatus:
    """Compare a plan with the store. Writes nothing and hashes nothing.

    device_kind: the kind of device that the expected times are for; by default the backend's best kind.
    spoilt:      takes in the store that count as missing: key → why, in words.
    device_labels: the models of those devices; empty if any of the kind may render.
    Raises InputError if the slug belongs to another storyboard, and DiskError if the outputs folder is a file.
    """
    store.refuse_file()
    store.memory.refuse_rival(plan.slug, plan.file)
    remembered = store.memory.remembered(plan.slug)
    sound = _SoundTakes(store, spoilt, plan.rate)
    shots = tuple(_shot(shot, sound, remembered.get(shot.id, {})) for shot in plan.shots)
    shots = with_judgements(shots, store)
    omitted = tuple(ShotStatus(shot_id, None, State.OMITTED, "status: omit") for shot_id in plan.omitted)
    to_render = _to_render(plan, shots, sound)
    return FilmStatus(
        _in_film_order(plan, shots + omitted),
        expected_times(to_render, store, backend, device_kind or backend.device_kinds[0], device_labels, plan.models),
        expected_bytes(plan, to_render, store),
        to_render,
        {
            name: _take(PlannedTake(1, take), sound, remembered.get(painting_label(name), {}))
            for name, take in plan.paintings.items()
        },
        expected_film_seconds(plan, to_render, store),
    )


def painting_label(name: str) -> str:
    """The label of a painted keyframe among ids of shots. Ids contain no spaces."""
    return f"keyframe {name}"


def _in_film_order(plan: FilmPlan, shots: Iterable[ShotStatus]) -> tuple[ShotStatus, ...]:
    places = {shot.id: shot.index for shot in plan.shots} | dict(plan.omitted)
    return tuple(sorted(shots, key=lambda shot: places[shot.id]))


def _to_render(plan: FilmPlan, shots: Iterable[ShotStatus], sound: _SoundTakes) -> tuple[Take, ...]:
    takes = (take for shot in shots for take in shot.takes)
    wanted = (*(take.take for take in takes if take.take is not None and take.clip is None), *plan.needed_by_stills)
    lacking = [take for take in wanted if not sound.stands(take.key)]
    return with_needs(lacking, plan.by_key, sound.stands)


def _shot(shot: PlannedShot, sound: _SoundTakes, remembered: Mapping[int, Mapping[str, Any]]) -> ShotStatus:
    match shot.content:
        case Rendered() as content:
            return _rendered(shot, content, sound, remembered)
        case NotYet(reason):
            return ShotStatus(shot.id, shot, State.MISSING, reason)
        case StillPicture(FramePlate(take=key)) if sound.find(key) is None:
            return ShotStatus(shot.id, shot, State.MISSING, sound.closed(key) or "its keyframe is not painted yet")
        case StillPicture() | CardText() | FootagePart():
            return ShotStatus(shot.id, shot, State.FOUND, "")


def _rendered(
    shot: PlannedShot, content: Rendered, sound: _SoundTakes, remembered: Mapping[int, Mapping[str, Any]]
) -> ShotStatus:
    chosen = next(take for take in content.takes if take.number == content.chosen)
    if content.pin is not None and not chosen.take.key.startswith(content.pin):
        return _pinned(shot, content.pin, chosen, sound)
    takes = tuple(_take(take, sound, remembered, is_circled=take.number == content.circled) for take in content.takes)
    worst = max((take.state for take in takes), key=_FROM_BEST_TO_WORST.index)
    why = "; ".join(dict.fromkeys(take.why for take in takes if take.state == worst and take.why))
    return ShotStatus(shot.id, shot, worst, why, takes, chosen.take.key)


def _take(
    planned: PlannedTake, sound: _SoundTakes, remembered: Mapping[int, Mapping[str, Any]], *, is_circled: bool = False
) -> TakeStatus:
    take = planned.take
    clip = sound.find(take.key)
    if clip is not None:
        state, why = State.FOUND, ""
    elif closed := sound.closed(take.key):
        return TakeStatus(planned.number, take.key, take, canonical(take), State.MISSING, closed, None)
    elif remembered:
        state, why = State.STALE, _why(planned, sound, remembered)
    else:
        state, why = State.MISSING, sound.fault(take.key) or "first take"
    if is_circled and clip is None and planned.number not in remembered:  # it was circled without having been seen
        why = f"take {planned.number} is circled and does not exist yet: it will be rendered"
    if planned.retake and clip is None:
        why = f"retake, because of {', '.join(planned.retake)}"
    return TakeStatus(planned.number, take.key, take, canonical(take), state, why, clip)


def unreadable_words(store: Store, key: str) -> str:
    """Why a take that exists, or may exist, cannot be read; "" for any other take. It is not rendered again."""
    problem = store.takes.unreadable(key)
    if problem is None:
        return ""
    there = "its take exists, but" if store.takes.has_folder(key) else "its take may exist, but"
    return f"{there} {problem.found}; {problem.remedy}"


def _why(planned: PlannedTake, sound: _SoundTakes, remembered: Mapping[int, Mapping[str, Any]]) -> str:
    """Why a take is stale: something else was rendered under its shot's id."""
    take = planned.take
    before = remembered.get(planned.number)
    if before is None:
        # A new number differs from its neighbours by its seed; any other difference is an edit.
        nearest = remembered[min(remembered, key=lambda number: abs(number - planned.number))]
        edited = changes({**nearest, "seed": take.seed}, take)
        return ", ".join(filter(None, (f"take {planned.number} is new", _changed(edited))))
    return _changed(changes(before, take)) or sound.fault(take.key) or "its clip is gone"


def _changed(words: Sequence[str]) -> str:
    """`prompt changed`, `prompt, seed and steps changed`; "" for nothing."""
    return f"{' and '.join(filter(None, (', '.join(words[:-1]), words[-1])))} changed" if words else ""


def _pinned(shot: PlannedShot, pin: str, chosen: PlannedTake, sound: _SoundTakes) -> ShotStatus:
    """The status of a shot whose pin keeps another clip than it would now render. It shows that clip or a slate."""
    found = sound.store.matching(pin)
    if len(found) != 1:
        closed = next(filter(None, map(sound.closed, sound.store.takes.keys(pin))), "")
        if not found and closed:
            why = f"circle: {chosen.number}@{pin}: {closed}"
            return ShotStatus(shot.id, shot, State.MISSING, why)
        there = "no such clip exists" if not found else f"the digits match {len(found)} clips; write more digits"
        return ShotStatus(shot.id, shot, State.MISSING, f"circle: {chosen.number}@{pin} keeps a clip, but {there}")
    key = found[0]
    clip, fields = sound.store.find(key), sound.store.record(key).take
    changed = _changed(changes(fields, chosen.take))
    why = ", ".join(filter(None, (f"{changed} since" if changed else "", sound.spoilt.get(key, ""))))
    unfit = _unfit(shot, chosen.take, clip, sound.film_rate) if clip is not None else "it is gone"
    if unfit:
        return ShotStatus(shot.id, shot, State.MISSING, f"circle: {chosen.number}@{pin} keeps a clip, but {unfit}")
    take = TakeStatus(chosen.number, key, None, fields, State.KEPT, why, clip)
    return ShotStatus(shot.id, shot, State.KEPT, why, (take,), key)


def _unfit(shot: PlannedShot, wanted: Take, clip: Clip, film_rate: Fraction) -> str:
    """Why a kept clip does not fit its shot any more; "" if it does."""
    if clip.size != wanted.size:
        return f"it is {clip.size}, the film's raster is {wanted.size}"
    if clip.rate != wanted.rate:
        return f"it has {clip.rate} frames per second, the shot's model has {wanted.rate}"
    needed = ((shot.first + shot.frames - 1) * clip.rate / film_rate).__floor__() + 1
    if clip.frames < needed:
        return f"it has {clip.frames} frames, the shot now shows {needed}"
    return ""
