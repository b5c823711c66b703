"""A soundtrack → its samples, block by block: every sound at its exact sample, with its gain, fades and ducking.

Only a second of each sound that is being heard is in memory, whatever the film's length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wan_render.sound.sound_reader import Samples, read_sound
from wan_render.sound.soundtrack import RATE, PlacedSound, Soundtrack, samples
from wan_render.sound.speech_presence import Depths, SpeechPresence, ducking

BLOCK = RATE
"""Samples that are mixed at a time."""


def mixed(track: Soundtrack, files: Mapping[str, Path], length: int) -> Iterator[Samples]:
    """The mix, `length` samples of it, before its loudness is set. It may exceed full scale.

    files: source → file of every sound. Raises InputError for a file that cannot be read.
    """
    heard = [_HeardSound(sound, files[sound.source], length) for sound in track.sounds]
    waiting = sorted((sound for sound in heard if sound.end > sound.begin), key=lambda sound: sound.begin)
    depths = _speech(waiting, length)
    playing: list[_HeardSound] = []
    for first in range(0, length, BLOCK):
        end = min(first + BLOCK, length)
        while waiting and waiting[0].begin < end:
            playing.append(waiting.pop(0))
        block = np.zeros((end - first, 2), np.float32)
        for sound in playing:
            sound.add_to(block, first, depths)
        playing = [sound for sound in playing if sound.end > end]
        yield block


def _speech(heard: list[_HeardSound], length: int) -> Depths | None:
    """How far other sounds are ducked; None if nothing is ducked or nobody speaks."""
    speech = [sound for sound in heard if sound.placed.speech]
    if not speech or not any(sound.placed.duck for sound in heard):
        return None
    presence = SpeechPresence(length)
    for sound in speech:
        presence.add(sound.begin, sound.blocks())
    return presence.depths()


class _HeardSound:
    """A sound in the film. begin, end: the samples of the film in which it is heard."""

    def __init__(self, placed: PlacedSound, file: Path, length: int) -> None:
        self.placed, self._file = placed, file
        self._first, self._last = samples(placed.start), samples(placed.start + placed.length)
        self.begin, self.end = max(0, self._first), min(length, self._last)
        self._stream: _SoundStream | None = None

    def blocks(self) -> Iterator[Samples]:
        """All of it that is heard, with its gain and fades but not ducked."""
        stream = _SoundStream(self._file, self.placed, self.begin - self._first)
        for first in range(self.begin, self.end, BLOCK):
            count = min(BLOCK, self.end - first)
            yield stream.next(count) * self._envelope(first, count)

    def add_to(self, block: Samples, at: int, depths: Depths | None) -> None:
        """Add what is heard of it in a block that begins at sample `at` of the film. Blocks come in their order."""
        if self._stream is None:
            self._stream = _SoundStream(self._file, self.placed, self.begin - self._first)
        first, last = max(self.begin, at), min(self.end, at + len(block))
        heard = self._stream.next(last - first) * self._envelope(first, last - first)
        if depths is not None and self.placed.duck and not self.placed.speech:
            heard *= ducking(depths, self.placed.duck, first, last - first)
        block[first - at : last - at] += heard

    def _envelope(self, first: int, count: int) -> NDArray[np.float32]:
        """Its gain and fades for samples [first, first + count) of the film; (count, 1). Fades are quarters of a sine:
        two unlike sounds that cross keep their power."""
        at = np.arange(first, first + count) + 0.5
        gain = np.full(count, 10 ** (self.placed.gain / 20))
        for fade, since in ((self.placed.fade_in, at - self._first), (self.placed.fade_out, self._last - at)):
            if fade:
                gain *= np.sin(np.pi / 2 * (since / samples(fade)).clip(0, 1)) if samples(fade) else 1
        envelope: NDArray[np.float32] = gain.astype(np.float32)[:, None]
        return envelope


class _SoundStream:
    """The samples of a sound in their order, from its beginning on; again and again for a loop, else then silence."""

    def __init__(self, file: Path, placed: PlacedSound, skipped: int) -> None:
        first = samples(placed.skip)
        self._blocks = _looped(file, first) if placed.loop else _from(file, first)
        self._rest: Samples = np.zeros((0, 2), np.float32)
        while skipped > 0:
            skipped -= len(self.next(min(skipped, BLOCK)))

    def next(self, count: int) -> Samples:
        """The next `count` samples."""
        parts, there = [self._rest], len(self._rest)
        while there < count:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((count - there, 2), np.float32)
            parts.append(block)
            there += len(block)
        whole = np.concatenate(parts)
        self._rest = whole[count:]
        return whole[:count]


_SHORT_LOOP = 10 * RATE
"""A loop up to this length is decoded once; a longer one each time."""


def _from(file: Path, first: int) -> Iterator[Samples]:
    """The samples of a file from sample `first` on."""
    for block in read_sound(file):
        if len(block) > first:
            yield block[first:]
        first = max(0, first - len(block))


def _looped(file: Path, first: int) -> Iterator[Samples]:
    while True:
        short: list[Samples] | None = []
        for block in _from(file, first):
            yield block
            if short is not None:
                short.append(block)
                short = short if sum(map(len, short)) <= _SHORT_LOOP else None
        while short:
            yield np.concatenate(short)
        if short is not None:  # nothing is left of it
            return
