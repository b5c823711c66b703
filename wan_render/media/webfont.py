"""The font of cards and labels, reduced to the characters of a page, for browsers without such a font."""

from __future__ import annotations

import io
import logging
from functools import lru_cache

from wan_render.errors import MachineError, Problem
from wan_render.media.fonts import FAMILY, font_file, in_base

_DROPPED = ("BASE", "DSIG", "GPOS", "GSUB", "VORG", "vhea", "vmtx")
"""Tables for vertical text and alternative glyphs."""


@lru_cache(maxsize=16)
def subset(text: str) -> bytes:
    """An OpenType font with a glyph for every character of `text` that the font has; about 400 bytes per Han character.

    Raises MachineError if the font is missing.
    """
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTCollection, TTLibError

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # it warns about every table that it does not know
    options = Options(layout_features=[], hinting=False, desubroutinize=True, notdef_outline=True)
    options.drop_tables += _DROPPED
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=sorted(ord(character) for character in set(text) if in_base(character)))
    try:
        with TTCollection(font_file(), lazy=True) as collection:
            face = next(font for font in collection if font["name"].getDebugName(1) == FAMILY)
            face.recalcTimestamp = False  # the same text always gives the same bytes
            subsetter.subset(face)
            face.save(written := io.BytesIO())
    except (OSError, TTLibError, StopIteration) as error:
        raise MachineError(
            Problem(str(font_file()), f"has no font named {FAMILY}", "", "reinstall noto-cjk-sans-otc")
        ) from error
    return written.getvalue()
