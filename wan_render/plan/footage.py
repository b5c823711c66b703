"""`clip`: the video files of a film. Their facts, how long they are shown, and which part of them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from wan_render.authored import Shot, Sound, Time
from wan_render.errors import InputError
from wan_render.facts import FactCache
from wan_render.footage.footage_facts import STEADY_RATES, FootageFacts, footage_facts
from wan_render.footage.footage_part import FootagePart, nearest_footage_frame, shown_rate
from wan_render.plan.film_plan import NotYet
from wan_render.plan.film_sizes import MOST_CROPPED
from wan_render.plan.film_upscaling import LEAST_SCALE
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited, Level
from wan_render.plan.lengths import PlannedLength
from wan_render.plates import cropped_share, focus_in_raster
from wan_render.take import Size

HIGHEST_FILM_RATE = Fraction(60)
"""A film without a rate and without a model has the rate of its first clip, up to this."""

_CENTRE = (Fraction(1, 2), Fraction(1, 2))


class FilmFootage:
    """The video files of one film. Each is examined once.

    files: SHA-256 → file. is_finer: whether one that is shown has more detail than the raster, and the film has room
    for it.
    """

    def __init__(self, size: Size, composed: Size, delivered: Size, cache: FactCache, findings: Findings) -> None:
        """size: the raster. composed: the size at which the film is composed, and so that of its video files."""
        self._size, self._cache, self._findings = size, cache, findings
        self._is_coarse = composed.width * LEAST_SCALE < delivered.width
        self._composed, self._delivered, self.is_finer = composed, delivered, False
        self._seen: dict[str, FootageFacts | None] = {}
        self.files: dict[str, Path] = {}

    def facts(self, inherited: Inherited) -> FootageFacts | None:
        """The facts of a shot's video file; None if it has none, or after a mistake."""
        path, place = inherited.shot.clip, inherited.at("clip")
        if path is None:
            return None
        if path not in self._seen:
            self._seen[path] = None if place in self._findings.document.refused else self._examined(path, inherited)
        return self._seen[path]

    def native_rate(self, inherited: Inherited) -> Fraction | None:
        """The rate that a film without models takes from a clip."""
        facts = self.facts(inherited)
        low, _ = STEADY_RATES
        return None if facts is None or not low <= (facts.rate or 0) <= HIGHEST_FILM_RATE else facts.rate

    def length(self, inherited: Inherited, narrated: PlannedLength, written: Fraction, film: Fraction) -> PlannedLength:
        """How long a clip is shown: as long as written in its shot, else to its end. frames: of the file, from `in` on,
        at the rate at which they are taken.

        narrated: its length as that of any shot.
        """
        facts = self.facts(inherited)
        if facts is None:
            return narrated
        begin = _begin(inherited, facts, written)
        left = facts.seconds - begin
        rate = shown_rate(facts, film)
        frames = max(1, (left * rate + Fraction(1, 2)).__floor__())
        own = inherited.duration
        seconds = narrated.seconds if own is not None and own.level is Level.SHOT else left
        self._check_end(inherited, facts, begin, seconds, written, film)
        return PlannedLength(seconds, frames)

    def content(self, inherited: Inherited, frames: int, written: Fraction, film: Fraction) -> FootagePart | NotYet:
        """The part of the file that a shot of this many film frames shows."""
        facts = self.facts(inherited)
        if facts is None:
            return NotYet("after a mistake")
        rate, shot = shown_rate(facts, film), inherited.shot
        self._tell(inherited, facts, rate, film)
        needed = ((frames - 1) * rate / film).__floor__() + 2  # one more, to make frames in between
        begin = _begin(inherited, facts, written)
        left = max(1, ((facts.seconds - begin) * rate + Fraction(1, 2)).__floor__())
        fit = self._fit(shot, facts)
        focus = shot.focus if fit == "cover" and shot.focus is not None else _CENTRE
        return FootagePart(facts.digest, begin, min(needed, left), rate, facts.rate, focus, fit)

    def shown_focus(self, part: FootagePart) -> tuple[Fraction, Fraction]:
        """Where in the raster the focus of a part is, from left and from top, 0 to 1."""
        facts = next(facts for facts in self._seen.values() if facts is not None and facts.digest == part.footage)
        return focus_in_raster((facts.width, facts.height), self._size, part.focus, part.fit)

    def sounds(
        self, cast: Mapping[str, Inherited], shown: Mapping[str, Fraction], written: Fraction
    ) -> dict[str, Sound]:
        """Shot id → the own sound of its clip. shown: how long each shot shows moving pictures, in seconds."""
        found = ((shot, self._sound(inherited, shown[shot], written)) for shot, inherited in cast.items())
        return {shot: sound for shot, sound in found if sound is not None}

    def _sound(self, inherited: Inherited, shown: Fraction, written: Fraction) -> Sound | None:
        facts, shot = self.facts(inherited), inherited.shot
        if facts is None or facts.sound_at is None or shot.clip_sound == "off":
            return None
        late = facts.sound_at - _begin(inherited, facts, written)
        lasts = None if shot.hold is None else Time(seconds=shown - max(late, Fraction(0)))
        return Sound.model_construct(
            file=shot.clip,
            in_=Time(seconds=-late) if late < 0 else None,
            at=Time(seconds=max(late, Fraction(0))),
            gain=shot.clip_sound,
            for_=lasts,
        )

    def _examined(self, path: str, inherited: Inherited) -> FootageFacts | None:
        place = inherited.at("clip")
        file = self._findings.document.folder / path
        try:
            facts = footage_facts(file, self._cache)
        except InputError as error:
            for problem in error.problems:
                self._findings.error(place, f"{path} {problem.found}", problem.allowed, problem.remedy)
            return None
        for warning in facts.warnings:
            self._findings.warn(place, f"{path} {warning}")
        for note in facts.notes:
            self._findings.note(place, f"{path} {note}")
        self.files[facts.digest] = file.absolute()
        return facts

    def _check_end(
        self, inherited: Inherited, facts: FootageFacts, begin: Fraction, seconds: Fraction, written: Fraction,
        film: Fraction,
    ) -> None:  # fmt: skip
        shot, long = inherited.shot, f"{shot_name(inherited)} is {float(facts.seconds):.2f} s long"
        spare = Fraction(1, 2) / film
        if begin >= facts.seconds:
            self._findings.error(inherited.at("in"), long, "`in` is before its end", "write an earlier time")
        elif shot.out is not None and shot.out.at(written) > facts.seconds + spare:
            remedy = "write an earlier one, or freeze the last frame with `hold`"
            self._findings.error(inherited.at("out"), long, "`out` is not after its end", remedy)
        elif shot.out is None and seconds > facts.seconds - begin + spare:
            left = f"{float(facts.seconds - begin):.2f} s are left from `in` on" if begin else ""
            remedy = "make it shorter, or freeze the last frame with `hold`"
            self._findings.error(inherited.at("duration"), long, left or "the clip's length", remedy)

    def _tell(self, inherited: Inherited, facts: FootageFacts, rate: Fraction, film: Fraction) -> None:
        place, name = inherited.at("clip"), shot_name(inherited)
        self._findings.note(place, f"{name} is {facts.form}, {float(facts.seconds):.2f} s")
        if facts.rate is None:
            found = f"{name} has no steady rate: each frame is shown at its own time"
            self._findings.note(place, found, "", "no frames in between are made")
        elif rate != facts.rate:
            found = f"{name}: {float(facts.rate):.5g} frames per second in a film of {float(film):g}"
            self._findings.note(place, found, "", "a frame is repeated or left out now and then")
        if self._is_coarse and facts.width > self._composed.width and facts.height > self._composed.height:
            self.is_finer = True
            found = f"{name} has more detail than the raster, so takes are enlarged to {self._delivered} before the cut"
            self._findings.note(place, found)
        lost = cropped_share((facts.width, facts.height), self._size)
        if self._asked_fit(inherited.shot) == "cover" and lost > MOST_CROPPED:
            found = f"about {float(lost):.0%} of {facts.width}x{facts.height} is cropped to fill {self._size}"
            self._findings.warn_for(inherited.id, place, found, "", "move focus, or write fit: blur or contain")

    def _asked_fit(self, shot: Shot) -> str:
        written = shot.fit or self._findings.document.storyboard.defaults.fit
        return "cover" if written is None else written

    def _fit(self, shot: Shot, facts: FootageFacts) -> str:
        """`cover` for a file of the raster's shape, since every fit then gives the same."""
        is_same = facts.width * self._size.height == facts.height * self._size.width
        return "cover" if is_same else self._asked_fit(shot)


def shot_name(inherited: Inherited) -> str:
    """The path of a shot's video file, as written."""
    return inherited.shot.clip or ""


def _begin(inherited: Inherited, facts: FootageFacts, written: Fraction) -> Fraction:
    """Where a shot begins in its file, in seconds: at the frame nearest to `in`."""
    asked = Fraction(0) if inherited.shot.in_ is None else inherited.shot.in_.at(written)
    return asked if facts.rate is None else nearest_footage_frame(asked, facts.rate) / facts.rate
