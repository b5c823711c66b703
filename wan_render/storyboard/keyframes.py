"""Keyframes as written: a folder is listed, a picture or a prompt is asked for."""

from __future__ import annotations

import unicodedata
from typing import Any

from wan_render.model import PREVIOUS
from wan_render.model.spelling import Misspelt
from wan_render.printable import shown
from wan_render.storyboard.mistakes import Mistakes
from wan_render.storyboard.paths import Grounds, pictures_in

_PATH = ("keyframes",)


def listed(folder: str, grounds: Grounds, mistakes: Mistakes) -> dict[str, Any]:
    """`keyframes: folder/` becomes every picture in it, by its name without ending."""
    try:
        pictures = pictures_in(grounds, folder)
    except Misspelt as error:
        mistakes.add(_PATH, error.found, error.allowed, error.remedy)
        return {}
    keyframes: dict[str, Any] = {}
    for stem, paths in pictures.items():
        name = unicodedata.normalize("NFC", stem)
        if len(paths) > 1 or name in keyframes:
            mistakes.add((*_PATH, name), f"two pictures are called {shown(name)}: {', '.join(paths)}", "", "rename one")
        elif name == PREVIOUS:
            mistakes.add((*_PATH, name), f"{shown(name)} is a word of the format", "", f"rename {paths[0]}")
        keyframes[name] = {"image": paths[0]}
    return keyframes


def check_keyframes(data: dict[str, Any], mistakes: Mistakes) -> None:
    """A keyframe has an image or a prompt, and not both."""
    for name, keyframe in data["keyframes"].items():
        path = (*_PATH, name)
        has = [key for key in ("image", "prompt") if key in keyframe or mistakes.has((*path, key))]
        if len(has) == 2:
            mistakes.add(path, "both image and prompt", "a picture, or a prompt to paint it from", "delete one")
        elif not has:
            mistakes.add(path, "neither image nor prompt", "a picture, or a prompt to paint it from", "add one")
