"""Sounds of the storyboard → sounds on the film's clock: their files, their ends, their fades."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import log10
from pathlib import Path

from wan_render.authored import NARRATION, PathInFile, Sound, Time
from wan_render.errors import InputError
from wan_render.facts import FactCache
from wan_render.plan.film_plan import PlannedSound
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited
from wan_render.plan.short_music import warn_of_short_music
from wan_render.plan.sound_requests import AskedSound, asked_sound
from wan_render.plan.sound_spans import SoundSpan
from wan_render.plan.voices_together import warn_of_voices_together
from wan_render.sound import MadeSounds, PlacedSound, SoundFacts, Soundtrack, sound_facts
from wan_render.sound.sound_request import spoken_seconds

CLICK = Fraction(5, 1000)
"""How long a sound fades that is cut off and has no `fade_out`, in seconds. A hard end would click."""

_BRIEF = Fraction(1, 10)
"""What may be lost of a sound without a word, in seconds."""

_HOT = 12.0
"""In dBFS: samples with a floating point may be above full scale. As far above as this, nobody meant it."""

_ENDLESS = Fraction(24 * 60 * 60)
"""How long a loop goes on, in seconds: longer than any film."""


@dataclass(frozen=True)
class _Heard:
    """When a sound is heard, in seconds of the film. whole: when it would end if nothing cut it off. is_ended: whether
    the end of its shot, its scene or the film cuts it off."""

    start: Fraction
    end: Fraction
    whole: Fraction
    is_ended: bool


@dataclass
class FilmSounds:
    """The sounds of one film. Each file is examined once.

    written_rate: frames per second as `81f` counts them. made: sounds from words that this machine has.
    files: source → file. planned: in the order of the file. unmade: by
    place.
    """

    written_rate: Fraction
    cache: FactCache
    findings: Findings
    made: MadeSounds
    files: dict[str, Path] = field(default_factory=dict)
    planned: list[PlannedSound] = field(default_factory=list)
    unmade: dict[PathInFile, AskedSound] = field(default_factory=dict)
    _facts: dict[str, SoundFacts | None] = field(default_factory=dict)
    _places: list[PathInFile] = field(default_factory=list)

    def narrated(self, inherited: Inherited) -> Fraction | None:
        """When the narration of a shot ends, in seconds from the shot's beginning; None without narration, or after a
        mistake. An estimate for words that are not said yet."""
        decides = inherited.duration is not None and inherited.duration.value == NARRATION
        ends = []
        for at, written in enumerate(inherited.shot.narration):
            place = (*inherited.at("narration"), at)
            if decides and written.loop and written.for_ is None:
                found = f"{written.name} is a loop, so it never ends, and its shot would be as long as it"
                self.findings.error((*place, "loop"), found, "a narration that ends", "delete `loop`, or add `for`")
                continue
            facts = self._look_at(written, place, decides_length=decides)
            if facts is not None:
                ends.append(self._seconds(written.at) + self._length(written, facts))
            elif written.file is None:
                ends.append(self._seconds(written.at) + spoken_seconds(written.say or ""))
        return max(ends, default=None)

    def place(self, spans: Iterable[SoundSpan]) -> None:
        """Place the sounds of the film, its scenes and its shots. Says when each is heard, and what is not."""
        film_end = Fraction(0)
        for span in spans:
            film_end = span.film
            for at, written in enumerate(span.sounds):
                place = (*span.place, at)
                if (facts := self._look_at(written, place)) is not None:
                    self._place(written, facts, span, place)
        placed = tuple(zip(self.planned, self._places, strict=True))
        warn_of_voices_together(placed, self.findings)
        warn_of_short_music(placed, film_end, self.findings)

    @property
    def soundtrack(self) -> Soundtrack | None:
        """Everything that is heard; None for a silent film."""
        audio = self.findings.document.storyboard.audio
        sounds = tuple(sound.placed for sound in self.planned)
        return Soundtrack(sounds, None if audio.loudness == "off" else audio.loudness, audio.peak) if sounds else None

    def _place(self, written: Sound, facts: SoundFacts, span: SoundSpan, place: PathInFile) -> None:
        if self._left(written, facts) <= 0:
            found = f"{written.name} is {_in_seconds(facts.seconds)} long"
            self.findings.error((*place, "in"), found, "`in` is before its end", "write an earlier time")
            return
        heard = self._heard(written, facts, span)
        is_outside = heard.end <= max(heard.start, Fraction(0))
        if is_outside or heard.start >= span.film:
            outside = span.what if is_outside else "the film"
            self.findings.warn(place, f"{written.name} is not heard: it is outside {outside}", "", "change its `at`")
            return
        self._tell(written, facts, span, place, heard)
        self._tell_of_long_fades(written, span, place, heard)
        speech = span.kind == "narration" if written.speech is None else written.speech
        duck = span.duck if written.duck is None else written.duck
        placed = PlacedSound(
            source=facts.digest,
            start=heard.start,
            length=heard.end - heard.start,
            gain=written.gain,
            fade_in=self._fade_in(written, span),
            fade_out=self._fade_out(written, span, heard),
            loop=written.loop,
            duck=0.0 if speech else duck,
            speech=speech,
            skip=Fraction(0) if written.in_ is None else self._seconds(written.in_),
        )
        self.planned.append(
            PlannedSound(span.kind, span.owner, written.name, placed, written.say or written.prompt or "")
        )
        self._places.append(place)

    def _heard(self, written: Sound, facts: SoundFacts, span: SoundSpan) -> _Heard:
        start = span.start + self._seconds(written.at)
        end = start + self._length(written, facts)
        whole = start + (_ENDLESS if written.loop else self._left(written, facts))
        is_ended = span.ends and written.for_ is None and end > span.end
        return _Heard(start, span.end if is_ended else end, whole, is_ended)

    def _length(self, written: Sound, facts: SoundFacts) -> Fraction:
        """How long a sound is heard if its shot does not end it."""
        longest = _ENDLESS if written.loop else self._left(written, facts)
        return longest if written.for_ is None else min(longest, self._seconds(written.for_))

    def _left(self, written: Sound, facts: SoundFacts) -> Fraction:
        """How long its file is from `in` on."""
        return facts.seconds - (Fraction(0) if written.in_ is None else self._seconds(written.in_))

    def _fade_in(self, written: Sound, span: SoundSpan) -> Fraction:
        """As written; else a sound that begins with its shot follows the shot's joint."""
        if written.fade_in is not None:
            return self._seconds(written.fade_in)
        return span.fade_in if span.kind == "sound" and self._seconds(written.at) == 0 else Fraction(0)

    def _fade_out(self, written: Sound, span: SoundSpan, heard: _Heard) -> Fraction:
        if written.fade_out is not None:
            return self._seconds(written.fade_out)
        if heard.is_ended:
            return max(span.fade_out, CLICK)
        return CLICK if heard.end < heard.whole else Fraction(0)

    def _tell(self, written: Sound, facts: SoundFacts, span: SoundSpan, place: PathInFile, heard: _Heard) -> None:
        text = f"{written.name} ({facts.form}, {_in_seconds(facts.seconds)}) is heard from"
        text += f" {_in_seconds(max(heard.start, Fraction(0)))} to {_in_seconds(heard.end)}"
        if heard.start < 0:
            text += f"; its first {_in_seconds(-heard.start)} are before the film"
        if heard.is_ended and not written.loop and heard.whole - heard.end > _BRIEF:
            text += f"; its last {_in_seconds(heard.whole - heard.end)} are cut off at the end of {span.what}"
        self.findings.note(place, text)
        if not facts.is_silent and (level := 20 * log10(facts.peak) + written.gain) > _HOT:
            found = f"{written.name} has peaks of +{level:.0f} dBFS, so other sounds are hardly heard"
            self.findings.warn(place, found, "0 dBFS or less", "write a lower `gain`, or the file again")
        if written.for_ is not None and self._seconds(written.for_) - (heard.whole - heard.start) > _BRIEF:
            found = f"{written.name} ends after {_in_seconds(heard.whole - heard.start)}, before its `for`"
            self.findings.warn(place, found, "", "write loop: true, or a shorter `for`")
        if span.kind == "narration" and heard.end - span.film > _BRIEF:
            found = f"{written.name} goes on {_in_seconds(heard.end - span.film)} after the end of the film"
            self.findings.warn(place, found, "", "it is cut off: begin earlier, or make the film longer")

    def _tell_of_long_fades(self, written: Sound, span: SoundSpan, place: PathInFile, heard: _Heard) -> None:
        """Warn if a sound is never heard at its full level, because its fades take longer than it is heard."""
        lasts = heard.end - heard.start
        fades = {"fade_in": self._fade_in(written, span), "fade_out": self._fade_out(written, span, heard)}
        long = {key: seconds for key, seconds in fades.items() if seconds > CLICK}
        own = [key for key in long if getattr(written, key) is not None]
        is_of_joints = not own and (heard.is_ended or place[-2] == "clip")  # then it fades as its picture does
        if sum(long.values()) <= lasts or is_of_joints:
            return
        fading = " and ".join(f"{_in_seconds(seconds)} of {key}" for key, seconds in long.items())
        found = f"{written.name} is never at its full level: it is heard for {_in_seconds(lasts)}, with {fading}"
        remedy = f"write a shorter `{own[0]}`" if own else f"it follows its shot's joint: write {next(iter(long))}: 0s"
        self.findings.warn(place, found, "fades that are shorter than the sound", remedy)

    def _look_at(self, written: Sound, place: PathInFile, *, decides_length: bool = False) -> SoundFacts | None:
        """The facts of a sound; None after a mistake, and for one that is not made yet."""
        if written.file is None:
            return self._made_facts(written, place, decides_length=decides_length)
        if written.file not in self._facts:
            self._facts[written.file] = self._examined(written.file, place)
        return self._facts[written.file]

    def _made_facts(self, written: Sound, place: PathInFile, *, decides_length: bool) -> SoundFacts | None:
        asked = asked_sound(written, place, self.made, self.written_rate)
        file = None if asked.request is None else self.made.find(asked.request.key)
        if file is None:
            self._warn_of_unmade(replace(asked, decides_length=decides_length))
            return None
        facts = sound_facts(file, self.cache)
        self.files[facts.digest] = file.absolute()
        return facts

    def _warn_of_unmade(self, asked: AskedSound) -> None:
        if asked.place in self.unmade:  # a narration is looked at twice
            return
        if asked.request is not None:
            asked = replace(asked, why=self.made.hindrance(asked.request))
        self.unmade[asked.place] = asked
        found, remedy = f"{asked.name} is not made yet", "`render` makes it first; so does `wan-render sounds FILE`"
        allowed = "the length of its shot is an estimate" if asked.decides_length else ""
        if (why := asked.why) is not None:
            found, remedy = f"{found}, and can't be made here: {why.where}: {why.found}", why.remedy
            allowed = "; ".join(filter(None, (why.allowed, allowed)))
        self.findings.warn(asked.place, found, allowed, remedy)

    def _examined(self, path: str, place: PathInFile) -> SoundFacts | None:
        if {place, (*place, "file")} & self.findings.document.refused:
            return None
        file = self.findings.document.folder / path
        try:
            facts = sound_facts(file, self.cache)
        except InputError as error:
            for problem in error.problems:
                self.findings.error(place, f"{path} {problem.found}", problem.allowed, problem.remedy)
            return None
        if facts.is_silent:
            self.findings.warn(place, f"{path} is silent", "", "nothing is heard of it")
        if facts.streams > 1:
            self.findings.note(place, f"{path} has {facts.streams} sounds: the first is used")
        self.files[facts.digest] = file.absolute()
        return facts

    def _seconds(self, time: Time) -> Fraction:
        return time.at(self.written_rate)


def _in_seconds(seconds: Fraction) -> str:
    return f"{float(seconds):.2f} s"
