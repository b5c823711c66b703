"""A rendered film with everything that an editor may lose: alternates, handles, a hold, a dissolve, a fade, a title, a
still, sounds, marks, and texts that XML and spreadsheets read otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image

from tests.production.solid import CPU
from tests.reference import produce
from tests.sound.sounds import burst, tone, wav
from wan_render.cut import ClipSource, Cut
from wan_render.editors.export_film import Exported, OnPiece, export_film
from wan_render.editors.export_request import export_request
from wan_render.production.export_sources import ExportSources
from wan_render.production.film_cut import read_cut
from wan_render.session.film_session import Session
from wan_render.store import FilmVersion, Store

PROMPT = '=SUM(1) "水" & <fire> ü'

STORYBOARD = f"""\
version: 1
film: {{title: 'Häfen "港" & <Boats>', slug: häfen-港, raster: 96x64, deliver: 96x64, fade_in: 4f, rate: native,
       dissolves: video}}
defaults: {{duration: 13f, render: {{seed: 5}}}}
keyframes: keyframes/
titles: {{open: {{text: "港 & <1>", for: 11f}}}}
audio: {{music: {{file: tone.wav, gain: -20dB, loop: true}}}}
shots:
  - {{from: dawn, to: noon, action: '{PROMPT}', takes: 2}}
  - shot: "020"
    from: noon
    to: dusk
    duration: 11f
    transition: dissolve 6f
    sound: {{file: burst.wav, at: 0.1s}}
    subtitle: {{text: "水 & fire"}}
  - {{shot: 'tür', from: dusk, to: dawn, action: night, hold: 5f, duration: 8f, transition: fade 6f}}
  - {{still: dawn, duration: 9f}}
"""


@dataclass(frozen=True)
class HarbourFilm:
    """The film, and exports of it."""

    session: Session
    film: FilmVersion

    @classmethod
    def rendered(cls, folder: Path, rate: str = "native") -> HarbourFilm:
        """Render it with the animatic, whose takes have 16 frames per second."""
        (folder / "keyframes").mkdir(parents=True)
        ramp = np.linspace(0.4, 1, 96)[None, :, None]
        for name, colour in (("dawn", (200, 120, 60)), ("noon", (120, 160, 220)), ("dusk", (60, 40, 120))):
            picture = np.ones((64, 96, 3)) * np.array(colour) * ramp
            Image.fromarray(picture.astype(np.uint8)).save(folder / "keyframes" / f"{name}.png")
        file = folder / "harbour.yaml"
        file.write_text(STORYBOARD.replace("native", rate), encoding="utf-8")
        wav(folder / "tone.wav", tone(0.5))
        wav(folder / "burst.wav", burst(0.3))
        session = Session.of(file, outputs=folder / "outputs", backend="animatic")
        return cls(session, produce(session.plan_to_render, session.backend, session.store, CPU))

    @property
    def store(self) -> Store:
        return self.session.store

    @cached_property
    def cut(self) -> Cut:
        return read_cut(self.film.folder)

    def export(
        self,
        form: str,
        rate: int | None = None,
        media: str | None = None,
        folder: Path | None = None,
        progress: OnPiece = lambda name, done, total: None,  # noqa: ARG005 - named for callers
    ) -> Exported:
        """Export it, as the command does."""
        request = export_request(self.cut, form, None if rate is None else str(rate), media, folder)
        sources = ExportSources(self.cut, self.session.plan, self.store)
        return export_film(self.film, self.cut, self.session.plan, self.store, sources.prepared, request, progress)

    def key(self, event: int) -> str:
        """The key of the take that an event of the cut shows."""
        source = self.cut.events[event].source
        assert isinstance(source, ClipSource)
        return source.key

    def starts(self, rate: int) -> list[int]:
        """The first frame of each event in a film of that rate."""
        return [ceil(start * rate / self.cut.rate) for start in self.cut.starts]

    def frames(self, rate: int) -> int:
        """The length of the film at that rate."""
        return round(self.cut.frames * rate / self.cut.rate)
