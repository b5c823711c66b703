"""The state of every shot and take, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from wan_render.backend_contract import Backend
from wan_render.keys import canonical
from wan_render.plan import CardText, FilmPlan, NotYet, PlannedShot, PlannedTake, Rendered, StillPicture
from wan_render.status.forecast import TakeTime, expected_bytes, expected_film_seconds, expected_times
from wan_render.status.needed import with_needs
from wan_render.store import Clip, Store
from wan_render.take import FramePlate, Take
from wan_render.take_changes import changes


class State(StrEnum):
    """What a plan finds of a shot or a take, from the best to the worst.

    OMITTED: the storyboard leaves it out. FOUND: it is in the store. KEPT: a pin keeps a clip of an earlier wording.
    STALE: something was rendered under this shot's id, not this. MISSING: nothing was.
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

    take: what would be rendered; None for a kept clip. fields: those of the take or of the kept clip, canonical.
    why:  why it is not found, or what changed since it was kept. clip: it, where it is in the store.
    """

    number: int
    key: str
    take: Take | None
    fields: Mapping[str, Any]
    state: State
    why: str
    clip: Clip | None


@dataclass(frozen=True)
class ShotStatus:
    """One shot: the worst state of its takes. `planned` is None for an omitted one.

    chosen: key of the take that goes into the film; "" where there is none. why: for a shot without takes that is
    missing, the reason that its slate gives.
    """

    id: str
    planned: PlannedShot | None
    state: State
    why: str
    takes: tuple[TakeStatus, ...] = ()
    chosen: str = ""


@dataclass(frozen=True)
class FilmStatus:
    """A film's shots in its order, the omitted ones where they would be.

    times: what each take that is to be rendered needs of one device, by its key. bytes: expected disk space.
    to_render: the takes that are not there, each once, in the film's order, and before each those that it needs.
    paintings: the status of every painted keyframe, by its name. Their takes are numbered 1.
    film_seconds: from the last take to the finished film; 0 where no new one is to be made.
    film_change: why another version of the film is made although every take is there; "" for every other case.
    """

    shots: tuple[ShotStatus, ...]
    times: Mapping[str, TakeTime]
    bytes: int
    to_render: tuple[Take, ...] = ()
    paintings: Mapping[str, TakeStatus] = field(default_factory=dict)
    film_seconds: float = 0.0
    film_change: str = ""

    @property
    def seconds(self) -> float:
        """Expected device time for what is to be rendered: as if there were one device."""
        return sum(time.seconds for time in self.times.values())

    def shot(self, shot_id: str) -> ShotStatus:
        """The status of a shot; KeyError for an unknown one."""
        return {shot.id: shot for shot in self.shots}[shot_id]


@dataclass(frozen=True)
class _SoundTakes:
    """What is in the store, without the takes that count as if they were not there. spoilt: these, by key, and why."""

    store: Store
    spoilt: Mapping[str, str]

    def find(self, key: str) -> Clip | None:
        """The take, if it is there and sound."""
        return None if key in self.spoilt else self.store.find(key)

    def closed(self, key: str) -> str:
        """Why a take that is there cannot be read; "" for every other one."""
        return unreadable_words(self.store, key)

    def stands(self, key: str) -> bool:
        """Whether nothing is to be rendered under this key: the take is there and sound, or cannot be read."""
        return self.find(key) is not None or bool(self.closed(key))

    def fault(self, key: str) -> str:
        """Why a take is not there although it was once; "" where nothing is known of it."""
        return self.spoilt.get(key) or ("its clip was damaged" if self.store.damaged(key) else "")


def status(
    plan: FilmPlan,
    store: Store,
    backend: Backend,
    device_kind: str | None = None,
    spoilt: Mapping[str, str] = MappingProxyType({}),
) -> FilmStatus:
    """Compare a plan with what is there. Nothing is written, nothing is hashed.

    `device_kind` is what the expected time is for; by default the kind that the backend is best on. spoilt: takes that
    are in the store and count as if they were not, by key, and why in words.
    Raises InputError where the slug is another storyboard's, and
    DiskError where the outputs folder is a file.
    """
    store.refuse_file()
    store.refuse_rival(plan.slug, plan.file)
    remembered = store.remembered(plan.slug)
    sound = _SoundTakes(store, spoilt)
    shots = tuple(_shot(shot, sound, remembered.get(shot.id, {})) for shot in plan.shots)
    omitted = tuple(ShotStatus(shot_id, None, State.OMITTED, "status: omit") for shot_id in plan.omitted)
    to_render = _to_render(plan, shots, sound)
    return FilmStatus(
        _in_film_order(plan, shots + omitted),
        expected_times(to_render, store, backend, device_kind or backend.device_kinds[0]),
        expected_bytes(plan, to_render, store),
        to_render,
        {
            name: _take(PlannedTake(1, take), sound, remembered.get(painting_label(name), {}))
            for name, take in plan.paintings.items()
        },
        expected_film_seconds(plan, to_render, store),
    )


def painting_label(name: str) -> str:
    """What a painted keyframe is called where shots are called by their ids; no id has a blank."""
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
        case StillPicture() | CardText():
            return ShotStatus(shot.id, shot, State.FOUND, "")


def _rendered(
    shot: PlannedShot, content: Rendered, sound: _SoundTakes, remembered: Mapping[int, Mapping[str, Any]]
) -> ShotStatus:
    chosen = next(take for take in content.takes if take.number == content.chosen)
    if content.pin is not None and not chosen.take.key.startswith(content.pin):
        return _pinned(shot, content.pin, chosen, sound)
    circled = content.chosen if content.chosen != content.takes[0].number else None  # by default it is the first
    takes = tuple(_take(take, sound, remembered, is_circled=take.number == circled) for take in content.takes)
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
    if is_circled and clip is None and planned.number not in remembered:  # who circles a take has seen one
        why = f"take {planned.number} is circled and does not exist yet: it will be rendered"
    return TakeStatus(planned.number, take.key, take, canonical(take), state, why, clip)


def unreadable_words(store: Store, key: str) -> str:
    """Why a take is not used that is there, or may be, and cannot be read; "" for every other one. Nothing is rendered
    for it."""
    problem = store.unreadable(key)
    if problem is None:
        return ""
    there = "its take is there, but" if store.takes.has_folder(key) else "whether its take is there cannot be seen:"
    return f"{there} {problem.found}; {problem.remedy}"


def _why(planned: PlannedTake, sound: _SoundTakes, remembered: Mapping[int, Mapping[str, Any]]) -> str:
    """Why a take is not there although something was rendered under its shot's id."""
    take = planned.take
    before = remembered.get(planned.number)
    if before is None:
        # A new number differs by its seed from its neighbours; whatever else differs was edited.
        nearest = remembered[min(remembered, key=lambda number: abs(number - planned.number))]
        edited = changes({**nearest, "seed": take.seed}, take)
        return ", ".join(filter(None, (f"take {planned.number} is new", _changed(edited))))
    return _changed(changes(before, take)) or sound.fault(take.key) or "its clip is no longer there"


def _changed(words: Sequence[str]) -> str:
    """`prompt changed`, `prompt, seed and steps changed`; "" for nothing."""
    return f"{' and '.join(filter(None, (', '.join(words[:-1]), words[-1])))} changed" if words else ""


def _pinned(shot: PlannedShot, pin: str, chosen: PlannedTake, sound: _SoundTakes) -> ShotStatus:
    """A shot whose circle keeps a clip that it would not render as it is now written: that clip or none."""
    found = sound.store.matching(pin)
    if len(found) != 1:
        closed = next(filter(None, map(sound.closed, sound.store.keys(pin))), "")
        if not found and closed:
            why = f"circle: {chosen.number}@{pin}: {closed}"
            return ShotStatus(shot.id, shot, State.MISSING, why)
        there = "no such clip is there" if not found else f"that fits {len(found)} clips, write more digits"
        return ShotStatus(shot.id, shot, State.MISSING, f"circle: {chosen.number}@{pin} keeps a clip, but {there}")
    key = found[0]
    clip, fields = sound.store.find(key), sound.store.record(key).take
    changed = _changed(changes(fields, chosen.take))
    why = ", ".join(filter(None, (f"{changed} since" if changed else "", sound.spoilt.get(key, ""))))
    unfit = _unfit(shot, chosen.take, clip) if clip is not None else "it is gone"
    if unfit:
        return ShotStatus(shot.id, shot, State.MISSING, f"circle: {chosen.number}@{pin} keeps a clip, but {unfit}")
    take = TakeStatus(chosen.number, key, None, fields, State.KEPT, why, clip)
    return ShotStatus(shot.id, shot, State.KEPT, why, (take,), key)


def _unfit(shot: PlannedShot, wanted: Take, clip: Clip) -> str:
    """Why a kept clip cannot stand where the shot now needs one; "" where it can."""
    if clip.size != wanted.size:
        return f"it is {clip.size}, the film's raster is {wanted.size}"
    if clip.rate != wanted.rate:
        return f"it has {clip.rate} frames per second, the film has {wanted.rate}"
    if clip.frames < shot.first + shot.frames:
        return f"it has {clip.frames} frames, the shot now shows {shot.first + shot.frames}"
    return ""
