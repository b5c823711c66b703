"""The nodes of the fake ComfyUI: what /object_info says of them, and what they compute. The shapes are those of the
real ones; the "model" fades between two pictures, with grain of the seed."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

UNET, CLIP, VAE = "wan2.1_flf2v_720p_14B_fp16.safetensors", "umt5_xxl_fp16.safetensors", "wan_2.1_vae.safetensors"
INT = {"min": 0, "max": 2**64 - 1}
SIDE = {"default": 832, "min": 16, "max": 16384, "step": 16}

Types = Mapping[str, Mapping[str, Any]]


def inputs_of_classes(folder: Path) -> Types:
    """Class → `input`, as the server states it. folder: of uploaded pictures."""
    pictures = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.png"))
    return {
        "UNETLoader": {"required": {"unet_name": [[UNET]], "weight_dtype": [["default", "fp8_e4m3fn"]]}},
        "ModelSamplingSD3": {"required": {"model": ["MODEL"], "shift": ["FLOAT", {"default": 3.0}]}},
        "CLIPLoader": {"required": {"clip_name": [[CLIP]], "type": [["wan", "sd3"]]}},
        "VAELoader": {"required": {"vae_name": ["COMBO", {"options": [VAE]}]}},
        "CLIPTextEncode": {"required": {"text": ["STRING", {"multiline": True}], "clip": ["CLIP"]}},
        "LoadImage": {"required": {"image": [pictures, {"image_upload": True}]}},
        "WanFirstLastFrameToVideo": {
            "required": {
                "positive": ["CONDITIONING"],
                "negative": ["CONDITIONING"],
                "vae": ["VAE"],
                "width": ["INT", SIDE],
                "height": ["INT", SIDE],
                "length": ["INT", {"default": 81, "min": 1, "max": 16384, "step": 4}],
                "batch_size": ["INT", {"default": 1, "min": 1, "max": 4096}],
            },
            "optional": {"start_image": ["IMAGE"], "end_image": ["IMAGE"]},
        },
        "KSampler": {
            "required": {
                "model": ["MODEL"],
                "seed": ["INT", INT],
                "steps": ["INT", {"default": 20, "min": 1, "max": 10000}],
                "cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0}],
                "sampler_name": [["euler", "uni_pc"]],
                "scheduler": [["simple", "normal"]],
                "positive": ["CONDITIONING"],
                "negative": ["CONDITIONING"],
                "latent_image": ["LATENT"],
                "denoise": ["FLOAT", {"default": 1.0}],
            }
        },
        "VAEDecode": {"required": {"samples": ["LATENT"], "vae": ["VAE"]}},
        "CreateVideo": {"required": {"images": ["IMAGE"], "fps": ["FLOAT", {"default": 30.0}]}},
        "SaveVideo": {
            "required": {
                "video": ["VIDEO"],
                "filename_prefix": ["STRING", {}],
                "format": [["auto"]],
                "codec": [["auto"]],
            }
        },
        "PreviewImage": {"required": {"images": ["IMAGE"]}},
    }


OUTPUT_CLASSES = ("SaveVideo", "PreviewImage")


def flf_workflow() -> dict[str, dict[str, Any]]:
    """A workflow between two keyframes, as `Export (API)` writes it."""
    nodes: dict[str, tuple[str, dict[str, Any]]] = {
        "37": ("UNETLoader", {"unet_name": UNET, "weight_dtype": "default"}),
        "54": ("ModelSamplingSD3", {"model": ["37", 0], "shift": 8.0}),
        "38": ("CLIPLoader", {"clip_name": CLIP, "type": "wan"}),
        "39": ("VAELoader", {"vae_name": VAE}),
        "6": ("CLIPTextEncode", {"text": "a glass flower", "clip": ["38", 0]}),
        "7": ("CLIPTextEncode", {"text": "blurred, ugly", "clip": ["38", 0]}),
        "52": ("LoadImage", {"image": "start.png"}),
        "72": ("LoadImage", {"image": "end.png"}),
        "50": (
            "WanFirstLastFrameToVideo",
            {
                "positive": ["6", 0],
                "negative": ["7", 0],
                "vae": ["39", 0],
                "start_image": ["52", 0],
                "end_image": ["72", 0],
                "width": 720,
                "height": 1280,
                "length": 81,
                "batch_size": 1,
            },
        ),
        "3": (
            "KSampler",
            {
                "model": ["54", 0],
                "seed": 5,
                "steps": 20,
                "cfg": 4.0,
                "sampler_name": "uni_pc",
                "scheduler": "simple",
                "positive": ["50", 0],
                "negative": ["50", 1],
                "latent_image": ["50", 2],
                "denoise": 1.0,
            },
        ),
        "8": ("VAEDecode", {"samples": ["3", 0], "vae": ["39", 0]}),
        "49": ("CreateVideo", {"images": ["8", 0], "fps": 16.0}),
        "48": ("SaveVideo", {"video": ["49", 0], "filename_prefix": "video", "format": "auto", "codec": "auto"}),
    }
    return {
        node: {"inputs": inputs, "class_type": kind, "_meta": {"title": kind}} for node, (kind, inputs) in nodes.items()
    }


def frames_of(graph: Mapping[str, Any], node: str, folder: Path) -> NDArray[np.uint8]:
    """The frames that a node's `images` come from: (frames, height, width, 3)."""
    decode = graph[graph[node]["inputs"]["images"][0]]["inputs"]
    sampler = graph[decode["samples"][0]]["inputs"]
    latent = graph[sampler["latent_image"][0]]["inputs"]
    size = (latent["width"], latent["height"])
    first, last = (_picture(graph, latent.get(end), size, folder) for end in ("start_image", "end_image"))
    shares = np.linspace(0, 1, latent["length"])[:, None, None, None]
    text = graph[latent["positive"][0]]["inputs"]["text"]
    noise = np.random.default_rng([sampler["seed"], zlib.crc32(text.encode()), sampler["steps"]])
    grain = noise.normal(0, 3, (*first.shape[:2], 1)) * np.sin(np.pi * shares)
    return np.clip(np.rint(first * (1 - shares) + last * shares + grain), 0, 255).astype(np.uint8)


def _picture(graph: Mapping[str, Any], link: Any, size: tuple[int, int], folder: Path) -> NDArray[np.float64]:
    if link is None:
        return np.full((size[1], size[0], 3), 128.0)
    with Image.open(folder / graph[link[0]]["inputs"]["image"]) as image:
        return np.asarray(image.convert("RGB").resize(size), np.float64)
