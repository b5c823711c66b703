"""Sounds of the tests: noise in bursts, whose place can be found in a mix to the sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wan_render.media.ffmpeg import run
from wan_render.sound.sound_reader import Samples, read_sound
from wan_render.sound.soundtrack import RATE
from wan_render.sound.wav_file import write_wav


def burst(seconds: float = 0.5, seed: int = 1, level: float = 0.2) -> Samples:
    """Noise below 8 kHz, which AAC keeps; equal on both sides."""
    white = np.random.default_rng(seed).standard_normal(round(seconds * RATE) + 5) * level
    noise = np.convolve(white, np.ones(6) / np.sqrt(6), mode="valid").clip(-1, 1)
    return noise.astype(np.float32)[:, None].repeat(2, axis=1)


def silence(seconds: float) -> Samples:
    return np.zeros((round(seconds * RATE), 2), np.float32)


def tone(seconds: float, level: float = 0.2, hertz: float = 440.0) -> Samples:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return wave.astype(np.float32)[:, None].repeat(2, axis=1)


def wav(file: Path, *parts: Samples) -> Path:
    whole = np.concatenate(parts)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_wav(file, [whole], len(whole), "")
    return file


def encoded(source: Path, target: Path, *options: str) -> Path:
    """The sound in another format."""
    run(["-i", str(source), *options, "-y", str(target)])
    return target


def heard(file: Path) -> Samples:
    """Everything in a sound file or in the sound of a film."""
    return np.concatenate(list(read_sound(file)))


def place(pattern: Samples, within: Samples) -> int:
    """The sample at which a pattern is most likely within a sound, by cross-correlation of the left sides."""
    size = 1 << (len(pattern) + len(within)).bit_length()
    spectrum = np.fft.rfft(within[:, 0], size) * np.conj(np.fft.rfft(pattern[:, 0], size))
    return int(np.argmax(np.fft.irfft(spectrum)[: len(within)]))


def level(samples: Samples | NDArray[np.float64]) -> float:
    """The root mean square in dB."""
    return float(20 * np.log10(max(1e-9, float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))))
