"""The film of `tests/production/whole_film.py` with the published weights of `realesrgan`: what it shows, and whether
it is the same when it is made again.

    wan-render models pull realesrgan
    python -m benchmarks.film_with_everything

Six shots with every joint, titles in Chinese and Arabic, subtitles, music, narration, four sounds, and a video file at
29.97 in a film of 24. Everything is measured in the finished file. Targets: the length exact to the frame, sounds
within one frame of their places, the loudness within 0.5 LU, colours within 4 levels, a decode without a warning, equal
bytes.

Predictions, written before the first run: 0.01 frames, 0.1 LU, 1.5 levels.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.production.whole_film import FRAMES, Shown, WholeFilm
from wan_render.settings import machine_settings
from wan_render.take import Size
from wan_render.wheel_weights import REALESRGAN


def size(text: str) -> Size:
    return Size(*map(int, text.split("x")))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--raster", default="256x160", help="16:10, in multiples of 16 (256x160)")
    parser.add_argument("--deliver", default="512x320", help="the size of the film (512x320)")
    options = parser.parse_args()
    if (problem := REALESRGAN.problem(machine_settings().weights)) is not None:
        raise SystemExit(str(problem))
    with tempfile.TemporaryDirectory(prefix="whole-film-") as name:
        film = WholeFilm.written(Path(name), size(options.raster), size(options.deliver))
        begun = time.perf_counter()
        first = film.made("outputs")
        print(f"made in {time.perf_counter() - begun:.0f} s")
        shown = Shown.by(first.video)
        again = film.made("again")
        is_same = again.video.read_bytes() == first.video.read_bytes()
    print(f"frames {shown.frames}, {FRAMES} expected; decoded with {shown.warnings.strip() or 'no warning'}")
    print(
        f"sounds at most {shown.misplaced:.4f} frames off; {shown.loudness:.2f} LUFS; colours {shown.colour_error:.2f}"
    )
    print(f"made again: {'equal bytes' if is_same else 'OTHER BYTES'}")
    exact = shown.frames == FRAMES and not shown.warnings and shown.lettered and is_same
    return 0 if exact and shown.misplaced <= 1 and abs(shown.loudness + 16) <= 0.5 and shown.colour_error < 4 else 1


if __name__ == "__main__":
    raise SystemExit(main())
