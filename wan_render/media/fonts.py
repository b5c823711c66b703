"""The fonts of burned-in text: which one draws a character, how wide it is, and what no font has.

The base font is Noto Sans CJK. Characters that it lacks come from the Noto fonts of other scripts, else from the
machine's folder WAN_RENDER_FONTS. Fonts that the system has installed are never used: they differ between machines.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_render.errors import MachineError, Problem
from wan_render.printable import logger, path_name
from wan_render.settings import machine_settings
from wan_render.store.disk import file_digest

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

LOG = logger("wan_render.media")

FAMILY = "Noto Sans CJK SC"
"""The shapes of Han characters differ between countries. These are the simplified Chinese ones."""

HAN_FAMILIES = {
    "ja": "Noto Sans CJK JP",
    "ko": "Noto Sans CJK KR",
    "zh-hant": "Noto Sans CJK TC",
    "zh-tw": "Noto Sans CJK TC",
    "zh-hk": "Noto Sans CJK HK",
    "zh-mo": "Noto Sans CJK HK",
}
"""The other families of the base font, by the language that has their shapes."""

MEASURE = 1000
"""Size in pixels at which characters are measured."""

ABSENT = "\U0010ffff"
"""A character that no font has: it is drawn as the box for a missing glyph."""

MOST_FILES, MOST_BYTES = 500, 128 * 1024**2
"""How many font files of the machine's folder are read, and how large one may be."""

_ENDINGS = (".ttf", ".otf", ".ttc")


@dataclass(frozen=True)
class Face:
    """A font: a family in a file. index: its place in a collection."""

    family: str
    file: Path
    index: int = 0

    def has(self, text: str) -> bool:
        """Whether it has a glyph for every character that needs one."""
        return all(_invisible(character) or ord(character) in _characters(self) for character in text)

    @property
    def line_height(self) -> float:
        """What ASS calls its size when its em is 1: libass takes it from Windows' metrics."""
        return sum(_windows_metrics(self))

    @property
    def descent(self) -> float:
        """How far libass's line reaches below the baseline, in em."""
        return _windows_metrics(self)[1]

    @property
    def identity(self) -> str:
        """Its family, and the first digits of its file's SHA-256."""
        return f"{self.family} {file_digest(self.file)[:12]}"


def font_file() -> Path:
    """The base font: a collection that contains FAMILY."""
    import noto_cjk_sans_otc

    return Path(str(noto_cjk_sans_otc.FONT_PATH))


def han_family(language: str) -> str:
    """The family of the base font with a language's shapes of Han characters."""
    tag = language.lower()
    fits = (family for start, family in HAN_FAMILIES.items() if tag == start or tag.startswith(f"{start}-"))
    return next(fits, FAMILY)


@cache
def font(size: int) -> FreeTypeFont:
    """FAMILY at a size in pixels, for measuring and for pictures. Raises MachineError if it is missing."""
    return _base_face(size, base_index())


@cache
def base_index() -> int:
    """The place of FAMILY in the base font's collection. Raises MachineError if it is missing."""
    return next(index for index in count() if _base_face(MEASURE, index).getname()[0] == FAMILY)


def _base_face(size: int, index: int) -> FreeTypeFont:
    from PIL import ImageFont

    try:
        # No shaping: it would put a mark without a base on a dotted circle, and hide that its glyph is missing.
        return ImageFont.truetype(font_file(), size, index=index, layout_engine=ImageFont.Layout.BASIC)
    except OSError as error:  # there is no file, or no further font in it
        raise no_base_font() from error


def no_base_font() -> MachineError:
    """What is wrong if FAMILY cannot be read."""
    return MachineError(Problem(str(font_file()), f"has no font named {FAMILY}", "", "reinstall noto-cjk-sans-otc"))


def missing_glyphs(text: str) -> tuple[str, ...]:
    """The characters of a text that no font has a glyph for, each once, in order. They would be drawn as boxes."""
    return tuple(
        character
        for character in dict.fromkeys(unicodedata.normalize("NFC", text))
        if not character.isascii()
        and not in_base(character)
        and not any(face.has(character) for face in further_faces())
    )


def base_draws(text: str) -> bool:
    """Whether the base font draws a text. A letter and its marks may be one glyph of it, as HarfBuzz composes them."""
    return all(map(in_base, text)) or all(map(in_base, unicodedata.normalize("NFC", text)))


@lru_cache(maxsize=8192)
def in_base(character: str) -> bool:
    """Whether the base font has a glyph for the character or, as libass does it, for its letter and its marks."""
    parts = unicodedata.normalize("NFD", character)
    return (
        _invisible(character) or _mask(character) != _mask(ABSENT) or (parts != character and all(map(in_base, parts)))
    )


@lru_cache(maxsize=8192)
def further_face(cluster: str) -> Face | None:
    """The font for a letter with its marks that the base font lacks: the first that has all of it, else the first that
    has its letter. None if there is none."""
    whole = (face for face in further_faces() if face.has(cluster))
    letter = (face for face in further_faces() if face.has(cluster[0]))
    return next(whole, None) or (None if in_base(cluster[0]) else next(letter, None))


@cache
def further_faces() -> tuple[Face, ...]:
    """The fonts besides the base font, in the order in which they are tried."""
    return (*_of_package(), *machine_faces())


def _of_package() -> Iterator[Face]:
    try:
        folder = Path(str(files("manimgx_fonts")))
    except ModuleNotFoundError as error:
        raise MachineError(
            Problem("manimgx-fonts", "is not installed", "fonts for other scripts", "install wan-render again")
        ) from error
    # Noto Sans goes first: it has Latin, Greek and Cyrillic letters that other scripts' fonts have only some of.
    for file in sorted(folder.glob("*.ttf"), key=lambda file: (not file.name.startswith("NotoSans["), file.name)):
        if "Italic" not in file.name:
            yield from _faces_in(file)


@cache
def machine_faces() -> tuple[Face, ...]:
    """The fonts in WAN_RENDER_FONTS, by file name. A file that is not a usable font is skipped, with a warning.

    Raises MachineError if the folder cannot be read."""
    folder = machine_settings().fonts
    if folder is None:
        return ()
    try:
        found = sorted(file for file in folder.iterdir() if file.suffix.lower() in _ENDINGS)
    except OSError as error:
        raise MachineError(
            Problem("WAN_RENDER_FONTS", f"{folder}: {error.strerror}", "a folder of fonts", "correct or unset it")
        ) from error
    if len(found) > MOST_FILES:
        LOG.warning("WAN_RENDER_FONTS: only the first %s of %s font files are used", MOST_FILES, len(found))
    return tuple(face for file in found[:MOST_FILES] for face in _usable(file))


def _usable(file: Path) -> list[Face]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES // 1024**2} MiB")
        faces = list(_faces_in(file))
        for face in faces:
            _characters(face)
            _windows_metrics(face)
            _check_family(face.family)
    except Exception as error:  # noqa: BLE001 - fontTools raises anything for damaged tables
        LOG.warning("WAN_RENDER_FONTS: %s is not used: %s", path_name(file), error or type(error).__name__)
        return []
    return faces


def _check_family(family: str) -> None:
    r"""Refuse names that would mean something in an ASS tag (`\fnNAME`)."""
    if not family or not family.isprintable() or any(character in family for character in "\\{}(),"):
        raise ValueError("its family has an unusable name")


def _faces_in(file: Path) -> Iterator[Face]:
    from fontTools.ttLib import TTCollection

    if file.suffix.lower() != ".ttc":
        with _opened(Face("", file)) as font_tables:
            yield Face(_family(font_tables), file)
        return
    with file.open("rb") as stream, TTCollection(stream, lazy=True) as collection:
        for index, font_tables in enumerate(collection):
            yield Face(_family(font_tables), file, index)


def _family(font_tables: Any) -> str:
    """The name by which libass finds a font."""
    return str(font_tables["name"].getDebugName(1) or "")


@contextmanager
def _opened(face: Face) -> Iterator[Any]:
    from fontTools.ttLib import TTFont

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it reports every table that it reads
    with face.file.open("rb") as stream, TTFont(stream, fontNumber=face.index, lazy=True) as font_tables:
        yield font_tables


@cache
def _characters(face: Face) -> frozenset[int]:
    with _opened(face) as font_tables:
        return frozenset(font_tables.getBestCmap() or ())


@cache
def _windows_metrics(face: Face) -> tuple[float, float]:
    """Ascent and descent in em."""
    with _opened(face) as font_tables:
        metrics, per_em = font_tables["OS/2"], font_tables["head"].unitsPerEm
        return metrics.usWinAscent / per_em, metrics.usWinDescent / per_em


def _invisible(character: str) -> bool:
    """Whether it is a space, line end, joiner or variation selector, which have no glyph of their own."""
    return unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp") or "\ufe00" <= character <= "\ufe0f"


def _mask(character: str) -> bytes:
    return bytes(font(24).getmask(character))
