"""Finishing a film: `make_film` compared with the best single ffmpeg command that does the same from the same clips.

    python -m benchmarks.finishing                        ten minutes of film, once each
    python -m benchmarks.finishing --seconds 30 --rounds 3
    python -m benchmarks.finishing --whole                with titles, subtitles, music, narration and sounds
    python -m benchmarks.finishing --whole --only wan-render     the memory of one side
    python -m benchmarks.finishing --whole --plain --only wan-render     the same, on a machine that has little time

The film repeats twenty clips (832x480, 81 frames, FFV1: a camera move over a painted landscape with moving lights and
grain), joined continuously like an animatic. Each shot's label is burned in. The film is scaled to 1280x720: BT.709,
x264 medium CRF 18, AAC, chapters, fast start. The rival is one ffmpeg that reads the clips itself (concat demuxer, with
`outpoint` to drop the shared frame), with the same filters, text, metadata and encoder. No Python code touches its
frames. The coded pictures of both films are compared byte for byte.

With --whole the film also has a card in Chinese and one in Arabic, a subtitle of two lines every five seconds, music
that is ducked under a narration every twenty seconds, and a bang every minute. The rival delays, ducks, mixes and
limits the same files in the same command: `adelay`, `sidechaincompress`, `amix`, `alimiter`. It measures no loudness
and gets the gain for nothing, while wan-render measures the mix twice. So the sounds are not compared.

With --plain every clip is one soft ramp, which costs little to code. Lengths and sizes are the same, so it shows the
memory of a long film. Its speed says nothing.

The sides take turns, and the order changes every round. Seconds are medians. CPU seconds are less affected by other
users of the machine. Memory is the peak of the summed resident memory of a side's processes, sampled every 50 ms.
Targets: at least 0.9 of the rival's speed, under 1 GB; with --whole 0.85 and 1.5 GB.

Predictions, written before the first runs: 0.97 of its speed (a pipe of 1.6 MB per frame is negligible next to the
encoder at 30 frames per second) and 450 MB, nearly all of it for x264. With --whole 0.93, since the mix is made before
the first frame is encoded and takes 5 % of the encoder's time, and 600 MB.
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
from pathlib import Path

import psutil
from av import open as open_video

from benchmarks.finishing_media import BLACK, DELIVERY, RATE, SIZE, animatic, make_clips, make_sounds
from wan_render.cut import ClipSource, Cut
from wan_render.media import ffmpeg, ffmpeg_features
from wan_render.media.chapters import ffmetadata
from wan_render.media.film_encode import MIX_BITRATE, make_film, place_letters
from wan_render.render_values import Pixels
from wan_render.sound import samples
from wan_render.sound.mixdown import mix_to_file
from wan_render.take import AnyPlate

GAIN = "-2dB"
"""What the rival's mix is changed by: about what wan-render finds for it."""


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


# The two sides


def ours(cut: Cut, folder: Path, target: Path) -> None:
    mix = None
    if cut.sound is not None:
        mix = folder / "mix.wav"
        files = {sound.source: folder / f"{sound.source}.wav" for sound in cut.sound.sounds}
        mix_to_file(cut.sound, files, samples(cut.frames / cut.rate), mix, lambda _done, _total: None)
    tags = {"comment": "benchmark"}
    make_film(cut, Clips(folder), target, tags=tags, progress=lambda _done, _total: None, mix=mix)


def rival(cut: Cut, folder: Path, target: Path) -> None:
    """The same film from the same clips, sounds and text files, by one ffmpeg command."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        work = Path(name)
        (work / "list.txt").write_text(_concat_list(cut))
        (work / "metadata.txt").write_text(ffmetadata(cut, {"comment": "benchmark"}), encoding="utf-8")
        place_letters(work, cut)
        subprocess.run(rival_command(cut, target), cwd=work, check=True)


def _concat_list(cut: Cut) -> str:
    """Every clip with its out-point. FFV1 is intra-only, so this is frame-accurate (the digests prove it)."""
    lines = ["ffconcat version 1.0"]
    for event in cut.events:
        clip = event.source.key if isinstance(event.source, ClipSource) else BLACK
        lines += [f"file ../{clip}.mkv", f"outpoint {float(event.frames / RATE):.6f}"]
    return "\n".join(lines) + "\n"


def rival_command(cut: Cut, target: Path) -> list[str]:
    graph = (
        "crop=832:468:0:6,scale=1280:720:in_range=pc:out_range=tv:out_color_matrix=bt709"
        ":out_h_chr_pos=0:out_v_chr_pos=128:flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp,format=yuv420p,"
        "ass=lettering.ass:fontsdir=fonts,setsar=1,"
        "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
    )
    sounds, mixing = _rival_sound(cut)
    return [
        *[ffmpeg.program(), "-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y"],
        *["-r", str(cut.rate), "-safe", "0", "-f", "concat", "-i", "list.txt", "-f", "ffmetadata"],
        *["-i", "metadata.txt", *sounds, "-map_metadata", "1", "-map_chapters", "1"],
        *["-filter_complex", f"[0:v]{graph}[picture];{mixing}[sound]", "-map", "[picture]", "-map", "[sound]"],
        *["-c:v", "libx264", "-preset", "medium", "-crf", "18", "-flags", "+cgop"],
        *["-g", str(5 * cut.rate), "-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"],
        *["-color_range", "tv", "-c:a", "aac", *(["-b:a", MIX_BITRATE] if cut.sound is not None else [])],
        *["-t", f"{float(cut.frames / cut.rate):.6f}"],
        *["-movflags", "+faststart+use_metadata_tags", "-f", "mp4", str(target)],
    ]


def _rival_sound(cut: Cut) -> tuple[list[str], str]:
    """The inputs of the sounds, and the filters that mix them: voices and bangs are delayed, music is ducked."""
    if cut.sound is None:
        return ["-f", "lavfi", "-i", "anullsrc=channel_layout=stereo:sample_rate=48000"], "[2:a]anull"
    length, inputs, filters = float(cut.frames / cut.rate), list[str](), list[str]()
    labels: dict[bool, list[str]] = {True: [], False: []}
    for number, sound in enumerate(cut.sound.sounds, start=2):
        inputs += [
            *(["-stream_loop", "-1", "-t", f"{length:.6f}"] if sound.loop else []),
            "-i",
            f"../{sound.source}.wav",
        ]
        delay = f"adelay={samples(sound.start)}S:all=1," if sound.start else ""
        filters.append(
            f"[{number}:a]{delay}aformat=sample_fmts=fltp:sample_rates=48000:channel_layouts=stereo[s{number}]"
        )
        labels[sound.speech].append(f"[s{number}]")
    music, *bangs = labels[False]
    voices = labels[True]
    filters += [
        f"{''.join(voices)}amix=inputs={len(voices)}:normalize=0,apad=whole_dur={length:.6f},asplit[words][key]",
        f"{music}[key]sidechaincompress=threshold=0.05:ratio=3[ducked]",
        f"[ducked][words]{''.join(bangs)}amix=inputs={2 + len(bangs)}:normalize=0:duration=first,"
        f"volume={GAIN},alimiter=limit=0.84:level=0",
    ]
    return inputs, ";".join(filters)


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
    """Print the sides. Returns whether the targets are met."""
    least, most = (0.9, 1e9) if cut.sound is None else (0.85, 1.5e9)
    middle = {name: statistics.median(run.seconds for run in runs) for name, runs in sides.items()}
    cpu = {name: statistics.median(run.cpu_seconds for run in runs) for name, runs in sides.items()}
    memory = {name: max(run.mebibytes for run in runs) for name, runs in sides.items()}
    same = len({run.digest for runs in sides.values() for run in runs}) == 1
    memory_met = "wan-render" not in memory or memory["wan-render"] * 2**20 < most
    print(f"{cut.frames} frames, {float(cut.frames / cut.rate):.1f} s of film, {SIZE} to {DELIVERY}")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, ffmpeg {ffmpeg_features.version()}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':12}{'seconds':>10}{'fps':>8}{'CPU s':>10}{'peak MiB':>10}   seconds of each run")
    for name, runs in sides.items():
        each = ", ".join(f"{run.seconds:.1f}" for run in runs)
        speed = cut.frames / middle[name]
        print(f"{name:12}{middle[name]:10.1f}{speed:8.1f}{cpu[name]:10.1f}{memory[name]:10.0f}   {each}")
    if len(sides) == 1:
        return memory_met
    print(f"coded pictures equal byte for byte: {'yes' if same else 'NO'}")
    ratio, of_cpu = middle["ffmpeg"] / middle["wan-render"], cpu["ffmpeg"] / cpu["wan-render"]
    print(f"speed against ffmpeg: {ratio:.3f} (target {least}), by CPU seconds {of_cpu:.3f}")
    print(f"peak memory: {memory['wan-render']:.0f} MiB (target {most / 2**20:.0f})")
    return same and ratio >= least and memory_met


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600, help="length of the film (600)")
    parser.add_argument("--rounds", type=int, default=1, help="how often each side makes it (1)")
    parser.add_argument("--whole", action="store_true", help="with titles, subtitles and sound")
    parser.add_argument("--plain", action="store_true", help="clips that cost little to code, to measure memory")
    parser.add_argument("--only", choices=("wan-render", "ffmpeg"), help="run one side only")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    options = parser.parse_args()
    cut = animatic(options.seconds, whole=options.whole)
    every: dict[str, Callable[[Cut, Path, Path], None]] = {"wan-render": ours, "ffmpeg": rival}
    pair = [(side, make) for side, make in every.items() if options.only in (None, side)]
    sides: dict[str, list[Run]] = {side: [] for side, _ in pair}
    with tempfile.TemporaryDirectory(prefix="finishing-") as name:
        folder = Path(name)
        make_clips(folder, moving=not options.plain)
        make_sounds(folder)
        for n in range(options.rounds):
            for side, make in pair[:: 1 if n % 2 == 0 else -1]:
                run = measured(make, cut, folder)
                print(f"{side}: {run}, load {os.getloadavg()[0]:.1f}", flush=True)
                sides[side].append(run)
    met = report(cut, sides)
    if options.json:
        runs = {side: [asdict(run) for run in done] for side, done in sides.items()}
        options.json.write_text(json.dumps(runs, indent=2) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
