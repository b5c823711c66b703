"""Tables in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wan_render.printable import one_line


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The rows as lines, printable, two spaces before each cell. Columns are as wide as their widest cell, in cells of
    the terminal: a Han character is two wide. Empty columns are left out."""
    from rich.cells import cell_len

    shown = [tuple(map(one_line, row)) for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True) if width)
        yield ("  " + "  ".join(cells)).rstrip()
