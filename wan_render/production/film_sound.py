"""The sound of a film: mixed once, and kept as an intermediate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wan_render.cut import Cut
from wan_render.errors import InputError, MachineError, Problem
from wan_render.keys import content_key
from wan_render.plan import FilmPlan
from wan_render.sound import Soundtrack, samples
from wan_render.sound.mix_report import MixReport, mix_report
from wan_render.sound.mixdown import mix_to_file
from wan_render.store import Store
from wan_render.store.disk import disk_errors, file_digest

MIX_FORM = "mix/1"
"""Tag and version of the way a soundtrack becomes a mix. Raise it when the same soundtrack gives another mix."""


@dataclass(frozen=True)
class Mix:
    """Everything that decides the samples of a mix. length: in samples."""

    track: Soundtrack
    length: int

    @property
    def key(self) -> str:
        """The key under which its file is kept."""
        return content_key(MIX_FORM, self)


@dataclass(frozen=True)
class FilmMix:
    """A finished mix: its file (WAV, 48 kHz, stereo, 32-bit float), and how loud it is."""

    file: Path
    report: MixReport


def film_mix(
    cut: Cut, plan: FilmPlan, store: Store, progress: Callable[[int, int], None], waiting: Callable[[], None]
) -> FilmMix | None:
    """The mix of a cut; None for a silent film. It is made only once.

    progress: called with the seconds done and their total. Raises MachineError if a sound was changed
    or removed since it was planned, or DiskError.
    """
    if cut.sound is None:
        return None
    mix = Mix(cut.sound, samples(Fraction(cut.frames) / cut.rate))

    def write(target: Path) -> None:
        _check_files(mix.track, plan)
        try:
            with disk_errors(target):
                mix_to_file(mix.track, plan.sound_files, mix.length, target, progress)
        except InputError as error:
            raise MachineError(*error.problems) from error

    file = store.intermediates.made(mix.key, f"sound of {plan.slug}", ".wav", write, waiting=waiting)
    return FilmMix(file, mix_report(file))


def _check_files(track: Soundtrack, plan: FilmPlan) -> None:
    """Raise MachineError for a file that is not the one that was planned."""
    names = {sound.placed.source: sound.name for sound in plan.sounds}
    for source in dict.fromkeys(sound.source for sound in track.sounds):
        try:
            changed = file_digest(plan.sound_files[source]) != source
        except OSError as error:
            raise _gone(names[source], f"cannot be read: {error.strerror}") from error
        if changed:
            raise _gone(names[source], "was changed since it was planned")


def _gone(name: str, found: str) -> MachineError:
    return MachineError(Problem(name, found, "", "run the same command again"))
