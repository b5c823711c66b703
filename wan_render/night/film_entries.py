"""The entries of films in the record of a night: what is said of each before, while and after it is rendered."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from wan_render.errors import DiskError, InputError, WanRenderError
from wan_render.night.attempt_book import in_words
from wan_render.night.film_tonight import FilmTonight, Made
from wan_render.night.night_record import FilmEntry, FilmState, ShotEntry
from wan_render.night.night_request import Candidate, NightRequest
from wan_render.production.failures import NIGHT_END
from wan_render.purchase import spent_words
from wan_render.quality.verdicts import QcVerdict
from wan_render.session.cloud_choice import takes_of
from wan_render.status import judgement_of, reasons
from wan_render.store import FilmVersion


class FilmEntries:
    """Makes the entries of one night. folder: of its record. zone: of its times."""

    def __init__(self, folder: Path, request: NightRequest, zone: ZoneInfo) -> None:
        self._folder, self._request, self._zone = folder, request, zone

    def of_candidate(self, film: Candidate) -> FilmEntry:
        """Before the night renders it. A broken one has ended."""
        entry = FilmEntry(
            storyboard=str(film.file.absolute()),
            slug=film.slug,
            title=film.title,
            priority=film.priority,
            warnings=film.warnings,
            command=self._request.render_command(film.file, film.only),
            check_command=self._request.check_command(film.file),
            cloud_command=self._request.cloud_command(film.file),
        )
        with suppress(WanRenderError, OSError):
            store = film.session.store
            slug = film.slug or store.memory.slug_of(film.file, is_draft=self._request.draft)
            entry = self._with_version(entry, store.films.latest(slug) if slug else None, is_new=False)
        if film.mistake is None:
            return replace(entry, hours_left=film.seconds / 3600)
        state = FilmState.BROKEN if isinstance(film.mistake, InputError) else FilmState.FAILED
        return replace(entry, state=state, message=str(film.mistake), ended=self._now())

    def ended(
        self, entry: FilmEntry, film: FilmTonight, result: Made | BaseException | None, until: datetime | None
    ) -> FilmEntry:
        """When it is made, or failed; None: it was not started. until: when the window ends."""
        entry = replace(counted_entry(entry, film), ended=self._now())
        if result is None:
            message = f"no time was left before {f'{until:%H:%M}' if until else NIGHT_END} for any of its takes"
            return replace(entry, state=FilmState.NOT_STARTED, message=message)
        if isinstance(result, BaseException):
            return replace(entry, state=FilmState.FAILED, message=in_words(result))
        version = result.version
        entry = self._with_version(entry, version, is_new=not version.reused)
        shots = tuple(_shot(film, shot.id, result) for shot in film.before.shots if shot.planned is not None)
        entry = replace(entry, shots=shots)
        unmade = (f"not made: {error.problems[0]}" for error in version.unmade)
        lacks = tuple(sentence for sentence in (result.put_off, *unmade) if sentence)
        if version.slates or result.notes or lacks:
            said = (*lacks, *_of_shots(version.slates), *_of_shots(result.notes))
            return replace(entry, state=FilmState.PARTIAL, lacks=lacks, message="; ".join(said))
        state = FilmState.UNCHANGED if version.reused else FilmState.DONE
        return replace(entry, state=state, message="nothing has changed" if version.reused else "")

    def failed(self, entry: FilmEntry, error: BaseException) -> FilmEntry:
        """When it cannot be begun."""
        state = FilmState.BROKEN if isinstance(error, InputError) else FilmState.FAILED
        return replace(entry, state=state, message=in_words(error), ended=self._now())

    def path(self, file: Path) -> str:
        """A file relative to the record's folder."""
        return os.path.relpath(file.absolute(), self._folder.absolute())

    def _with_version(self, entry: FilmEntry, version: FilmVersion | None, *, is_new: bool) -> FilmEntry:
        if version is None:
            return entry
        poster = version.poster
        return replace(
            entry,
            version=version.name,
            folder=self.path(version.folder),
            page=self.path(version.page) if version.page.exists() else "",
            video=self.path(version.video),
            poster="" if poster is None else self.path(poster),
            is_new=is_new,
            frames=version.frames,
            seconds=float(version.seconds),
        )

    def _now(self) -> datetime:
        return datetime.now(self._zone)


def begun_entry(entry: FilmEntry, film: FilmTonight) -> FilmEntry:
    """When its run has begun."""
    return replace(
        entry,
        state=FilmState.RENDERING,
        takes=len(film.orders),
        warnings=film.warnings,
        hours_left=film.seconds_left / 3600,
        shots=tuple(ShotEntry(shot.id) for shot in film.before.shots if shot.planned is not None),
    )


def counted_entry(entry: FilmEntry, film: FilmTonight) -> FilmEntry:
    """With what was rendered so far. The number of takes grows with retakes."""
    left = film.seconds_left / 3600
    return replace(entry, takes=len(film.orders), rendered=film.rendered, hours_left=left, spent=_spent(film))


def _of_shots(said: Mapping[str, str]) -> Iterator[str]:
    """said: shot id → a sentence."""
    return (f"{shot}: {sentence}" for shot, sentence in said.items())


def _spent(film: FilmTonight) -> str:
    """What its takes cost at services; "" for nothing, and if the ledger cannot be read, which buying takes reports."""
    with suppress(DiskError):
        return spent_words(film.run.store.purchases.read(film.slug))
    return ""


def _shot(film: FilmTonight, shot_id: str, made: Made) -> ShotEntry:
    run = film.run
    shot = run.before.shot(shot_id)
    existing = [take for take in shot.takes if take.key in made.version.takes]
    shown = next((take for take in existing if take.key == shot.chosen), next(iter(existing), None))
    judgement = None if shown is None or run.backend.is_preview else judgement_of(run.store, shown.key)
    verdict = None if judgement is None else judgement.verdict
    return ShotEntry(
        shot_id,
        take=None if shown is None else shown.number,
        key="" if shown is None else shown.key,
        slate=made.version.slates.get(shot_id, ""),
        note=made.notes.get(shot_id, ""),
        verdict="" if verdict is None else verdict.value,
        checks="" if judgement is None else reasons(judgement, QcVerdict.FAIL, QcVerdict.FLAG),
        order=_unsettled(film, shot_id),
    )


def _unsettled(film: FilmTonight, shot_id: str) -> int | None:
    """The newest order for takes of a shot that nobody has settled. The ledger is read as in `_spent`."""
    takes = {take.key for take in takes_of(film.run.plan, shot_id)}
    with suppress(DiskError):
        purchases = film.run.store.purchases.read(film.slug)
        return max((each.number for each in purchases if each.is_unsettled and each.take in takes), default=None)
    return None
