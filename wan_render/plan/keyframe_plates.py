"""Keyframes by name → plates, with what is worth telling about each picture."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from wan_render.authored import Keyframe, PathInFile
from wan_render.errors import PictureError
from wan_render.facts import FactCache
from wan_render.plan.film_sizes import MOST_CROPPED, named_aspects
from wan_render.plan.findings import Findings
from wan_render.plates import PictureFacts, cropped_share, picture_facts
from wan_render.take import Plate, Size, Take

MOST_ENLARGED = Fraction(3, 2)

_NEARLY_EQUAL = 2.0
_VERY_UNLIKE = 100.0
"""Mean differences of two 16x16 thumbnails, of 255; two pictures of noise have 85, day against night about 60."""

_CENTRE = (Fraction(1, 2), Fraction(1, 2))


class Keyframes:
    """The keyframes of one film, looked at once each."""

    def __init__(self, size: Size, cache: FactCache, findings: Findings) -> None:
        self._size, self._cache, self._findings = size, cache, findings
        self._named = findings.document.storyboard.keyframes
        self._seen: dict[str, PictureFacts | None] = {}
        self._files: dict[str, Path] = {}
        self._told: dict[tuple[str, str], dict[str, None]] = {}  # by picture and fit, which every plate has

    @property
    def files(self) -> dict[str, Path]:
        """The file of every plate's picture, by SHA-256."""
        return dict(self._files)

    def painted(self, name: str) -> bool:
        """Whether a keyframe is to be painted from a prompt."""
        return name in self._named and self._named[name].image is None

    def plate(self, name: str | None) -> Plate | None:
        """The keyframe conformed to the raster; None without a name, without a picture, or after an error."""
        facts = None if name is None else self.facts(name)
        if name is None or facts is None:
            return None
        fit = self._fit(name, facts)
        focus = self._named[name].focus if fit == "cover" else None  # all of it is seen: there is nothing to choose
        return Plate(facts.digest, self._size, focus or _CENTRE, facts.conform, fit)

    def remark(self, take: Take) -> None:
        """Record beside a take, and beside its segments, what was done to its pictures."""
        for one in (take, *take.segments):
            for plate in (one.first, one.last):
                for text in self._told.get((plate.picture, plate.fit), ()) if isinstance(plate, Plate) else ():
                    self._findings.remark(one.key, text)

    def warn_of_cropping(self) -> None:
        """Tell of every picture that loses much, those of one shape together, and of a film's shape that suits them."""
        shapes = {name: (facts.width, facts.height) for name, facts in self._seen.items() if facts is not None}
        covering = {name: shape for name, shape in shapes.items() if self._asked_fit(name) == "cover"}
        better = _better_aspect(list(covering.values()), self._size)
        for name, (width, height) in covering.items():
            if (lost := cropped_share((width, height), self._size)) > MOST_CROPPED:
                found = f"about {float(lost):.0%} of {width}x{height} is cropped to fill {self._size}"
                self._findings.warn_for(name, ("keyframes", name), found, "", self._advice(name, better))

    def _advice(self, name: str, better: str) -> str:
        """What to do about cropping. The pictures of a folder have no keys of their own."""
        document = self._findings.document
        is_listed = ("keyframes", name) not in document.marks
        focus = "set focus" if self._named[name].focus is None else "move focus"
        own = "write defaults: {fit: blur} or {fit: contain}" if is_listed else f"{focus}, or fit: blur or contain"
        what = "a raster of" if isinstance(document.storyboard.film.raster, Size) else "film.aspect:"
        return f"{own}; {what} {better} would crop less" if better else own

    @property
    def cropped(self) -> dict[str, Fraction]:
        """See FilmPlan."""
        shares = {
            facts.digest: cropped_share((facts.width, facts.height), self._size)
            for name, facts in self._seen.items()
            if facts is not None and self._asked_fit(name) == "cover"
        }
        return {digest: share for digest, share in shares.items() if share > MOST_CROPPED}

    def _asked_fit(self, name: str) -> str:
        told = self._named[name].fit or self._findings.document.storyboard.defaults.fit
        return "cover" if told is None else told

    def _fit(self, name: str, facts: PictureFacts) -> str:
        """As asked for; a picture of the raster's shape covers it with nothing cropped, whatever is asked for."""
        is_same = facts.width * self._size.height == facts.height * self._size.width
        return "cover" if is_same else self._asked_fit(name)

    def facts(self, name: str) -> PictureFacts | None:
        """What is known of a keyframe's picture; None where it is to be painted, or after an error."""
        if name not in self._seen:
            self._seen[name] = self._look_at(name, self._named[name])
        return self._seen[name]

    def compare(self, first: str, last: str, place: PathInFile) -> None:
        """Warn where the two ends of a shot, which `place` is in, make a poor one."""
        facts, others = self.facts(first), self.facts(last)
        if facts is None or others is None:
            return
        difference = _difference(facts.thumbnail, others.thumbnail)
        if difference < _NEARLY_EQUAL:
            self._warn_of_pair(first, last, place, "nearly equal", "the clip will hardly move")
        elif difference > _VERY_UNLIKE:
            self._warn_of_pair(first, last, place, "very unlike", "the model may cut or morph between them")

    def _warn_of_pair(self, first: str, last: str, place: PathInFile, are: str, remedy: str) -> None:
        """Once for two pictures, in whichever order and however many shots go from one to the other."""
        one, other = sorted((first, last))
        self._findings.warn_for(self._shot_at(place), place, f"{one} and {other} are {are}", "", remedy)

    def _shot_at(self, place: PathInFile) -> str:
        scene = self._findings.document.storyboard.scenes[int(place[1])]
        return f"{scene.id}/{scene.shots[int(place[3])].id}"

    def _look_at(self, name: str, keyframe: Keyframe) -> PictureFacts | None:
        if keyframe.image is None or ("keyframes", name, "image") in self._findings.document.refused:
            return None
        file = self._findings.document.folder / keyframe.image
        try:
            facts = picture_facts(file, self._cache)
        except PictureError as error:
            for problem in error.problems:
                found = f"{keyframe.image} {problem.found}"
                self._findings.error(("keyframes", name), found, problem.allowed, problem.remedy)
            return None
        self._files[facts.digest] = file.absolute()
        self._tell(name, facts)
        return facts

    def _tell(self, name: str, facts: PictureFacts) -> None:
        for note in facts.notes:
            self._findings.note(("keyframes", name), f"{name} {note}")
        for warning in facts.warnings:
            self._findings.warn(("keyframes", name), f"{name} {warning}")
        told = self._told.setdefault((facts.digest, self._fit(name, facts)), {})
        told |= {f"{name} {text}": None for text in (*facts.notes, *facts.warnings)}
        lost = cropped_share((facts.width, facts.height), self._size)
        if self._asked_fit(name) == "cover" and lost > MOST_CROPPED:
            told[f"about {float(lost):.0%} of {name} is cropped"] = None
        fit = self._asked_fit(name)
        if fit != "cover" and self._named[name].focus is not None:
            found = f"nothing is cropped with fit: {fit}, so focus does nothing"
            self._findings.warn(("keyframes", name, "focus"), found, "", "delete one of the two")
        fills = max if fit == "cover" else min
        scale = fills(Fraction(self._size.width, facts.width), Fraction(self._size.height, facts.height))
        if round(scale, 2) > MOST_ENLARGED:  # as it is told
            fills_it = "cover" if fit == "cover" else "fit into"
            who = f"{name} ({facts.width}x{facts.height}, {float(scale):.2f} times)"
            allowed = f"up to {float(MOST_ENLARGED)} times looks sharp"
            self._findings.warn_of_each(who, ("keyframes", name), f"enlarged to {fills_it} {self._size}", allowed)


def _better_aspect(pictures: Sequence[tuple[int, int]], raster: Size) -> str:
    """The named aspect that most pictures lose less with, at most half as much in all; "" where there is none."""
    now = [cropped_share(picture, raster) for picture in pictures]
    lost = {name: [cropped_share(picture, shape) for picture in pictures] for name, shape in named_aspects().items()}
    best = min(lost, key=lambda name: sum(lost[name]))
    better = sum(less < more for less, more in zip(lost[best], now, strict=True))
    return best if 2 * better > len(pictures) and 2 * sum(lost[best]) <= sum(now) else ""


def _difference(first: bytes, second: bytes) -> float:
    """Mean absolute difference of two equally long strings of samples, 0 to 255."""
    return sum(abs(a - b) for a, b in zip(first, second, strict=True)) / len(first)
