"""The files that a storyboard names: they exist, have the right kind, and are in its folder or an allowed one."""

from __future__ import annotations

import os
import stat
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from wan_render.authored.spelling import Misspelt
from wan_render.printable import path_name, shown
from wan_render.storyboard.guesses import Guesses

PICTURES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}
)
"""Suffixes, in lower case, of the files that count as pictures in a folder of keyframes."""

LONGEST_PATH, DEEPEST_PATH = 1000, 32
"""Characters and folders of a path. Each folder costs an access to the disk."""

MOST_SIBLINGS = 1000
"""Names of a folder that a missing name is compared with."""


@dataclass(frozen=True)
class Grounds:
    """The folder that a storyboard's paths are relative to, and further folders that they may lead to."""

    folder: Path
    allow: tuple[Path, ...]
    guesses: Guesses

    @cached_property
    def _roots(self) -> tuple[Path, ...]:
        return tuple(root.resolve() for root in (self.folder, *self.allow))

    def file(self, text: str, noun: str) -> Path:
        """The path of an existing file. Raises Misspelt otherwise. Never reveals whether a path outside exists."""
        path = self._place(text)
        mode = _mode(path, text)
        if mode is None:
            raise Misspelt(f"expected {noun}", self._near(path, text), found=_absent(path, text))
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a file"
            raise Misspelt(f"expected {noun}", found=f"{shown(text)} is {kind}")
        if not os.access(path, os.R_OK):
            raise Misspelt(f"expected {noun}", "check its permissions", found=f"{shown(text)} cannot be read")
        return path

    def directory(self, text: str, noun: str) -> Path:
        """The path of an existing folder. Raises Misspelt otherwise."""
        path = self._place(text)
        mode = _mode(path, text)
        if mode is None:
            raise Misspelt(f"expected {noun}", self._near(path, text), _absent(path, text))
        if not stat.S_ISDIR(mode):
            raise Misspelt(f"expected {noun}", found=f"{shown(text)} is not a folder")
        return path

    def has_folder(self, text: str) -> bool:
        """Whether a folder of this name exists."""
        try:
            return stat.S_ISDIR(_mode(self._place(text), text) or 0)
        except Misspelt:
            return False

    def has(self, name: str) -> bool:
        """Whether the storyboard's own folder has an entry of this name, even a link to elsewhere."""
        return len(name) <= LONGEST_PATH and "/" not in name and os.path.lexists(self.folder / name)

    def as_on_disk(self, text: str) -> str:
        """A path as the disk spells it. A Mac decomposes names that others compose: `é` becomes `e` and an accent.

        The path is unchanged if it exists as written, leads out of the allowed folders, or exists in neither form.
        """
        if text.isascii() or len(text) > LONGEST_PATH or text.count("/") > DEEPEST_PATH:
            return text
        found = Path()
        for part in PurePosixPath(text).parts:
            folder = self.folder / found
            if not part.isascii() and self._may_look_into(folder):
                part = name_on_disk(folder, part)
            found /= part
        return str(PurePosixPath(found)) if (self.folder / found).exists() else text

    def _may_look_into(self, folder: Path) -> bool:
        try:
            return any(folder.resolve().is_relative_to(root) for root in self._roots)
        except (OSError, RuntimeError, ValueError):
            return False

    def _place(self, text: str) -> Path:
        if not text.strip():
            raise Misspelt("expected a path", found="an empty path")
        if len(text) > LONGEST_PATH or text.count("/") > DEEPEST_PATH:
            raise Misspelt("expected a path", found=f"{shown(text)} is too long for a path")
        path = self.folder / text
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise Misspelt("expected a path", found=f"{shown(text)} leads nowhere: {error}") from None
        if not any(real.is_relative_to(root) for root in self._roots):
            raise self._outside(path, real, text)
        return path

    def _outside(self, path: Path, real: Path, text: str) -> Misspelt:
        """The error for a path that leads outside, either as written or through a link."""
        written = Path(os.path.normpath(path.absolute()))
        is_link = written.is_relative_to(Path(os.path.normpath(self.folder.absolute())))
        how = f"is a link to {path_name(real)}," if is_link else "is"
        found = f"{shown(text)} {how} outside the storyboard's folder"
        return Misspelt("paths stay within it", self._allowing(real.parent), found)

    def _allowing(self, folder: Path) -> str:
        """What to do about a file in an outside folder. Broad folders (/, /home, the home folder) are not suggested."""
        is_top = len(folder.parts) <= 2  # `/` and `/home`, `/mnt`
        if is_top or folder in (Path.home(), *Path.home().parents, *self._roots[0].parents):
            return "move it there"
        return f"move it there, or allow it with --allow {path_name(folder)}"

    def _near(self, path: Path, text: str) -> str:
        if "\\" in text:
            return "write / between folders"
        if text.startswith("~"):
            return "'~' is not expanded: paths are relative to the storyboard"
        if self.guesses.spent or path.is_symlink():
            return ""
        try:
            names = names_in(path.parent)[:MOST_SIBLINGS]
        except OSError:
            return ""
        return self._likely(PurePosixPath(text), names)

    def _likely(self, path: PurePosixPath, names: list[str]) -> str:
        """A hint at the most similar name. Only stems are compared: equal folders and suffixes say nothing."""
        stem = self.guesses.meant(path.stem, [PurePosixPath(name).stem for name in names])
        name = next((name for name in names if stem and PurePosixPath(name).stem == stem), None)
        return f"did you mean {shown(str(path.parent / name))}?" if name else ""


def _absent(path: Path, text: str) -> str:
    """What is wrong with a path that leads to nothing: it does not exist, or is a broken link."""
    if not path.is_symlink():
        return f"{shown(text)} does not exist"
    return f"{shown(text)} is a broken link: {path_name(path.readlink())} does not exist"


def _mode(path: Path, text: str) -> int | None:
    """The st_mode of a path; None if it does not exist. Raises Misspelt if it cannot be read."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Misspelt("expected a path", found=f"{shown(text)} cannot be read: {error.strerror}") from None


def name_on_disk(folder: Path, name: str) -> str:
    """A name as a folder spells it, in any normal form of Unicode; unchanged if the folder does not have it."""
    if os.path.lexists(folder / name):
        return name
    for form in ("NFC", "NFD"):
        if os.path.lexists(folder / (other := unicodedata.normalize(form, name))):
            return other
    composed = unicodedata.normalize("NFC", name)
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names, not paths
    except OSError:
        return name
    return next((other for other in names if unicodedata.normalize("NFC", other) == composed), name)


def file_on_disk(file: Path) -> Path:
    """A file from the command line, with its name and folders as the disk spells them."""
    if str(file).isascii() or file.exists():
        return file
    found = Path(file.anchor)
    for part in file.relative_to(file.anchor).parts:
        found /= name_on_disk(found, part)
    return found if found.exists() else file


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted, without hidden ones and without those that are not UTF-8. Raises OSError."""
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names, not paths
    return [name for name in names if not any("\ud800" <= character <= "\udfff" for character in name)]


@dataclass(frozen=True)
class Listed:
    """The contents of a folder of keyframes: paths relative to the storyboard, by name without suffix, in one Unicode
    form.

    others: files that do not count as pictures, such as pictures in other formats.
    """

    pictures: dict[str, list[str]]
    others: dict[str, str]


def listed_in(grounds: Grounds, text: str) -> Listed:
    """The contents of a folder of keyframes. Raises Misspelt if it does not exist or cannot be read."""
    folder = grounds.directory(text, "a folder of keyframes, or a map of names")
    try:
        names = names_in(folder)
    except OSError as error:
        raise Misspelt(
            "expected a folder of keyframes", found=f"{shown(text)} cannot be read: {error.strerror}"
        ) from None
    found = Listed({}, {})
    for name in names:
        stem = unicodedata.normalize("NFC", Path(name).stem)
        path = str(PurePosixPath(text) / name)
        if Path(name).suffix.lower() in PICTURES:
            found.pictures.setdefault(stem, []).append(path)
        else:
            found.others.setdefault(stem, path)
    return found
