"""The films of a campaign: small storyboards whose every shot can be edited."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

PICTURES = 12


@dataclass(frozen=True)
class Films:
    """Storyboards in a folder: `film-1.yaml`, … share the pictures in `keyframes/`."""

    folder: Path
    films: int
    shots: int

    def write(self, rng: random.Random) -> None:
        """Write pictures and storyboards."""
        pictures = self.folder / "_pictures"
        pictures.mkdir(parents=True)
        noise = np.random.default_rng(rng.randrange(1 << 32))
        for number in range(PICTURES):
            small = noise.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(pictures / f"p{number:02}.png")
        for film in range(self.films):
            shots = [self._shot(film, shot, rng) for shot in range(self.shots)]
            self._file(film).write_text(_HEAD.format(film=film + 1) + "".join(shots), encoding="utf-8")

    def edit(self, rng: random.Random) -> str:
        """Change one shot of one film. Returns which."""
        film, shot = rng.randrange(self.films), rng.randrange(self.shots)
        self.change(film, shot, rng)
        return f"film-{film + 1} shot {shot:03}"

    def change(self, film: int, shot: int, rng: random.Random) -> None:
        """Change a shot: it begins and ends on other pictures."""
        file = self._file(film)
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        at = next(number for number, line in enumerate(lines) if f'"{shot:03}"' in line)
        lines[at] = self._shot(film, shot, rng)
        part = file.with_suffix(".part")
        part.write_text("".join(lines), encoding="utf-8")
        part.replace(file)

    def _file(self, film: int) -> Path:
        return self.folder / f"film-{film + 1}.yaml"

    def _shot(self, film: int, shot: int, rng: random.Random) -> str:
        first, last = rng.sample(range(PICTURES), 2)
        action = f"film {film} moves on in shot {shot}"
        return f'  - {{shot: "{shot:03}", from: p{first:02}, to: p{last:02}, action: {action}}}\n'


_HEAD = """\
version: 1
film: {{title: Film {film}, slug: film-{film}, raster: 64x64, deliver: 64x64}}
defaults: {{duration: 0.5s, render: {{seed: {film}}}}}
keyframes: _pictures/
shots:
"""
