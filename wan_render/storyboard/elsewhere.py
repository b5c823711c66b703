"""Where the format has a key that was written in the wrong map, or that other tools use.

`seed` in a shot belongs in `render`; `fps` is `film.rate`. Keys that are only misspelt are guessed elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from wan_render.authored import PathInFile
from wan_render.storyboard.nodes import Node, ScalarNode

_KIND = frozenset({"model", "steps", "guidance", "shift"})
_RENDER = frozenset({"seed", "negative", "loras", "profile", "variant", "frames", "gpus", "extend", "previous"})
_LOOK = frozenset({"style", "setting", "avoid"})
_INHERITED = frozenset({"duration", "takes", "transition", "render", "qc", "cloud"})
_FILM = frozenset(
    {"title", "slug", "aspect", "raster", "deliver", "fit", "rate", "fade_in", "fade_out", "priority"}
    | {"subtitles", "language", "dissolves", "match_colours", "upscale", "deliverables", "timecode", "poster"}
    | {"repair_jumps", "ease_joints", "budget"}
)
_TOP = frozenset({"version", "film", "look", "defaults", "keyframes", "titles", "scenes", "shots", "audio"})
_SHOT = frozenset(
    {"from", "to", "through", "still", "card", "clip", "in", "out", "hold", "size", "angle", "lens", "move", "action"}
    | {"prompt", "circle", "ng", "subtitle", "dialogue", "sound", "shot", "notes", "status", "clip_sound"}
)
_PARTS = ("high", "low", "text_encoder", "vae", "image_encoder", "tokenizer", "like", "comfyui", "images")
_INSIDE = {
    "music": ("audio",), "narration": ("audio",), "open": ("titles",), "close": ("titles",),
    "image": ("keyframes", "NAME"), "focus": ("keyframes", "NAME"), "gain": ("sound",), "file": ("sound",),
    "frame": ("keyframes", "NAME"), "say": ("narration",), "voice": ("narration",), "tool": ("sound",),
    "loop": ("sound",), "speech": ("sound",), "duck": ("audio", "music"), "loudness": ("audio",), "peak": ("audio",),
    "path": ("render", "loras"), "scale": ("render", "loras"),
    "expert": ("render", "loras"), "retakes": ("qc",), "check": ("qc",), "allow": ("cloud",),
    "keyframe": ("through",), "who": ("dialogue",),
    "method": ("film", "rate"), "weights": ("film", "upscale"),
    **dict.fromkeys(("enabled", "unanswered", "names"), ("render", "extend")),
    **dict.fromkeys(_PARTS, ("render", "flf2v", "model")),
}  # fmt: skip
"""Keys of inner maps, and the path to these maps."""

_OTHERS = {
    "negative": "negative_prompt neg_prompt neg negativeprompt undesired",
    "guidance": "cfg cfg_scale guidance_scale cfgscale scale_cfg guide_scale sample_guide_scale text_guidance_scale",
    "steps": "num_inference_steps inference_steps sampling_steps sample_steps num_steps infer_steps step denoise_steps",
    "frames": "num_frames frame_num n_frames video_length frame_count length_frames num_video_frames",
    "shift": "flow_shift sample_shift time_shift sigma_shift timestep_shift",
    "seed": "noise_seed rand_seed random_seed base_seed seeds",
    "model": "model_name model_id checkpoint ckpt ckpt_name ckpt_dir unet transformer model_path",
    "loras": "lora lora_path lora_name lora_weights lora_file lora_dir adapters",
    "profile": "quality preset speed",
    "gpus": "gpu num_gpus ulysses_size",
    "extend": "prompt_extend use_prompt_extend enhance_prompt prompt_enhancement magic_prompt prompt_enhance",
    "budget": "max_cost cost_limit spending_limit max_spend",
    "priority": "prio urgency importance",
    "rate": "fps frame_rate framerate frames_per_second",
    "raster": "width height resolution dimensions image_size video_size",
    "aspect": "aspect_ratio ratio ar",
    "deliver": "output_size export_size",
    "deliverables": "codec codecs formats output_format encode encodes masters delivery_formats",
    "timecode": "tc start_timecode timecode_start start_tc",
    "poster": "poster_frame thumbnail cover_frame",
    "upscale": "upscaler upscale_method upscaling upscale_model super_resolution superres sr esrgan",
    "from": "start start_image start_frame first first_frame first_image begin image init_image input_image img"
    " source_image image_start head_image keyframe ref_image",
    "to": "end end_image end_frame last last_frame last_image image_end tail tail_image target target_image",
    "action": "description text caption scene_description subject motion_prompt what",
    "prompt": "positive positive_prompt prompt_text video_prompt",
    "move": "camera camera_movement camera_motion camera_move movement motion camera_control",
    "size": "shot_size shot_type framing",
    "duration": "seconds secs time dur length video_duration clip_length",
    "takes": "num_takes count batch batch_size num_videos variations num_images n_samples n_iter",
    "shot": "id name number shot_id shot_name",
    "scene": "scene_id scene_name",
    "transition": "fade dissolve crossfade cut joint",
    "sound": "audio sfx",
    "music": "bgm soundtrack score",
    "narration": "voiceover voice_over",
    "loop": "repeat looped",
    "duck": "ducking sidechain",
    "gain": "volume vol",
    "loudness": "lufs target_loudness",
    "subtitle": "captions caption_text",
    "dialogue": "dialog dialogs dialogues speech spoken",
    "who": "speaker",
    "language": "lang locale",
    "style": "styles look_style art_style",
    "setting": "location place environment background",
    "notes": "note comment comments",
    "keyframes": "images pictures frames_folder references",
    "avoid": "exclude",
}
_OWN = {other: own for own, others in _OTHERS.items() for other in others.split()}

_NOWHERE = {
    "sampler": "the model's own sampler is used", "sampler_name": "the model's own sampler is used",
    "scheduler": "the model's own schedule is used", "sample_solver": "the model's own sampler is used",
    "denoise": "every take starts from noise", "strength": "every take starts from noise",
    "denoising_strength": "every take starts from noise", "output": "--outputs names the folder",
    "output_path": "--outputs names the folder", "outputs": "--outputs names the folder",
    "device": "WAN_RENDER_DEVICES names devices", "dtype": "profiles decide about precision",
    "precision": "profiles decide about precision", "backend": "--backend names the backend",
}  # fmt: skip


@dataclass(frozen=True)
class Elsewhere:
    """allowed, remedy: for the message. same_map: the key of the same map that was meant; "" if it is in another."""

    allowed: str
    remedy: str
    same_map: str = ""


def known_elsewhere(
    key: str, value: Node, path: PathInFile, keys: Collection[str], beside: Collection[str]
) -> Elsewhere | None:
    """Where an unknown key of the map at `path` belongs; None if the format has nothing like it.

    keys: those that the map may have. beside: those that it has.
    """
    folded = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower().replace("-", "_").replace(" ", "_")
    if folded in _NOWHERE:
        return Elsewhere(_NOWHERE[folded], "delete it")
    own = _own(folded, path, keys)
    if own is None:
        return None
    allowed = "" if own == key or own in _PLAIN else "this is another tool's name for it"
    if own in keys:
        return Elsewhere(allowed, f"write {own}: {_value(folded, own, value)}", own)
    is_shot = _level(path) == "shot" and len(path) == _WITHIN["shot"]
    kind = "t2v" if _level(path) == "keyframe" else _kind(beside) if is_shot else "flf2v"
    way, place = _way(own, path, kind)
    if not way:
        return None
    return Elsewhere(allowed, f"write {_nested((*way, own), _value(folded, own, value))}{place}")


_BY_LEVEL = {
    ("shot", "image"): "from", ("scene", "title"): "slugline", ("scene", "id"): "scene", ("scene", "name"): "scene",
    ("top", "id"): "slug", ("top", "name"): "title", ("film", "id"): "slug", ("film", "name"): "title",
    ("film", "size"): "raster", ("shot", "subtitles"): "subtitle",
    ("top", "size"): "raster", ("top", "prompt"): "prompt", ("keyframe", "text"): "prompt",
    **{("titles", key): "open" for key in ("start", "begin", "first", "opening", "intro", "before")},
    **{("titles", key): "close" for key in ("end", "ending", "last", "closing", "outro", "after", "credits")},
    ("keyframe", "path"): "image", ("keyframe", "file"): "image", ("keyframe", "src"): "image",
}  # fmt: skip
_EVERY = _KIND | _RENDER | _LOOK | _INHERITED | _FILM | _TOP | _SHOT | frozenset(_INSIDE)


_OF_TIMED = {
    **dict.fromkeys(("duration", "seconds", "secs", "dur", "length", "time"), "for"),
    **dict.fromkeys(("start", "begin", "from", "offset", "delay", "when"), "at"),
    **dict.fromkeys(("text", "content", "caption", "words", "title"), "text"),
}
"""Keys of sounds, subtitles and title cards by other names: these are on screen or heard `at` a time, `for` a time."""

_PLAIN = frozenset({"for", "at", "text", "open", "close"})
"""Keys that people call otherwise, whatever tools they know."""


def _own(folded: str, path: PathInFile, keys: Collection[str]) -> str | None:
    """The format's key for a foreign one; some depend on the part of the file, and on the keys that its map has."""
    level = _level(path)
    if "for" in keys and _OF_TIMED.get(folded) in keys:
        return _OF_TIMED[folded]
    if (level, folded) in _BY_LEVEL:
        return _BY_LEVEL[level, folded]
    return folded if folded in _EVERY else _OWN.get(folded)


def _level(path: PathInFile) -> str:
    """The part of the file that a map belongs to: a shot, a scene, a keyframe, the film, or the top."""
    if path[:1] == ("scenes",):
        return "shot" if len(path) >= 4 else "scene"
    if path[:1] == ("keyframes",):
        return "keyframe"
    if path == ("titles",):
        return "titles"
    return "film" if path[:1] == ("film",) else "top"


_WITHIN = {"shot": 4, "scene": 2, "keyframe": 2}
_AT_TOP = ", at the top of the file"


def _way(own: str, path: PathInFile, kind: str) -> tuple[tuple[str, ...], str]:
    """The maps around a key, and the place that they start from, in words. The maps start from the part of the file in
    which the key was found, or from the top. No maps if the key is unknown."""
    level = _level(path)
    deeper = len(path) > _WITHIN.get(level, len(path))
    here = f", in the {level}" if deeper else ""
    if own in _FILM:
        return ("film",), "" if not path else _AT_TOP
    if own in _SHOT and level != "shot":
        return ("shots",), ", for a shot"
    if own in _SHOT or (own in _INHERITED and level in ("shot", "scene")):
        return ("",), here
    if own in _INSIDE:
        at_top = _INSIDE[own][0] in _TOP
        return _INSIDE[own], _AT_TOP if at_top and path else here
    if own in _TOP:
        return ("",), _AT_TOP
    return _inherited(own, level, kind, path, here)


def _inherited(own: str, level: str, kind: str, path: PathInFile, here: str) -> tuple[tuple[str, ...], str]:
    """As `_way`, for keys that film, scene and shot share: settings of rendering and words for prompts."""
    if own in _LOOK:
        return ("look",), here if level in ("shot", "scene") else _AT_TOP if path else ""
    inner = {True: ("render", kind), False: ("render",)}[own in _KIND] if own not in _INHERITED else ()
    if level in _WITHIN:
        return inner or ("",), here
    return (inner, "") if path == ("defaults",) else (("defaults", *inner), _AT_TOP if path else "")


def _kind(beside: Collection[str]) -> str:
    """The kind of a shot with these keys, in the names of any tool."""
    if any(key in beside for key in ("to", *_OTHERS["to"].split())):
        return "flf2v"
    return "i2v" if any(key in beside for key in ("from", *_OTHERS["from"].split())) else "t2v"


def _nested(way: tuple[str, ...], value: str) -> str:
    """`render: {flf2v: {steps: 20}}`. Shots are items of a list."""
    text = f"{way[-1]}: {value}"
    for outer in reversed([step for step in way[:-1] if step]):
        text = f"{outer}: [{{{text}}}]" if outer == "shots" else f"{outer}: {{{text}}}"
    return text


def _value(folded: str, own: str, node: Node) -> str:
    """The value for the remedy: unchanged if it is short and means the same here, else an example or `…`."""
    if own in ("from", "to") and folded != own:
        return "NAME, of a keyframe"
    text = node.text if isinstance(node, ScalarNode) else ""
    if own == "raster" and not re.fullmatch(r"[0-9]+\s*x\s*[0-9]+|(480|720)p", text):
        return "832x480"
    if own == "duration" and re.fullmatch(r"[0-9.]+", text):
        return f"{text}s"
    if own in ("transition", "keyframes") and folded != own:
        return "…"
    return text if 0 < len(text) <= 30 and text.isprintable() and not re.search(r"[:#{}\[\],]", text) else "…"
