"""The film of the benchmark of finishing: its clips, sounds and cut, the same on every machine."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.cut import ClipSource, Cut, Event
from wan_render.media.clip import write_clip
from wan_render.plan import CardText, Cue, FilmSubtitles, PlannedJoint
from wan_render.render_values import Frames, Pixels
from wan_render.sound import PlacedSound, Soundtrack
from wan_render.sound.sound_reader import Samples
from wan_render.sound.soundtrack import RATE as SAMPLES
from wan_render.sound.wav_file import write_wav
from wan_render.take import Size

RATE, SIZE, DELIVERY = Fraction(16), Size(832, 480), Size(1280, 720)
CLIPS, FRAMES = 20, 81
BLACK = "black"
"""A clip of black frames, which the rival shows where the film has a card."""


def landscape(seed: int) -> Pixels:
    """A picture larger than the raster, with structure at every scale: octaves of smooth noise in colour."""
    rng = np.random.default_rng(seed)
    height, width = SIZE.height * 3 // 2, SIZE.width * 3 // 2
    picture: NDArray[np.float32] = np.zeros((height, width, 3), np.float32)
    for octave in range(1, 8):
        cells = rng.standard_normal((2**octave, 2 ** (octave + 1), 3)).astype(np.float32)
        picture += (
            np.asarray(cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC), np.float32) / 1.8**octave
        )
    picture = (picture - picture.min()) / (picture.max() - picture.min())
    return np.asarray(picture * 235 + 10, np.uint8)


def filmed(seed: int) -> Pixels:
    """A slow zoom and pan over a landscape, three lights moving across it, and a little grain."""
    rng = np.random.default_rng(1000 + seed)
    ground, start, end = landscape(seed), rng.uniform(0, 150, 2), rng.uniform(0, 150, 2)
    lights = [(rng.uniform(100, 380, 2), rng.uniform(-4, 4, 2), tuple(rng.integers(60, 255, 3))) for _ in range(3)]
    frames = np.empty((FRAMES, SIZE.height, SIZE.width, 3), np.uint8)
    for n in range(FRAMES):
        along = n / (FRAMES - 1)
        left, top = start + (end - start) * along
        zoom = 0.92 + 0.08 * along
        view = np.array([[zoom, 0, left], [0, zoom, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        picture = cv2.warpAffine(ground, view, (SIZE.width, SIZE.height), flags=flags)
        for place, speed, colour in lights:
            x, y = place + speed * n
            cv2.circle(picture, (int(x), int(y)), 30, [int(value) for value in colour], -1, cv2.LINE_AA)
        grain = rng.normal(0, 1.5, (SIZE.height, SIZE.width, 1))
        frames[n] = np.clip(picture + grain, 0, 255)
    return frames


def plain(seed: int) -> Pixels:
    """One soft ramp in every frame: it costs little to decode and to encode."""
    ramp = np.linspace(20 + seed, 200 + seed, SIZE.width).astype(np.uint8)
    return np.broadcast_to(ramp[None, None, :, None], (FRAMES, SIZE.height, SIZE.width, 3))


def make_clips(folder: Path, *, moving: bool = True) -> None:
    for n in range(CLIPS):
        write_clip(folder / f"{n}.mkv", Frames(filmed(n) if moving else plain(n), RATE))
    write_clip(folder / f"{BLACK}.mkv", Frames(np.zeros((FRAMES, SIZE.height, SIZE.width, 3), np.uint8), RATE))


def make_sounds(folder: Path) -> None:
    """Half a minute of music, a sentence of four seconds, and a bang."""
    dice = np.random.default_rng(5)
    chord = sum(np.sin(2 * np.pi * hertz * np.arange(30 * SAMPLES) / SAMPLES) for hertz in (220, 277.2, 329.6))
    syllables = dice.normal(0, 0.1, 4 * SAMPLES) * (np.sin(2 * np.pi * 3 * np.arange(4 * SAMPLES) / SAMPLES) > -0.3)
    bang = dice.normal(0, 0.2, SAMPLES) * np.exp(-np.arange(SAMPLES) / 8000)
    for name, signal in (("music", 0.05 * np.asarray(chord)), ("words", syllables), ("bang", bang)):
        samples: Samples = signal.astype(np.float32)[:, None].repeat(2, axis=1)
        write_wav(folder / f"{name}.wav", [samples], len(samples), "")


def animatic(seconds: int, *, whole: bool) -> Cut:
    """Continuous shots of 80 frames, except for the last, which has 81. whole: with cards, subtitles and sounds."""
    shots = max(1, round(seconds * RATE / (FRAMES - 1)))
    events = [
        Event(
            name=f"1/{10 * (n + 1):04}",
            source=ClipSource(str(n % CLIPS)),
            first=0,
            frames=FRAMES if n == shots - 1 else FRAMES - 1,
            joint=None if n == shots - 1 else PlannedJoint("continuous"),
            preview="animatic",
        )
        for n in range(shots)
    ]
    if not whole:
        return Cut("Finishing", RATE, SIZE, DELIVERY, "cover", 0, 0, tuple(events))
    events = [
        Event("", CardText("江河与白鸽\n第一部"), 0, 32, joint=PlannedJoint("cut")),
        *events[:-1],
        replace(events[-1], joint=PlannedJoint("cut")),
        Event("", CardText("نهاية الفيلم"), 0, 32),
    ]
    cut = Cut("Finishing", RATE, SIZE, DELIVERY, "cover", 0, 0, tuple(events), language="zh")
    return replace(cut, subtitles=_subtitles(cut), sound=_soundtrack(cut))


def _subtitles(cut: Cut) -> FilmSubtitles:
    """One every five seconds, for three."""
    length = int(cut.frames / cut.rate)
    text = "河水流过古城，白鸽飞向远方，\nand nobody says a word: %d"
    cues = (Cue(Fraction(at), Fraction(at + 3), text % at) for at in range(2, length - 3, 5))
    return FilmSubtitles(tuple(cues), ("burned", "files"))


def _soundtrack(cut: Cut) -> Soundtrack:
    length = cut.frames / cut.rate
    music = PlacedSound("music", Fraction(0), length, loop=True, duck=-9.0)
    words = (PlacedSound("words", Fraction(at), Fraction(4), speech=True) for at in range(5, int(length) - 4, 20))
    bangs = (PlacedSound("bang", Fraction(at), Fraction(1)) for at in range(12, int(length) - 1, 60))
    return Soundtrack((music, *words, *bangs))
