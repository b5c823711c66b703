"""Loudness by EBU R128 (ITU-R BS.1770), measured by FFmpeg's filter `ebur128` while samples stream through."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from wan_render.sound.sound_reader import Samples
from wan_render.sound.soundtrack import RATE

SILENT_LUFS = -70.0
"""The gate of BS.1770: what is quieter has no loudness."""

SHORTEST = RATE * 4 // 10
"""Samples of the shortest window of the measurement. A shorter sound is measured with silence after it."""


@dataclass(frozen=True)
class Loudness:
    """integrated: in LUFS; -70 for silence. true_peak: in dBTP, from four samples for each one; -inf for silence."""

    integrated: float
    true_peak: float

    @property
    def is_silence(self) -> bool:
        """Whether there is nothing to hear."""
        return self.integrated <= SILENT_LUFS


class LoudnessMeter:
    """Measures what is fed to it, block by block."""

    def __init__(self) -> None:
        import av.filter

        graph = av.filter.Graph()
        self._source = graph.add_abuffer(sample_rate=RATE, format="flt", layout="stereo", time_base=Fraction(1, RATE))
        meter = graph.add("ebur128", "metadata=1:peak=true:framelog=quiet")
        self._sink = graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        graph.configure()
        self._graph, self._fed = graph, 0
        self._last: dict[str, str] = {}
        self._peak = 0.0

    def feed(self, samples: Samples) -> None:
        """Measure the next samples."""
        import av

        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, np.float32).reshape(1, -1), format="flt", layout="stereo"
        )
        frame.sample_rate, frame.pts = RATE, self._fed
        self._fed += len(samples)
        self._source.push(frame)
        self._take()

    def result(self) -> Loudness:
        """The loudness of everything. The meter takes no more samples."""
        if self._fed % (RATE // 10) or self._fed < SHORTEST:  # the filter measures whole tenths of a second
            missing = max(SHORTEST - self._fed, -self._fed % (RATE // 10))
            self.feed(np.zeros((missing, 2), np.float32))
        self._source.push(None)
        self._take()
        integrated = float(self._last.get("lavfi.r128.I", SILENT_LUFS))
        peak = 20 * math.log10(self._peak) if self._peak > 0 else -math.inf
        return Loudness(integrated if math.isfinite(integrated) else SILENT_LUFS, peak)

    def _take(self) -> None:
        import av

        while True:
            try:
                frame: Any = self._sink.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            self._last = frame.metadata
            self._peak = max(self._peak, float(self._last.get("lavfi.r128.true_peak", 0)))
