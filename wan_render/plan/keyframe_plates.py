"""Keyframes by name → plates, with warnings and notes about their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from operator import sub
from pathlib import Path

from wan_render.authored import Keyframe, PathInFile, Time
from wan_render.errors import InputError
from wan_render.facts import FactCache
from wan_render.footage.footage_facts import footage_facts
from wan_render.footage.still_frame import still_frame
from wan_render.plan.film_sizes import MOST_CROPPED, named_aspects
from wan_render.plan.findings import Findings
from wan_render.plates import PictureFacts, cropped_share, focus_in_raster, picture_facts
from wan_render.take import Plate, Size, Take

MOST_ENLARGED = Fraction(3, 2)

_NEARLY_EQUAL = 2.0
_VERY_UNLIKE = 100.0
"""Mean difference of two 16x16 thumbnails, 0 to 255. Two pictures of noise have 85, day and night about 60."""

_CENTRE = (Fraction(1, 2), Fraction(1, 2))


class Keyframes:
    """The keyframes of one film. Each picture is examined once."""

    def __init__(self, size: Size, cache: FactCache, findings: Findings) -> None:
        self._size, self._cache, self._findings = size, cache, findings
        self._named = findings.document.storyboard.keyframes
        self._seen: dict[str, PictureFacts | None] = {}
        self._files: dict[str, Path] = {}
        self._done: dict[tuple[str, str], dict[str, None]] = {}  # what was done to each (picture, fit)

    @property
    def files(self) -> dict[str, Path]:
        """SHA-256 → file of every plate's picture."""
        return dict(self._files)

    def painted(self, name: str) -> bool:
        """Whether a keyframe is painted from a prompt."""
        return name in self._named and self._named[name].prompt is not None

    def plate(self, name: str | None) -> Plate | None:
        """The keyframe fitted to the raster; None without a name, without a picture, or after a mistake."""
        facts = None if name is None else self.facts(name)
        if name is None or facts is None:
            return None
        fit = self._fit(name, facts)
        focus = self._named[name].focus if fit == "cover" else None  # otherwise nothing is cropped
        return Plate(facts.digest, self._size, focus or _CENTRE, facts.conform, fit)

    def shown_focus(self, name: str | None) -> tuple[Fraction, Fraction]:
        """Where in the raster the focus of a keyframe is, from left and from top, 0 to 1. The middle without a name."""
        if name is None or name not in self._named:
            return _CENTRE
        focus, facts = self._named[name].focus or _CENTRE, self.facts(name)
        if facts is None:  # painted at the raster's size
            return focus
        return focus_in_raster((facts.width, facts.height), self._size, focus, self._fit(name, facts))

    def remark(self, take: Take) -> None:
        """Add remarks to a take and to its segments: what was done to their pictures."""
        for one in (take, *take.segments):
            for plate in (one.first, one.last):
                for text in self._done.get((plate.picture, plate.fit), ()) if isinstance(plate, Plate) else ():
                    self._findings.remark(one.key, text)

    def warn_of_cropping(self) -> None:
        """Warn about pictures that lose much, once for each shape, and suggest a better aspect."""
        shapes = {name: (facts.width, facts.height) for name, facts in self._seen.items() if facts is not None}
        covering = {name: shape for name, shape in shapes.items() if self._asked_fit(name) == "cover"}
        better = _better_aspect(list(covering.values()), self._size)
        for name, (width, height) in covering.items():
            if (lost := cropped_share((width, height), self._size)) > MOST_CROPPED:
                found = f"about {float(lost):.0%} of {width}x{height} is cropped to fill {self._size}"
                self._findings.warn_for(name, ("keyframes", name), found, "", self._advice(name, better))

    def _advice(self, name: str, better: str) -> str:
        """What to do about cropping. Pictures from a folder have no keys to write `focus` or `fit` in."""
        document = self._findings.document
        is_listed = ("keyframes", name) not in document.marks
        focus = "set focus" if self._named[name].focus is None else "move focus"
        own = "write defaults: {fit: blur} or {fit: contain}" if is_listed else f"{focus}, or fit: blur or contain"
        what = "a raster of" if isinstance(document.storyboard.film.raster, Size) else "film.aspect:"
        return f"{own}; {what} {better} would crop less" if better else own

    @property
    def cropped(self) -> dict[str, Fraction]:
        """FilmPlan.cropped: SHA-256 → the share of a picture that is cropped, if it is worth a warning."""
        shares = {
            facts.digest: cropped_share((facts.width, facts.height), self._size)
            for name, facts in self._seen.items()
            if facts is not None and self._asked_fit(name) == "cover"
        }
        return {digest: share for digest, share in shares.items() if share > MOST_CROPPED}

    def _asked_fit(self, name: str) -> str:
        written = self._named[name].fit or self._findings.document.storyboard.defaults.fit
        return "cover" if written is None else written

    def _fit(self, name: str, facts: PictureFacts) -> str:
        """The fit as written; `cover` for a picture of the raster's shape, since every fit then gives the same."""
        is_same = facts.width * self._size.height == facts.height * self._size.width
        return "cover" if is_same else self._asked_fit(name)

    def facts(self, name: str) -> PictureFacts | None:
        """The facts of a keyframe's picture; None if it is painted, or after a mistake."""
        if name not in self._seen:
            self._seen[name] = self._look_at(name, self._named[name])
        return self._seen[name]

    def compare(self, first: str, last: str, place: PathInFile) -> None:
        """Warn if two neighbouring keyframes of a shot are too similar or too different. place: in that shot."""
        facts, others = self.facts(first), self.facts(last)
        if facts is None or others is None:
            return
        difference = _difference(facts.thumbnail, others.thumbnail)
        if difference < _NEARLY_EQUAL:
            self._warn_of_pair(first, last, place, "nearly identical", "the clip will hardly move")
        elif difference > _VERY_UNLIKE:
            self._warn_of_pair(first, last, place, "very different", "the model may cut or morph between them")

    def _warn_of_pair(self, first: str, last: str, place: PathInFile, are: str, remedy: str) -> None:
        """Warn once about two keyframes, in either order and for all shots between them."""
        one, other = sorted((first, last))
        self._findings.warn_for(self._shot_at(place), place, f"{one} and {other} are {are}", "", remedy)

    def _shot_at(self, place: PathInFile) -> str:
        scene = self._findings.document.storyboard.scenes[int(place[1])]
        return f"{scene.id}/{scene.shots[int(place[3])].id}"

    def _look_at(self, name: str, keyframe: Keyframe) -> PictureFacts | None:
        written = keyframe.image or keyframe.clip
        refused = self._findings.document.refused
        if written is None or {("keyframes", name, key) for key in ("image", "clip", "frame")} & refused:
            return None
        file = self._findings.document.folder / written
        try:
            if keyframe.clip is not None:
                file = self._frame_of_clip(name, file, keyframe)
            facts = picture_facts(file, self._cache)
        except InputError as error:
            for problem in error.problems:
                found = f"{written} {problem.found}"
                self._findings.error(("keyframes", name), found, problem.allowed, problem.remedy)
            return None
        self._files[facts.digest] = file.absolute()
        self._tell(name, facts)
        return facts

    def _frame_of_clip(self, name: str, file: Path, keyframe: Keyframe) -> Path:
        """The picture of a frame of a video file. Raises InputError."""
        facts = footage_facts(file, self._cache)
        at: int | Fraction
        match keyframe.frame:
            case "first":
                at = 0
            case "last":
                at = facts.frames - 1
            case int() as at:
                pass
            case Time() as time:
                at = time.seconds
        for warning in facts.warnings:
            self._findings.warn(("keyframes", name), f"{keyframe.clip} {warning}")
        self._findings.note(("keyframes", name), f"{name} is a frame of a video file: {facts.form}")
        return still_frame(file, facts, at, self._cache)

    def _tell(self, name: str, facts: PictureFacts) -> None:
        for note in facts.notes:
            self._findings.note(("keyframes", name), f"{name} {note}")
        for warning in facts.warnings:
            self._findings.warn(("keyframes", name), f"{name} {warning}")
        done = self._done.setdefault((facts.digest, self._fit(name, facts)), {})
        done |= {f"{name} {text}": None for text in (*facts.notes, *facts.warnings)}
        lost = cropped_share((facts.width, facts.height), self._size)
        if self._asked_fit(name) == "cover" and lost > MOST_CROPPED:
            done[f"about {float(lost):.0%} of {name} is cropped"] = None
        fit = self._asked_fit(name)
        crops = {"square", "vertical"} & set(self._findings.document.storyboard.film.deliverables)
        if fit != "cover" and self._named[name].focus is not None and not crops:
            found = f"nothing is cropped with fit: {fit}, so focus is ignored"
            self._findings.warn(("keyframes", name, "focus"), found, "", "delete one of the two")
        fills = max if fit == "cover" else min
        scale = fills(Fraction(self._size.width, facts.width), Fraction(self._size.height, facts.height))
        if round(scale, 2) > MOST_ENLARGED:  # rounded as in the message
            fills_it = "cover" if fit == "cover" else "fit into"
            who = f"{name} ({facts.width}x{facts.height}, {float(scale):.2f} times)"
            allowed = f"up to {float(MOST_ENLARGED)} times looks sharp"
            self._findings.warn_of_each(who, ("keyframes", name), f"enlarged to {fills_it} {self._size}", allowed)


def _better_aspect(pictures: Sequence[tuple[int, int]], raster: Size) -> str:
    """The named aspect with which most pictures lose less, and all together at most half as much; "" if there is
    none."""
    now = [cropped_share(picture, raster) for picture in pictures]
    lost = {name: [cropped_share(picture, shape) for picture in pictures] for name, shape in named_aspects().items()}
    best = min(lost, key=lambda name: sum(lost[name]))
    better = sum(less < more for less, more in zip(lost[best], now, strict=True))
    return best if 2 * better > len(pictures) and 2 * sum(lost[best]) <= sum(now) else ""


def _difference(first: bytes, second: bytes) -> float:
    """Mean absolute difference of two equally long strings of samples, 0 to 255."""
    total: int = sum(map(abs, map(sub, first, second)))
    return total / len(first)
