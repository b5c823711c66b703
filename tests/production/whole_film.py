"""A film with everything that finishing does: every joint, titles in Chinese and Arabic, subtitles, music, narration,
four sounds, a video file at 29.97 in a film of 24, upscaling. And what it must show, measured in the finished file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.media.test_colour import PATCHES, patches_of
from tests.sound.sounds import burst, encoded, heard, place, silence, tone, wav
from wan_render.backends import backend
from wan_render.devices import cpu
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import render_all
from wan_render.media.clip import write_pictures
from wan_render.media.ffmpeg import program, run
from wan_render.production.failures import failures
from wan_render.production.film_stages import OnStage
from wan_render.production.finish import finish
from wan_render.production.run import begin
from wan_render.render_values import Pixels
from wan_render.session.film_session import Session
from wan_render.sound.loudness import LoudnessMeter
from wan_render.sound.soundtrack import RATE
from wan_render.store import FilmVersion
from wan_render.take import Size

STORYBOARD = """\
version: 1
film:
  {{title: Whole, slug: whole, raster: {raster}, deliver: {deliver}, rate: 24, upscale: realesrgan,
   subtitles: [burned, files, track], language: zh, match_colours: on}}
defaults: {{duration: 1s}}
keyframes: keyframes/
titles:
  open: {{text: 港口的一天, for: 1s}}
  close: {{text: نهاية اليوم, for: 1s}}
shots:
  - {{from: dawn, to: noon, action: light climbs, sound: {{file: sounds/bell.wav, at: 0.25s}}, subtitle: 黎明}}
  - {{from: noon, to: dusk, action: boats, transition: dissolve 12f, sound: {{file: sounds/door.flac, at: 0.1s}}}}
  - {{clip: boat.mp4, in: 0.2s, out: 1.2s, fit: cover, transition: fade 12f}}
  - from: dusk
    to: dawn
    action: night
    transition: bridge 4f
    sound: {{file: sounds/wave.ogg, at: 0.4s}}
    dialogue: {{who: Anna, text: الوقت متأخر, for: 0.8s}}
  - {{from: dawn, to: noon, action: light climbs again, transition: cut}}
  - still: patches
    hold: 0.5s
    sound: {{file: sounds/gull.mp3, at: 0.1s, for: 0.3s}}
    narration: {{file: sounds/words.wav, at: 0.55s}}
audio:
  music: {{file: sounds/music.wav, gain: -18dB, loop: true, fade_out: 0.5s}}
"""

FRAMES = 24 + 24 + 24 - 12 + 24 + 24 + 24 + (24 + 12) + 24
"""Title, two shots, a dissolve that takes twelve, the clip, two shots, the still with its hold, title."""

STARTS = {"title": 0, "1/010": 24, "1/020": 48, "1/030": 60, "1/040": 84, "1/050": 108, "1/060": 132, "last": 168}
"""The first film frame of each event."""

SOUNDS = {
    "bell.wav": Fraction(1) + Fraction(1, 4),
    "door.flac": Fraction(2) + Fraction(1, 10),
    "wave.ogg": Fraction(84, 24) + Fraction(4, 10),
    "gull.mp3": Fraction(132, 24) + Fraction(1, 10),
    "words.wav": Fraction(132, 24) + Fraction(55, 100),
}
"""When each is heard, in seconds of the film. Each is a burst of noise of its own."""

CLIP_SOUND = Fraction(60, 24) + Fraction(6, 10) - Fraction(6) / Fraction(30000, 1001)
"""When the clip's own sound is heard: at 0.6 s of the file, which is shown from its frame 6 on."""


@dataclass(frozen=True)
class WholeFilm:
    """The film in a folder."""

    folder: Path

    @classmethod
    def written(cls, folder: Path, raster: Size, delivery: Size) -> WholeFilm:
        """Write the storyboard and everything that it names."""
        (folder / "keyframes").mkdir(parents=True)
        for at, name in enumerate(("dawn", "noon", "dusk")):
            Image.fromarray(scene(raster, at)).save(folder / "keyframes" / f"{name}.png")
        Image.fromarray(np.kron(PATCHES, np.ones((delivery.height // 4, delivery.width // 4, 1), np.uint8))).save(
            folder / "keyframes" / "patches.png"
        )
        for at, name in enumerate(SOUNDS, start=1):
            source = wav(folder / "sounds" / f"{at}.wav", burst(0.3, seed=at))
            encoded(source, folder / "sounds" / name)
        wav(folder / "sounds" / "music.wav", tone(0.7))
        _write_clip(folder / "boat.mp4", raster)
        text = STORYBOARD.format(raster=raster, deliver=delivery)
        (folder / "whole.yaml").write_text(text, encoding="utf-8")
        return cls(folder)

    def session(self, outputs: str = "outputs") -> Session:
        return Session.of(self.folder / "whole.yaml", outputs=self.folder / outputs, backend="animatic")

    def made(self, outputs: str = "outputs", progress: OnStage = lambda _: None) -> FilmVersion:
        """Render what is missing, and finish the film."""
        session = self.session(outputs)
        with begin(session.plan_to_render, backend("animatic"), session.store) as run_:
            with LocalFarm((cpu(),), session.store.root) as farm:
                outcomes = render_all(run_.orders, farm) if run_.orders else {}
            return finish(run_, failures(outcomes), progress=progress)


def scene(size: Size, seed: int) -> Pixels:
    """A soft picture of its own colour."""
    dice = np.random.default_rng(seed)
    small = dice.normal(0, 12, (6, 9, 3)) + dice.uniform(60, 190, 3)
    picture = Image.fromarray(small.clip(0, 255).astype(np.uint8))
    return np.asarray(picture.resize((size.width, size.height), Image.Resampling.BICUBIC))


def _write_clip(target: Path, size: Size) -> None:
    """Two seconds of a scene that becomes brighter, at 29.97 frames per second, with a burst at 0.6 s."""
    picture = scene(size, 7).astype(np.float32)
    frames = (np.clip(picture + at, 0, 255).astype(np.uint8) for at in range(60))
    silent, sound = target.with_suffix(".mkv"), target.with_suffix(".wav")
    write_pictures(silent, frames, size, Fraction(30000, 1001))
    wav(sound, silence(0.6), burst(0.3, seed=99), silence(0.9))
    colours = ("-vf", "scale=out_color_matrix=bt709", "-pix_fmt", "yuv420p", "-colorspace", "bt709")
    run(["-i", str(silent), "-i", str(sound), *colours, "-c:v", "libx264", "-crf", "12", "-y", str(target)])
    silent.unlink()
    sound.unlink()


@dataclass(frozen=True)
class Shown:
    """What a finished film shows. All numbers are measured in its file.

    frames: decoded. warnings: what ffmpeg prints while it decodes all of it. misplaced: the largest distance of a sound
    from its place, in film frames. loudness: in LUFS. colour_error: of the patches, in levels. lettered: whether both
    titles have letters.
    """

    frames: int
    warnings: str
    misplaced: float
    loudness: float
    colour_error: float
    lettered: bool

    @classmethod
    def by(cls, video: Path) -> Shown:
        """Measure a film."""
        decode = ["-v", "warning", "-i", str(video), "-map", "0", "-c:s", "copy", "-c:d", "copy", "-f", "null", "-"]
        done = subprocess.run([program(), "-nostdin", *decode], capture_output=True, text=True, check=True)
        sound = heard(video)
        places = [*((burst(0.3, seed=at), due) for at, due in enumerate(SOUNDS.values(), start=1))]
        places.append((burst(0.3, seed=99), CLIP_SOUND))
        apart = [abs(place(pattern, sound) - float(due) * RATE) / (RATE / 24) for pattern, due in places]
        meter = LoudnessMeter()
        meter.feed(sound)
        pictures = list(_pictures(video))
        titles = [pictures[STARTS["title"] + 12], pictures[STARTS["last"] + 12]]
        error = np.abs(patches_of(pictures[STARTS["1/060"] + 30]) - PATCHES).max()
        return cls(
            len(pictures),
            done.stderr,
            max(apart),
            meter.result().integrated,
            float(error),
            all((picture[: picture.shape[0] * 2 // 3] > 200).any() for picture in titles),
        )


def _pictures(video: Path) -> Iterator[Pixels]:
    """Every frame as decoded: yuv420p, luma above chroma."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(), np.uint8)
