"""Trains the small model and saves it as a folder in diffusers' layout, which `model:` in a storyboard may name.

    python -m benchmarks.learnt.train FOLDER                     (one GPU, 10 minutes)
    python -m benchmarks.learnt.train FOLDER --scale cpu --vae-steps 300 --steps 600      (a CPU, some minutes)

Predicted before the first run on a GPU: 0.04 s a step, so 11,000 steps in 8 minutes; clips through the VAE at 32 dB;
both ends of a take within 1 % of the latents' variance; frames in the middle within 10 % (a blend of both ends: 50 %).

A first run on an H100, cut to three minutes, had a VAE that learnt nothing from whole clips in 20 s. It learns from
short parts of clips since. Predicted then: 0.2 s a step of the VAE, so 1,000 steps in 200 s, and 26 dB.

The first whole run, on an H200: 0.31 s a step of the VAE, 15.7 dB; 3,967 steps of the transformer; ends within 8 %,
of which 7 % are the VAE's; middles are not learnt, 127 % (a blend 91 %). docs/benchmarks.md has what it was used for.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.learnt.learn_transformer import Lessons, learn_transformer
from benchmarks.learnt.learn_vae import fidelity, learn_vae
from benchmarks.learnt.learning import Effort
from benchmarks.learnt.small_model import SCALES, readers, save_model, transformer_of, vae_of


def main() -> None:
    programs = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programs.add_argument("folder", type=Path)
    programs.add_argument("--scale", choices=SCALES, default="gpu")
    programs.add_argument("--seed", type=int, default=1)
    programs.add_argument("--seconds", type=float, default=370, help="for the transformer")
    programs.add_argument("--steps", type=int, help="for the transformer, in place of seconds: can be repeated")
    programs.add_argument("--vae-seconds", type=float, default=200)
    programs.add_argument("--vae-steps", type=int)
    asked = programs.parse_args()
    scale, device = SCALES[asked.scale], torch.device("cuda" if asked.scale == "gpu" else "cpu")
    read = readers()
    torch.manual_seed(asked.seed)
    generator = torch.Generator(device).manual_seed(asked.seed)
    vae = vae_of(scale).to(device)
    vae_steps = learn_vae(vae, scale, Effort(asked.vae_seconds, asked.vae_steps), generator)
    vae = vae.eval().requires_grad_(requires_grad=False)
    facts = {"seed": asked.seed, "scale": asked.scale, "VAE steps": vae_steps, **fidelity(vae, scale, generator)}
    print(facts, flush=True)
    transformer = transformer_of(scale).to(device)
    lessons = Lessons(scale, read, generator)
    learnt, steps = learn_transformer(transformer, lessons, Effort(asked.seconds, asked.steps), generator)
    facts |= {"steps": steps, "parameters": sum(each.numel() for each in learnt.parameters())}
    save_model(asked.folder, learnt.cpu(), vae.cpu(), read, facts)
    print(facts, f"saved in {asked.folder}", flush=True)


if __name__ == "__main__":
    main()
