"""Finishing a film: `make_film` compared with the best single ffmpeg command that does the same from the same clips.

    python benchmarks/finishing.py                        ten minutes of film, once each
    python benchmarks/finishing.py --seconds 30 --rounds 3

The film repeats twenty clips (832x480, 81 frames, FFV1: a camera move over a painted landscape with moving lights and
grain), joined continuously like an animatic. Each shot's label is burned in. The film is scaled to 1280x720: BT.709,
x264 medium CRF 18, silent AAC, chapters, fast start. The rival is one ffmpeg that reads the clips itself (concat
demuxer, with `outpoint` to drop the shared frame), with the same filters, text, metadata and encoder. No Python code
touches its frames. The coded pictures of both films are compared byte for byte.

The sides take turns, and the order changes every round. Seconds are medians. CPU seconds are less affected by other
users of the machine. Memory is the peak of the summed resident memory of a side's processes, sampled every 50 ms.
Targets: at least 0.9 of the rival's speed, under 1 GB.

Prediction, written before the first run: 0.97 of its speed (a pipe of 1.6 MB per frame is negligible next to the
encoder at 30 frames per second) and 450 MB, nearly all of it for x264.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import psutil
from av import open as open_video
from numpy.typing import NDArray

from wan_render.cut import ClipSource, Cut, Event
from wan_render.media import ffmpeg
from wan_render.media.chapters import ffmetadata
from wan_render.media.clip import write_clip
from wan_render.media.film_encode import make_film
from wan_render.media.lettering import script
from wan_render.media.text import font_file
from wan_render.plan import PlannedJoint
from wan_render.render_values import Frames, Pixels
from wan_render.take import AnyPlate, Size

RATE, SIZE, DELIVERY = Fraction(16), Size(832, 480), Size(1280, 720)
CLIPS, FRAMES = 20, 81


@dataclass(frozen=True)
class Run:
    """One film by one side. cpu_seconds and mebibytes (peak resident memory) are those of all its processes."""

    seconds: float
    cpu_seconds: float
    mebibytes: float
    frames: int
    digest: str

    @property
    def fps(self) -> float:
        return self.frames / self.seconds


@dataclass(frozen=True)
class Clips:
    """The clips, as FilmSources for make_film."""

    folder: Path

    def clip(self, key: str) -> Path:
        return self.folder / f"{key}.mkv"

    def picture(self, plate: AnyPlate) -> Pixels:
        raise LookupError(f"this film has no still pictures: {plate}")


# The clips


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


def make_clips(folder: Path) -> None:
    for n in range(CLIPS):
        write_clip(folder / f"{n}.mkv", Frames(filmed(n), RATE))


def animatic(seconds: int) -> Cut:
    """Continuous shots of 80 frames, except for the last, which has 81."""
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
    return Cut("Finishing", RATE, SIZE, DELIVERY, "cover", 0, 0, tuple(events))


# The two sides


def ours(cut: Cut, folder: Path, target: Path) -> None:
    make_film(cut, Clips(folder), target, tags={"comment": "benchmark"}, progress=lambda _done, _total: None)


def rival(cut: Cut, folder: Path, target: Path) -> None:
    """The same film from the same clips and text files, by one ffmpeg command."""
    (folder / "list.txt").write_text(_concat_list(cut))
    (folder / "metadata.txt").write_text(ffmetadata(cut, {"comment": "benchmark"}))
    (folder / "lettering.ass").write_text(script(cut) or "")
    (folder / "fonts").mkdir(exist_ok=True)
    font = folder / "fonts" / font_file().name
    if not font.exists():
        font.symlink_to(font_file())
    subprocess.run(rival_command(cut, target), cwd=folder, check=True)


def _concat_list(cut: Cut) -> str:
    """Every clip with its out-point. FFV1 is intra-only, so this is frame-accurate (the digests prove it)."""
    lines = ["ffconcat version 1.0"]
    for event in cut.events:
        assert isinstance(event.source, ClipSource)
        lines += [f"file {event.source.key}.mkv", f"outpoint {float(event.frames / RATE):.6f}"]
    return "\n".join(lines) + "\n"


def rival_command(cut: Cut, target: Path) -> list[str]:
    graph = (
        "crop=832:468:0:6,scale=1280:720:in_range=pc:out_range=tv:out_color_matrix=bt709"
        ":out_h_chr_pos=0:out_v_chr_pos=128:flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp,format=yuv420p,"
        "ass=lettering.ass:fontsdir=fonts,setsar=1,"
        "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    )
    return [
        *[ffmpeg.program(), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y"],
        *["-r", str(cut.rate), "-f", "concat", "-i", "list.txt"],
        *["-f", "lavfi", "-i", "anullsrc=channel_layout=stereo:sample_rate=48000", "-f", "ffmetadata"],
        *["-i", "metadata.txt", "-map", "0:v", "-map", "1:a", "-map_metadata", "2", "-map_chapters", "2"],
        *["-vf", graph, "-c:v", "libx264", "-preset", "medium", "-crf", "18", "-flags", "+cgop"],
        *["-g", str(5 * cut.rate), "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"],
        *["-color_range", "tv", "-c:a", "aac", "-t", f"{float(cut.frames / cut.rate):.6f}"],
        *["-movflags", "+faststart+use_metadata_tags", "-f", "mp4", str(target)],
    ]


# Measuring


def measured(side: Callable[[Cut, Path, Path], None], cut: Cut, folder: Path) -> Run:
    """Run one side in its own process, as in real use, and watch its memory."""
    target = folder / f"{side.__name__}.mp4"
    target.unlink(missing_ok=True)
    # spawn: a fork would start with this process's memory
    process = multiprocessing.get_context("spawn").Process(target=timed, args=(side, cut, folder, target))
    process.start()
    assert process.pid is not None
    with watched(process.pid) as peak:
        process.join()
    if process.exitcode:
        raise SystemExit(f"{side.__name__} exited with code {process.exitcode}")
    frames, digest = coded_pictures(target)
    seconds, cpu_seconds = map(float, (folder / "seconds.txt").read_text().split())
    return Run(seconds, cpu_seconds, max(peak) / 2**20, frames, digest)


def timed(side: Callable[[Cut, Path, Path], None], cut: Cut, folder: Path, target: Path) -> None:
    begun, spent = time.perf_counter(), cpu_seconds()
    side(cut, folder, target)
    (folder / "seconds.txt").write_text(f"{time.perf_counter() - begun} {cpu_seconds() - spent}")


def cpu_seconds() -> float:
    """CPU time of this process and of its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@contextmanager
def watched(pid: int) -> Iterator[list[int]]:
    """Resident bytes of a process and its descendants, sampled during the block."""
    samples, done = [0], threading.Event()

    def sample() -> None:
        while not done.wait(0.05):
            samples.append(resident(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


def resident(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it has just ended
    return total


def coded_pictures(file: Path) -> tuple[int, str]:
    """The number of frames of a film, and the SHA-256 of its coded pictures with their times."""
    digest, frames = hashlib.sha256(), 0
    with open_video(str(file)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        for packet in container.demux(stream):
            if packet.pts is not None:
                frames += 1
                digest.update(f"{packet.pts * stream.time_base}".encode())
                digest.update(bytes(packet))
    return frames, digest.hexdigest()


def report(cut: Cut, sides: dict[str, list[Run]]) -> bool:
    """Print both sides. Returns whether the targets are met."""
    middle = {name: statistics.median(run.seconds for run in runs) for name, runs in sides.items()}
    cpu = {name: statistics.median(run.cpu_seconds for run in runs) for name, runs in sides.items()}
    memory = {name: max(run.mebibytes for run in runs) for name, runs in sides.items()}
    same = len({run.digest for runs in sides.values() for run in runs}) == 1
    ratio = middle["ffmpeg"] / middle["wan-render"]
    print(f"{cut.frames} frames, {float(cut.frames / cut.rate):.1f} s of film, {SIZE} to {DELIVERY}")
    print(f"{os.cpu_count()} cores, {platform.machine()}, ffmpeg {ffmpeg.version()}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':12}{'seconds':>10}{'fps':>8}{'CPU s':>10}{'peak MiB':>10}   seconds of each run")
    for name, runs in sides.items():
        each = ", ".join(f"{run.seconds:.1f}" for run in runs)
        speed = cut.frames / middle[name]
        print(f"{name:12}{middle[name]:10.1f}{speed:8.1f}{cpu[name]:10.1f}{memory[name]:10.0f}   {each}")
    print(f"coded pictures equal byte for byte: {'yes' if same else 'NO'}")
    print(f"speed against ffmpeg: {ratio:.3f} (target 0.9); peak memory {memory['wan-render']:.0f} MiB (target 954)")
    return same and ratio >= 0.9 and memory["wan-render"] * 2**20 < 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600, help="length of the film (600)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each side makes it (1)")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    options = parser.parse_args()
    cut = animatic(options.seconds)
    sides: dict[str, list[Run]] = {"wan-render": [], "ffmpeg": []}
    with tempfile.TemporaryDirectory(prefix="finishing-") as name:
        folder = Path(name)
        make_clips(folder)
        for n in range(options.rounds):
            pair: list[tuple[str, Callable[[Cut, Path, Path], None]]] = [("wan-render", ours), ("ffmpeg", rival)]
            for side, make in pair[:: 1 if n % 2 == 0 else -1]:
                sides[side].append(measured(make, cut, folder))
    met = report(cut, sides)
    if options.json:
        runs = {side: [asdict(run) for run in done] for side, done in sides.items()}
        options.json.write_text(json.dumps(runs, indent=2) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
