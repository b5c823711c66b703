"""How visible the joint is between a take and one that continues it: by its last picture, or by its latents.

    python -m benchmarks.continued_takes                           (tiny models of random weights, on a CPU)
    python -m benchmarks.continued_takes FOLDER --json seams.json  (the model of benchmarks.learnt.train)

`seam` is the ratio of quality.seams, of the two frames that meet in the film: the last one of the first take and the
second one of the next, whose first frame shows the same moment. 1 is invisible. `same moment` is the PSNR of those two
frames that show one moment, in dB; 99 if they are equal. `error` is that of the next take's frames against one right
clip, as a share of its variance. A scene has many right clips, so `another right clip` says how far apart two of them
are: a take that is no further off is right. All are medians over the pairs. The ways:

- picture: what is done by default.
- picture, one video: the same latents, decoded after those of the first take. Not offered; it shows what of the
  difference is the decoder's.
- latents, alone: conditioned on the last latents, but decoded alone. Not offered, for the same reason.
- latents: what `render: {previous: latents}` does.

Random weights make noise of everything, so tiny models show how far decoding alone goes, and nothing of conditioning.
No prediction was written before their first run. What was predicted of the learnt model is in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engine.results import table, tell
from benchmarks.learnt.approaches import GUIDANCE
from benchmarks.learnt.moving_scenes import NEGATIVE, PROMPTS, Scenes, drawn, drawn_again, random_scenes
from benchmarks.learnt.opened_model import as_pixels
from benchmarks.learnt.small_model import SCALES, SHIFT, Scale
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader, without_bars
from wan_render.backends.wan.models.local_folder import folder_card
from wan_render.backends.wan.pipeline.latent_handover import begun_on, to_hand_over
from wan_render.backends.wan.pipeline.latents import decode_video
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.facts import FactCache
from wan_render.quality.measuring import measure
from wan_render.quality.seams import seam_ratio
from wan_render.render_values import Device, Pixels, Progress, TakeInputs
from wan_render.take import LATENTS_VERSION, FramePlate, Plate, Sampling, ShotKind, Take

UNSEEN = 2_000_003
"""The seed of scenes to judge on; trainings use small ones."""
STEPS = 30
Row = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two takes, the second of which continues the first. first: the picture that the first begins on.

    ends:  the pictures that they end on; None if they end on none. truth: right frames of the second take, if there
           are any. true_seam: the seam of the right frames. other_error: that of other right frames.
    """

    before: Take
    after: Take
    first: Pixels
    ends: tuple[Pixels | None, Pixels | None]
    truth: Pixels | None = None
    true_seam: float = math.nan
    other_error: float = math.nan


class OpenedPair:
    """A model that renders pairs, with its VAE apart."""

    def __init__(self, folder: Path) -> None:
        without_bars()
        name = "cuda" if torch.cuda.is_available() else "cpu"
        card = folder_card(folder, FactCache(folder.with_name(f"{folder.name}-facts")))
        opened = BACKEND.open(card, Device(f"{name}:0" if name == "cuda" else name, name, 0), _nobody)
        if not isinstance(opened, WanRenderer):
            raise TypeError("expected a renderer of Wan models")
        self._renderer = opened
        self._vae = FolderLoader(read_checkpoint(folder), EXACT[name]).module("vae").to(name)

    @torch.no_grad()
    def ways(self, pair: Pair) -> tuple[Pixels, Mapping[str, Pixels]]:
        """The frames of the first take, and those of the second in each way."""
        one = self._renderer.latents(pair.before, TakeInputs(pair.first, pair.ends[0]))
        shown = decode_video(one, self._vae)
        inputs = TakeInputs(shown[-1], pair.ends[1])
        by_picture = self._renderer.latents(pair.after, inputs)
        plate = FramePlate(pair.before.key, pair.before.frames - 1, pair.after.size, LATENTS_VERSION)
        handed = replace(inputs, latents=to_hand_over(one))
        by_latents = self._renderer.latents(replace(pair.after, first=plate), handed)
        before = one[:, :, :-1]
        return shown, {
            "picture": decode_video(by_picture, self._vae),
            "picture, one video": decode_video(begun_on(one, by_picture), self._vae, before),
            "latents, alone": decode_video(by_latents, self._vae),
            "latents": decode_video(by_latents, self._vae, before),
        }


def judged(model: OpenedPair, pairs: Iterator[Pair]) -> dict[str, Row]:
    """A row for each way."""
    found: dict[str, list[Row]] = {}
    right: list[Row] = []
    for pair in pairs:
        shown, ways = model.ways(pair)
        right.append({"seam": pair.true_seam, "error": pair.other_error})
        for name, frames in ways.items():
            found.setdefault(name, []).append(_row(pair, shown, frames))
    rows: dict[str, Row] = {
        name: {key: statistics.median(each[key] for each in those) for key in those[0]} for name, those in found.items()
    }
    if not math.isnan(right[0]["seam"]):
        for name, key in (("the right pictures", "seam"), ("another right clip", "error")):
            rows[name] = {**dict.fromkeys(rows["picture"], ""), key: statistics.median(each[key] for each in right)}
    return rows


def _row(pair: Pair, shown: Pixels, frames: Pixels) -> Row:
    row = {"seam": _seam(shown, frames), "same moment": _psnr(shown[-1], frames[0])}
    if pair.truth is not None:
        row["error"] = _error(frames, pair.truth)
    return row


def _error(frames: Pixels, truth: Pixels) -> float:
    wanted = truth[1:].astype(float)
    return float(np.square(frames[1:] - wanted).mean() / wanted.var())


def _seam(one: Pixels, other: Pixels) -> float:
    motions = [measure(iter(each)).motion for each in (one, other)]
    return seam_ratio(one[-1], other[1], motions[0], motions[1])


def _psnr(one: Pixels, other: Pixels) -> float:
    error = float(np.square(one.astype(float) - other).mean())
    return 99.0 if error == 0 else 10 * math.log10(255**2 / error)


def learnt_pairs(scale: Scale, count: int) -> Iterator[Pair]:
    """Balls that roll to one place, and from there to another."""
    size = scale.size
    scenes = random_scenes(2 * count, size.width / size.height, torch.Generator().manual_seed(UNSEEN))
    for at in range(count):
        one, other = scenes.part(slice(at, at + 1)), scenes.part(slice(count + at, count + at + 1))
        following = replace(one, starts=one.ends, ends=other.ends, prompts=other.prompts)
        another = drawn_again(following, torch.Generator().manual_seed(at))
        right = [_drawn(each, scale) for each in (one, following, another)]
        takes = [_learnt_take(each, scale, at + seed) for each, seed in ((one, 0), (following, 1000))]
        ends = (right[0][-1], right[1][-1])
        seam, other_error = _seam(right[0], right[1]), _error(right[2], right[1])
        yield Pair(takes[0], takes[1], right[0][0], ends, right[1], seam, other_error)


def _drawn(scene: Scenes, scale: Scale) -> Pixels:
    size = scale.size
    return as_pixels(drawn(scene, torch.linspace(0, 1, scale.frames), size.height, size.width)[0])


def _learnt_take(scene: Scenes, scale: Scale, seed: int) -> Take:
    plate = Plate("0" * 64, scale.size)
    return Take(
        backend="wan/1",
        model="learnt",
        first=plate,
        last=plate,
        prompt=PROMPTS[int(scene.prompts[0])],
        negative=NEGATIVE,
        frames=scale.frames,
        size=scale.size,
        rate=Fraction(16),
        seed=seed,
        sampling=Sampling(STEPS, (GUIDANCE,), SHIFT),
    )


def tiny_pairs(name: str, count: int) -> Iterator[Pair]:
    """Takes of a tiny model with pictures of noise."""
    from tests.tiny_wan import KINDS

    kind, plate = KINDS[name], Plate("0" * 64, KINDS[name].size)
    has_last = kind.kinds == (ShotKind.FLF2V,)
    for at in range(count):
        random = np.random.default_rng(at)
        pictures = random.integers(0, 256, (3, kind.size.height, kind.size.width, 3), dtype=np.uint8)
        take = Take(
            backend="wan/1",
            model="tiny",
            first=plate,
            last=plate if has_last else None,
            prompt="boats leave",
            negative="static",
            frames=17,
            size=kind.size,
            rate=kind.rate,
            seed=at,
            sampling=Sampling(4, (5.0,) * kind.experts, 3.0),
        )
        ends = (pictures[1], pictures[2]) if has_last else (None, None)
        yield Pair(take, replace(take, seed=at + 1000, prompt="boats come home"), pictures[0], ends)


def _nobody(progress: Progress) -> None:
    """Listens to nothing."""


def main() -> None:
    programs = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programs.add_argument("folder", type=Path, nargs="?", help="a model of benchmarks.learnt.train; else tiny ones")
    programs.add_argument("--pairs", type=int, default=8)
    programs.add_argument("--json", type=Path)
    asked = programs.parse_args()
    found: dict[str, dict[str, Row]] = {}
    if asked.folder is not None:
        scale = SCALES[json.loads((asked.folder / "learnt.json").read_text(encoding="utf-8"))["scale"]]
        found["learnt"] = judged(OpenedPair(asked.folder), learnt_pairs(scale, asked.pairs))
    else:
        from tests.tiny_wan import KINDS, save_tiny

        with tempfile.TemporaryDirectory() as folder:
            for name in ("i2v-2.1", "flf2v-2.1", "i2v-a14b", "ti2v-5b"):
                model = OpenedPair(save_tiny(KINDS[name], Path(folder) / name))
                found[name] = judged(model, tiny_pairs(name, asked.pairs))
    for name, rows in found.items():
        print(f"\n{name}\n{table(rows)}")
    tell(found, asked.json)


if __name__ == "__main__":
    main()
