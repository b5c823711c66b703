"""The nodes. ComfyUI's pictures are torch tensors (pictures, height, width, 3), float32 from 0 to 1.

wan_render is imported when a node runs, so that ComfyUI starts without it and then says what is missing.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

CATEGORY = "wan-render"

_STORYBOARD = ("STRING", {"default": "storyboard.yaml", "tooltip": "The path of a storyboard on the server."})
_SHOT = ("STRING", {"default": "010", "tooltip": "A shot of it: 010, or 2/010 in a film with several scenes."})
_TAKE = ("INT", {"default": 0, "min": 0, "max": 9999, "tooltip": "A take's number; 0 for the one in the film."})


class StoryboardShot:
    """A shot's fitted keyframes, texts and numbers, as wan-render would render it. A picture that the shot does not
    have is grey."""

    CATEGORY = CATEGORY
    DESCRIPTION = "What a shot of a wan-render storyboard is made from."
    FUNCTION = "read"
    RETURN_TYPES = ("IMAGE", "IMAGE", "STRING", "STRING", "INT", "INT", "INT", "INT", "FLOAT")
    RETURN_NAMES = ("first", "last", "prompt", "negative", "seed", "frames", "width", "height", "rate")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """What the node is told."""
        return {"required": {"storyboard": _STORYBOARD, "shot": _SHOT, "take": _TAKE}}

    @classmethod
    def IS_CHANGED(cls, storyboard: str, shot: str, take: int) -> str:  # noqa: N802 - ComfyUI's name
        """The take's key: it changes with everything that decides its pixels."""
        from wan_render.session.shot_inputs import shot_take

        return shot_take(Path(storyboard), shot, take).key

    def read(self, storyboard: str, shot: str, take: int) -> tuple[Any, ...]:
        """The values of a shot. Raises wan-render's errors, whose text ComfyUI shows."""
        import numpy as np

        from wan_render.session.shot_inputs import shot_inputs

        found = shot_inputs(Path(storyboard), shot, take)
        size = found.take.size
        grey = np.full((size.height, size.width, 3), 128, np.uint8)
        first, last = (_tensor(grey if each is None else each)[None] for each in (found.first, found.last))
        made = found.take
        numbers = (made.seed, made.frames, size.width, size.height, float(made.rate))
        return (first, last, made.prompt, made.negative, *numbers)


class LoadTake:
    """The frames of a finished take."""

    CATEGORY = CATEGORY
    DESCRIPTION = "The frames of a finished take of a wan-render storyboard, without loss."
    FUNCTION = "load"
    RETURN_TYPES = ("IMAGE", "FLOAT", "INT")
    RETURN_NAMES = ("images", "rate", "frames")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """What the node is told."""
        return {"required": {"storyboard": _STORYBOARD, "shot": _SHOT, "take": _TAKE}}

    @classmethod
    def IS_CHANGED(cls, storyboard: str, shot: str, take: int) -> str:  # noqa: N802 - ComfyUI's name
        """As for the shot: a take is known by its key."""
        return StoryboardShot.IS_CHANGED(storyboard, shot, take)

    def load(self, storyboard: str, shot: str, take: int) -> tuple[Any, ...]:
        """The frames, their rate and their number. Raises wan-render's errors."""
        from wan_render.session.shot_inputs import finished_frames

        frames = finished_frames(Path(storyboard), shot, take)
        return _tensor(frames.pixels), float(frames.rate), len(frames.pixels)


class SaveKeyframe:
    """A picture becomes `keyframes/NAME.png` beside a storyboard, from where shots can use it by its name."""

    CATEGORY = CATEGORY
    DESCRIPTION = "Save a picture as a keyframe of a wan-render storyboard."
    FUNCTION = "save"
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("path",)
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """What the node is told."""
        name = ("STRING", {"default": "dawn", "tooltip": "The keyframe's name: letters, digits, '-' and '_'."})
        replace = ("BOOLEAN", {"default": False, "tooltip": "Whether a keyframe of this name may be replaced."})
        required = {"images": ("IMAGE",), "storyboard": _STORYBOARD, "name": name, "replace": replace}
        return {"required": required}

    def save(self, images: Any, storyboard: str, name: str, replace: bool) -> dict[str, Any]:  # noqa: FBT001 - ComfyUI's call
        """Write the first picture. Raises ValueError or FileExistsError; then nothing is written."""
        from PIL import Image

        if not re.fullmatch(r"[\w-]{1,80}", name):
            raise ValueError(f"{name!r} is not a keyframe's name: allowed are letters, digits, '-' and '_'")
        if not Path(storyboard).is_file():
            raise ValueError(f"{storyboard!r} is not a storyboard: name its file")
        folder = Path(storyboard).parent / "keyframes"
        folder.mkdir(exist_ok=True)
        file = folder / f"{name}.png"
        taken = [each.name for each in folder.iterdir() if each.stem == name and each != file]
        if taken or (file.exists() and not replace):
            raise FileExistsError(
                f"{folder} has a keyframe {name} already: choose another name, or allow to replace it"
            )
        number, part = tempfile.mkstemp(prefix=f".{name}-", suffix=".png", dir=folder)
        try:
            with os.fdopen(number, "wb") as opened:
                Image.fromarray(_pixels(images[0])).save(opened, "PNG")
            Path(part).chmod(0o644)
            Path(part).replace(file)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
        return {"ui": {"text": [str(file)]}, "result": (str(file),)}


def _tensor(pixels: Any) -> Any:
    """uint8 → float32 from 0 to 1. SaveImage of ComfyUI turns it back into the same bytes."""
    import numpy as np
    import torch

    return torch.from_numpy(pixels.astype(np.float32) / 255.0)


def _pixels(image: Any) -> Any:
    """One picture (height, width, 3) as uint8, rounded."""
    import numpy as np

    return np.clip(np.rint(image.cpu().numpy()[..., :3] * 255.0), 0, 255).astype(np.uint8)
