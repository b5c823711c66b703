"""What a storyboard refers to by name or path: keyframes, models, pictures, sounds, LoRAs, clips."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from wan_render.authored import PREVIOUS
from wan_render.authored.spelling import Misspelt, ReferenceKind
from wan_render.errors import PictureError
from wan_render.facts import FactCache
from wan_render.printable import shown
from wan_render.storyboard.keyframes import KeyframeFolder, unread
from wan_render.storyboard.mistakes import Mistakes
from wan_render.storyboard.normal import Mention
from wan_render.storyboard.paths import Grounds
from wan_render.storyboard.slips import full_width

if TYPE_CHECKING:  # importing it imports numpy, which reading a storyboard does not need
    from wan_render.model_card import Models

MOST_FOUND = 10_000
"""Different names and paths in one file. A film of 1,000 shots has about 2,000."""

_FILES = {
    ReferenceKind.SOUND: "a sound file",
    ReferenceKind.CLIP: "a video file",
    ReferenceKind.LORA: "a .safetensors file",
    ReferenceKind.UPSCALER: "a file of weights",
    ReferenceKind.WORKFLOW: "a workflow's .json file",
}

UPSCALER_SUFFIXES = (".safetensors", ".pth")
"""Files of networks that upscale. A .pth is read without running anything in it."""

_PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


_PATHS = frozenset(set(ReferenceKind) - {ReferenceKind.START, ReferenceKind.KEYFRAME})


def spell_as_on_disk(data: dict[str, Any], mentions: list[Mention], grounds: Grounds) -> None:
    """Replace every path that is not ASCII by the disk's spelling, both in the canonical form and in its mention. An
    accented letter has two encodings that look the same."""
    for at, mention in enumerate(mentions):
        if mention.role in _PATHS and (spelt := grounds.as_on_disk(mention.text)) != mention.text:
            *way, last = mention.path
            holder: Any = data
            for step in way:
                holder = holder[step]
            holder[last] = spelt
            mentions[at] = replace(mention, text=spelt)


class References:
    """Looks up everything that is mentioned.

    keyframes: those of the storyboard, by name, in canonical form. others: files of their folder that are not read, by
    name.
    """

    def __init__(
        self, keyframes: KeyframeFolder, grounds: Grounds, models: Models, cache: FactCache, mistakes: Mistakes
    ) -> None:
        self.keyframes, self.others = keyframes.keyframes, keyframes.others
        self.grounds, self.models = grounds, models
        self.found: set[tuple[ReferenceKind, str]] = set()
        self.cache, self.mistakes, self.guesses = cache, mistakes, grounds.guesses

    def check(self, mentions: list[Mention]) -> None:
        """Report every mention that leads nowhere."""
        for mention in mentions:
            if self.mistakes.covers(mention.path) or (mention.role, mention.text) in self.found:
                continue
            if self.mistakes.full or self._too_many(mention):
                return
            try:
                self._check(mention)
                self.found.add((mention.role, mention.text))
            except Misspelt as error:
                self.mistakes.add(mention.path, error.found, error.allowed, error.remedy)
            except PictureError as error:
                problem = error.problems[0]
                self.mistakes.add(
                    mention.path, f"{shown(mention.text)} {problem.found}", problem.allowed, problem.remedy
                )

    def _too_many(self, mention: Mention) -> bool:
        if len(self.found) >= MOST_FOUND:
            allowed = f"allowed: {MOST_FOUND:,} different ones"
            self.mistakes.add(mention.path, "the file has too many different names and paths", allowed)
        return len(self.found) >= MOST_FOUND

    def _check(self, mention: Mention) -> None:
        match mention.role:
            case ReferenceKind.START | ReferenceKind.KEYFRAME:
                self._check_keyframe(mention)
            case ReferenceKind.MODEL:
                self._check_model(mention.text)
            case ReferenceKind.WEIGHTS:
                self._weights(mention.text)
            case ReferenceKind.PICTURE:
                self._check_picture(mention.text)
            case ReferenceKind.LORA if not mention.text.lower().endswith(".safetensors"):
                raise self._no_safetensors(mention.text)
            case ReferenceKind.UPSCALER if self.grounds.has_folder(mention.text):
                self.grounds.directory(mention.text, "a folder with a pipeline of diffusers")
            case ReferenceKind.UPSCALER if not mention.text.lower().endswith(UPSCALER_SUFFIXES):
                found = f"{shown(mention.text)} is no network"
                raise Misspelt(f"allowed: {', '.join(UPSCALER_SUFFIXES)}", found=found)
            case _:
                self.grounds.file(mention.text, _FILES[mention.role])

    def _no_safetensors(self, text: str) -> Misspelt:
        allowed = "LoRAs are read from safetensors only"
        if self.grounds.has_folder(text):
            return Misspelt(allowed, "name a file in it", f"{shown(text)} is a folder")
        if text.lower().endswith(_PICKLED):
            allowed += ": a pickled file can run programs and is never opened"
        convert = "convert it to safetensors" if text.lower().endswith((*_PICKLED, ".gguf")) else ""
        return Misspelt(allowed, convert, f"{shown(text)} is not a .safetensors file")

    def _check_keyframe(self, mention: Mention) -> None:
        name = unicodedata.normalize("NFC", mention.text)
        if name in self.keyframes or self.mistakes.has(("keyframes",)):
            return
        if name == PREVIOUS:
            if mention.role is ReferenceKind.START:
                return
            raise Misspelt("the name of a keyframe", found="'previous' is only allowed in 'from'")
        stem = PurePosixPath(name).stem
        if stem in self.keyframes and stem != name:  # `from: kf/b.png`
            remedy = f"write {stem}: keyframes are named without folder and suffix"
            raise Misspelt("", remedy, found=f"no keyframe is named {shown(name)}")
        if (path := self._other(name)) is not None:
            why, remedy = unread(path)
            raise Misspelt("", remedy, found=f"no keyframe is named {shown(name)}: {why}")
        near = full_width(name) or self.guesses.did_you_mean(name, self.keyframes)
        raise Misspelt(self._known(), near, found=f"no keyframe is named {shown(name)}")

    def _other(self, name: str) -> str | None:
        """A file of this name, with or without suffix, that is not read: `from: noon.heic`."""
        stems = (name, PurePosixPath(name).stem)
        return next((path for stem, path in self.others.items() if stem in stems), None)

    def _known(self) -> str:
        if not self.keyframes:
            return "there are no keyframes"
        names = ", ".join(list(self.keyframes)[:12])
        return f"keyframes: {names}" + (", …" if len(self.keyframes) > 12 else "")

    def _check_model(self, name: str) -> None:
        if name in self.models.names or self.models.imported(name) is not None:
            return
        if "/" in name or "\\" in name or name.startswith((".", "~")) or self.grounds.has(name):
            self._weights(name, "a folder or file of weights, or a model's name")
            return
        names = (*self.models.names, *self.models.imported_names)
        known = f"models: {', '.join(names)}, or a folder or file of weights"
        raise Misspelt(known, self.guesses.did_you_mean(name, names), found=f"no model is named {shown(name)}")

    def _weights(self, text: str, noun: str = "a file or folder of weights") -> None:
        """Weights may also be in the machine's own folder for them."""
        if self.models.imported(text) is not None:
            return
        if self.grounds.has_folder(text):
            self.grounds.directory(text, noun)
        else:
            self.grounds.file(text, noun)

    def _check_picture(self, text: str) -> None:
        from wan_render.plates import picture_facts

        picture_facts(self.grounds.file(text, "a picture"), self.cache)
