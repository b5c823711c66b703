"""A soundtrack → the finished mix as a file: mixed, measured, one gain, and a limiter of true peaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import numpy as np

from wan_render.sound.limiter import Limiter
from wan_render.sound.loudness import Loudness, LoudnessMeter
from wan_render.sound.mix_report import MOST_LIMITED, MixReport
from wan_render.sound.mixing import BLOCK, mixed
from wan_render.sound.sound_reader import Samples
from wan_render.sound.soundtrack import RATE, Soundtrack
from wan_render.sound.wav_file import write_wav

CLOSE_ENOUGH = 0.1
"""In LU: a mix this near to its loudness is not corrected."""

ATTEMPTS = 4
"""How often the gain and the limiter are set. The limiter lowers the loudness a little, so they may not be right at
once."""

HOTTEST = 3.0
"""In dBTP: no sound with such a peak is louder than +10 LUFS, the most that FFmpeg's meter counts (ABS_UP_THRES in
f_ebur128.c): K-weighting adds 4 dB at most, and the second channel 3."""

OnSeconds = Callable[[int, int], None]
"""Called with the seconds done and their total."""


def mix_to_file(
    track: Soundtrack, files: Mapping[str, Path], length: int, target: Path, progress: OnSeconds
) -> MixReport:
    """Write the mix of a soundtrack, `length` samples of it, to `target` (WAV, 32-bit float).

    Equal soundtracks give equal bytes on the same machine and versions. progress: half of the seconds are done when
    everything is mixed, the others when the loudness is set. Raises InputError for a sound that cannot be
    read, and OSError.
    """
    raw = target.with_name(target.name + ".raw")
    seconds = -(-length // RATE)
    try:
        blocks = mixed(track, files, length)
        as_mixed = _mix_to_raw(blocks, raw, lambda done: progress(done // 2, seconds))
        passes = count(1)
        read = _RawMix(raw, lambda: progress(min(seconds // 2 + next(passes) // 4, seconds - 1), seconds))
        report = _mastered(track, _with_hot_peaks(as_mixed, read), read, length, target)
        progress(seconds, seconds)
        return report
    finally:
        with suppress(OSError):
            raw.unlink(missing_ok=True)


def _mix_to_raw(blocks: Iterator[Samples], raw: Path, progress: Callable[[int], None]) -> Loudness:
    meter = LoudnessMeter()
    with raw.open("wb") as stream:
        for done, block in enumerate(blocks, start=1):
            meter.feed(block)
            stream.write(block.tobytes())
            progress(done)
    return meter.result()


@dataclass(frozen=True)
class _RawMix:
    """The mix before its loudness is set. read: called for each second of it, each time that it is read; usually it is
    read twice, to measure and to write."""

    file: Path
    read: Callable[[], None]

    def blocks(self) -> Iterator[Samples]:
        """Its samples."""
        with self.file.open("rb") as stream:
            while data := stream.read(BLOCK * 8):
                self.read()
                yield np.frombuffer(data, np.float32).reshape(-1, 2)


def _with_hot_peaks(as_mixed: Loudness, raw: _RawMix) -> Loudness:
    """The loudness of the mix, measured once more and quieter if it is too loud for the meter."""
    peak = as_mixed.true_peak
    if peak <= HOTTEST:
        return as_mixed
    return Loudness(_measured(_levelled(raw, _Level(-peak, None))).integrated + peak, peak)


@dataclass(frozen=True)
class _Level:
    """gain: in dB. ceiling: of the limiter, in dB; None if no peak is too high."""

    gain: float
    ceiling: float | None


def _mastered(track: Soundtrack, as_mixed: Loudness, raw: _RawMix, length: int, target: Path) -> MixReport:
    """Write the file with the gain that gives the track's loudness."""
    wanted = as_mixed.integrated if as_mixed.is_silence or track.loudness is None else track.loudness
    level = _first_level(as_mixed, wanted, track.peak)
    for attempt in range(ATTEMPTS):
        loudness = _measured(_levelled(raw, level))
        better = _better(level, loudness, as_mixed, wanted, track.peak)
        if better == level or attempt == ATTEMPTS - 1:
            break
        level = better
    report = MixReport(
        mixed=round(as_mixed.integrated, 2),
        gain=round(level.gain, 2),
        limited=0.0 if level.ceiling is None else round(max(0.0, _limited(level, loudness, as_mixed)), 2),
        loudness=round(loudness.integrated, 2),
        true_peak=None if loudness.is_silence else round(loudness.true_peak, 2),
    )
    write_wav(target, _levelled(raw, level), length, json.dumps(asdict(report)))
    return report


def _first_level(as_mixed: Loudness, wanted: float, peak: float) -> _Level:
    gain = wanted - as_mixed.integrated
    return _Level(gain, peak if as_mixed.true_peak + gain > peak else None)


def _better(level: _Level, loudness: Loudness, as_mixed: Loudness, wanted: float, peak: float) -> _Level:
    """The level for another attempt; the same if it is right, or cannot be without limiting too much."""
    if level.ceiling is None:
        return level
    ceiling = level.ceiling - max(0.0, loudness.true_peak - peak)  # a peak between samples that the limiter missed
    lacking = wanted - loudness.integrated
    if lacking > CLOSE_ENOUGH and as_mixed.integrated + level.gain + lacking - wanted <= MOST_LIMITED:
        return _Level(level.gain + lacking, ceiling)
    return _Level(level.gain, ceiling)


def _limited(level: _Level, loudness: Loudness, as_mixed: Loudness) -> float:
    """What the limiter takes from the loudness, in LU."""
    return as_mixed.integrated + level.gain - loudness.integrated


def _measured(blocks: Iterator[Samples]) -> Loudness:
    meter = LoudnessMeter()
    for block in blocks:
        meter.feed(block)
    return meter.result()


def _levelled(raw: _RawMix, level: _Level) -> Iterator[Samples]:
    """The mix at a level."""
    factor = np.float32(10 ** (level.gain / 20))
    louder = (block * factor for block in raw.blocks())
    return louder if level.ceiling is None else _limited_blocks(louder, level.ceiling)


def _limited_blocks(blocks: Iterator[Samples], peak: float) -> Iterator[Samples]:
    limiter, early = Limiter(peak), Limiter.delay
    for block in blocks:
        ready = limiter.limited(block)
        yield ready[min(early, len(ready)) :]
        early -= min(early, len(ready))
    yield limiter.limited(np.zeros((Limiter.delay, 2), np.float32))[early:]
