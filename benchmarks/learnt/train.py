"""Trains the small model and saves it as a folder in diffusers' layout, which `model:` in a storyboard may name.

    python -m benchmarks.learnt.train FOLDER                                            (one GPU, 4 minutes)
    python -m benchmarks.learnt.train FOLDER --scale cpu --seconds 600                  (a CPU)

Its VAE is not trained: `linear_vae` writes its weights down. What was predicted, and what it has learnt on an H200, is
in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.learnt.learn_transformer import Lessons, learn_transformer
from benchmarks.learnt.learning import Effort
from benchmarks.learnt.linear_vae import linear_vae
from benchmarks.learnt.small_model import SCALES, readers, save_model, transformer_of


def main() -> None:
    begun = time.perf_counter()
    programs = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programs.add_argument("folder", type=Path)
    programs.add_argument("--scale", choices=SCALES, default="gpu")
    programs.add_argument("--seed", type=int, default=1)
    programs.add_argument("--seconds", type=float, default=200)
    programs.add_argument("--steps", type=int, help="in place of seconds: can be repeated")
    programs.add_argument("--batch", type=int, help="scenes of a step; default: as the scale says")
    programs.add_argument("--device", help="default: cuda for the scale gpu, cpu for the scale cpu")
    asked = programs.parse_args()
    scale = SCALES[asked.scale]
    scale = replace(scale, batch=asked.batch or scale.batch)
    device = torch.device(asked.device or ("cuda" if asked.scale == "gpu" else "cpu"))
    read = readers()
    torch.manual_seed(asked.seed)
    generator = torch.Generator(device).manual_seed(asked.seed)
    transformer = transformer_of(scale).to(device)
    lessons = Lessons(scale, read, device)
    learnt, steps = learn_transformer(transformer, lessons, Effort(asked.seconds, asked.steps), generator)
    facts = {
        "seed": asked.seed,
        "scale": asked.scale,
        "steps": steps,
        "parameters": sum(each.numel() for each in learnt.parameters()),
        "seconds": round(time.perf_counter() - begun),
    }
    save_model(asked.folder, learnt.to("cpu", torch.bfloat16), linear_vae(scale.vae_width), read, facts)
    print(facts, f"saved in {asked.folder}", flush=True)


if __name__ == "__main__":
    main()
