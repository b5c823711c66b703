"""The font of cards and labels, reduced to the characters of a page, for browsers without such a font."""

from __future__ import annotations

from functools import lru_cache

from wan_render.media.fonts import base_index, font_file, no_base_font

_DROPPED = ("BASE", "DSIG", "GPOS", "GSUB", "VORG", "vhea", "vmtx")
"""Tables for vertical text and alternative glyphs."""


@lru_cache(maxsize=16)
def subset(text: str) -> bytes:
    """An OpenType font with a glyph for every character of `text` that the font has; about 400 bytes per Han character.
    The same text always gives the same bytes. HarfBuzz needs milliseconds for it; fontTools needs half a second.

    Raises MachineError if the font is missing.
    """
    import uharfbuzz as harfbuzz

    wanted, flags = harfbuzz.SubsetInput(), harfbuzz.SubsetFlags
    wanted.flags = flags.NO_HINTING | flags.DESUBROUTINIZE | flags.NOTDEF_OUTLINE
    wanted.unicode_set.update(map(ord, text))
    wanted.layout_feature_tag_set.clear()
    wanted.drop_table_tag_set.update(int.from_bytes(table.encode("ascii"), "big") for table in _DROPPED)
    try:
        face = harfbuzz.Face(harfbuzz.Blob.from_file_path(str(font_file())), base_index())
        return bytes(harfbuzz.subset(face, wanted).blob.data)
    except (harfbuzz.HarfBuzzError, RuntimeError) as error:  # there is no file, or no font in it
        raise no_base_font() from error
