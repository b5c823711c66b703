"""WanGP's settings → the settings of a shot. WanGP writes them as JSON into the `comment` of its videos."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from wan_render.other_tools.found_shot import UNNAMED, FoundLora, FoundShot

_NOTHING: tuple[object, ...] = (None, "", 0, [], False, -1)
"""Values that change nothing, whatever the key."""

_WORTH_SAYING: dict[str, tuple[object, ...]] = {
    "guidance2_scale": (), "switch_threshold": (), "guidance_phases": (1,), "sliding_window_size": (81, 129),
    "temporal_upsampling": (), "spatial_upsampling": (), "film_grain_intensity": (), "RIFLEx_setting": (),
    "skip_steps_cache_type": (), "tea_cache_setting": (), "slg_switch": (), "cfg_star_switch": (), "cfg_zero_step": (),
    "NAG_scale": (1, 1.0), "MMAudio_setting": (), "video_prompt_type": (), "prompt_enhancer": (),
    "audio_prompt_type": (), "denoising_strength": (1, 1.0), "force_fps": (),
}  # fmt: skip
"""Settings without a place in a storyboard, and the values of each that change nothing."""


def wangp_settings(settings: Mapping[str, Any]) -> FoundShot:
    """What WanGP's settings say of a shot. Nothing is an error: what is strange is left out."""
    width, height = _size(settings.get("resolution"))
    kinds = str(settings.get("image_prompt_type", ""))
    return FoundShot(
        tool="WanGP",
        prompt=_text(settings, "prompt"),
        negative=_text(settings, "negative_prompt"),
        seed=seed if (seed := _whole(settings.get("seed"))) is not None and seed >= 0 else None,
        steps=_whole(settings.get("num_inference_steps")),
        guidance=_real(settings.get("guidance_scale")),
        shift=_real(settings.get("flow_shift")),
        frames=_whole(settings.get("video_length")),
        size=(width, height) if width and height else None,
        first=_picture(settings, "image_start") or (UNNAMED if "S" in kinds else ""),
        last=_picture(settings, "image_end") or (UNNAMED if "E" in kinds else ""),
        models=tuple(name for key in ("model_filename", "model_type") if (name := _text(settings, key))),
        loras=tuple(_loras(settings)),
        left_out=tuple(_left_out(settings)),
    )


def _loras(settings: Mapping[str, Any]) -> Iterator[FoundLora]:
    """The multipliers are numbers between blanks, one for each LoRA. `1;0` is one for each phase: the first counts."""
    names = settings.get("activated_loras")
    scales = str(settings.get("loras_multipliers") or "").replace("|", " ").split()
    for place, name in enumerate(names if isinstance(names, list) else ()):
        if isinstance(name, str) and name:
            text = re.split(r"[;,]", scales[place])[0] if place < len(scales) else "1"
            yield FoundLora(
                re.split(r"[/\\]", name)[-1], float(text) if re.fullmatch(r"-?\d{1,3}(\.\d+)?", text) else 1.0
            )


def _left_out(settings: Mapping[str, Any]) -> Iterator[str]:
    if ";" in str(settings.get("loras_multipliers") or ""):
        yield f"multipliers of LoRAs that change: {settings['loras_multipliers']}"
    if (solver := _text(settings, "sample_solver")) not in ("", "unipc"):
        yield f"sample_solver {solver}: the model's own sampler is used"
    for key, usual in _WORTH_SAYING.items():
        value = settings.get(key)
        if value not in _NOTHING and value not in usual:
            yield f"{key} {value}"


def _text(settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key)
    return value if isinstance(value, str) else ""


def _picture(settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key)
    value = value[0] if isinstance(value, list) and value else value
    return re.split(r"[/\\]", value)[-1] if isinstance(value, str) else ""


def _size(text: Any) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,5})x(\d{2,5})", str(text))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value):
        return int(value)
    return value if type(value) is int else None


def _real(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None
