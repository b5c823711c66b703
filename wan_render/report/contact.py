"""The contact sheet: every shot of a film at a glance, as one picture or, for a long film, several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps, features

from wan_render.media.fonts import font
from wan_render.media.shaping import is_plain, runs_of, width
from wan_render.media.text import fitted, line_height
from wan_render.printable import one_line
from wan_render.report.material import Material, ShotMaterial
from wan_render.report.review import Review, ReviewShot
from wan_render.report.timecode import screen_time, timecode
from wan_render.take import Size

_PAPER, _EMPTY = "#141517", "#1f2124"
_INK, _DIM, _ALARM = "#e8e8e6", "#93979d", "#ff7a66"
_MARGIN, _HEADER = 40, 124
_FRAME_GAP, _COLUMN_GAP, _ROW_GAP = 4, 36, 30
_LEADING = 1.5
_TALLEST = 4000
"""Pixels. A taller sheet would be slow to open and to scroll; further shots go onto the next one."""


@dataclass(frozen=True)
class SheetLayout:
    """The layout of a sheet, in pixels. A cell is a strip of three frames above its caption."""

    width: int
    columns: int
    rows: int
    frame: Size
    type_size: int
    caption_lines: int

    @property
    def cell(self) -> Size:
        """Size of one shot with its caption."""
        return Size(3 * self.frame.width + 2 * _FRAME_GAP, self.frame.height + self.caption)

    @property
    def caption(self) -> int:
        """Height of the caption."""
        return 12 + self.line * (1 + self.caption_lines)

    @property
    def line(self) -> int:
        """Height of one line of the caption."""
        return round(self.type_size * _LEADING)

    def corner(self, place: int) -> tuple[int, int]:
        """The upper left corner (x, y) of the cell at a place, counted from 0."""
        row, column = divmod(place, self.columns)
        return (
            _MARGIN + column * (self.cell.width + _COLUMN_GAP),
            _HEADER + row * (self.cell.height + _ROW_GAP),
        )


def write_contact_sheets(review: Review, material: Material, folder: Path) -> tuple[str, ...]:
    """Write `contact.png`, and `contact-2.png`, … if one sheet cannot hold all shots. Returns their names."""
    layout = layout_for(len(review.shots), material.picture)
    shots = list(zip(review.shots, material.shots, strict=True))
    per_sheet = layout.columns * layout.rows
    sheets = [shots[at : at + per_sheet] for at in range(0, len(shots), per_sheet)] or [[]]
    names = ("contact.png", *(f"contact-{number}.png" for number in range(2, len(sheets) + 1)))
    for number, (name, sheet) in enumerate(zip(names, sheets, strict=True), 1):
        page = f"{number}/{len(sheets)}" if len(sheets) > 1 else ""
        sheet_picture = _sheet(review, sheet, layout, folder, page)
        sheet_picture.save(folder / name, compress_level=1)  # the default takes five times as long for a tenth less
    return names


def layout_for(shots: int, picture: Size) -> SheetLayout:
    """Large frames, one shot per row, for few shots; small frames and several columns for many."""
    if shots <= 6:
        return _layout(picture, width=1600, height=290, type_size=20, caption_lines=1)
    if shots <= 24:
        return _layout(picture, width=1600, height=140, type_size=16, caption_lines=2)
    return _layout(picture, width=2400, height=105, type_size=15, caption_lines=1)


def _layout(picture: Size, *, width: int, height: int, type_size: int, caption_lines: int) -> SheetLayout:
    """`height` is the approximate height of a frame: columns are scaled to fill the width of the sheet."""
    inner = width - 2 * _MARGIN + _COLUMN_GAP
    strip = 3 * height * picture.width / picture.height + 2 * _FRAME_GAP
    columns = max(1, round(inner / (strip + _COLUMN_GAP)))
    frame_width = (inner // columns - _COLUMN_GAP - 2 * _FRAME_GAP) // 3
    frame = Size(frame_width, max(1, round(frame_width * picture.height / picture.width)))
    one_row = SheetLayout(width, columns, 1, frame, type_size, caption_lines)
    rows = max(1, (_TALLEST - _HEADER - _MARGIN) // (one_row.cell.height + _ROW_GAP))
    return replace(one_row, rows=rows)


def _sheet(
    review: Review, shots: list[tuple[ReviewShot, ShotMaterial]], layout: SheetLayout, folder: Path, number: str
) -> Image.Image:
    bottom = layout.corner(max(len(shots) - 1, 0))[1] + layout.cell.height
    sheet = Image.new("RGB", (layout.width, bottom + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    _header(draw, review, layout.width, number)
    for place, (shot, material) in enumerate(shots):
        left, top = layout.corner(place)
        sheet.paste(_strip(shot, material, layout, folder), (left, top))
        _caption(draw, review, shot, layout, (left, top + layout.frame.height + 10))
    return sheet


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _header(draw: ImageDraw.ImageDraw, review: Review, sheet_width: int, number: str) -> None:
    slates = sum(shot.slate is not None for shot in review.shots)
    bridges = sum(shot.what == "bridge" for shot in review.shots)
    facts = (
        f"{timecode(review.frames, review.rate)}  ·  {review.frames} frames at {float(review.rate):g} fps",
        _counted(len(review.shots) - bridges, "shot")
        + (f", {_counted(bridges, 'bridge')}" if bridges else "")
        + (f", {slates} missing" if slates else ""),
        review.backend,
        f"{review.made.astimezone():%Y-%m-%d %H:%M %Z}",
        number,
    )
    room = sheet_width - 2 * _MARGIN
    _write(draw, (_MARGIN, 24), f"{review.title}  {review.version}", _INK, 34, room)
    _write(draw, (_MARGIN, 74), " · ".join(filter(None, facts)), _DIM, 18, room)


def _strip(shot: ReviewShot, material: ShotMaterial, layout: SheetLayout, folder: Path) -> Image.Image:
    """First, middle and last frame of the shot. A shot without a clip shows its keyframes and says what it is."""
    strip = Image.new("RGB", (layout.cell.width, layout.frame.height), _PAPER)
    names: tuple[str | None, ...] = material.stills or (*material.keyframes[:1], None, *material.keyframes[1:][-1:])
    for place in range(3):
        name = names[place] if place < len(names) else None
        strip.paste(_frame(folder / name if name else None, layout.frame), (_column(place, layout), 0))
    for place, name in ((0, shot.keyframes[0][0] if shot.keyframes else ""), (2, _end(shot))):
        if name in material.crops:
            strip.paste(_inset(folder / material.crops[name], layout.frame), (_column(place, layout), 0))
    if not material.stills:
        _explain(ImageDraw.Draw(strip), shot, layout)
    return strip


def _column(place: int, layout: SheetLayout) -> int:
    return place * (layout.frame.width + _FRAME_GAP)


def _frame(file: Path | None, size: Size) -> Image.Image:
    box = (size.width, size.height)
    if file is None:
        return Image.new("RGB", box, _EMPTY)
    with Image.open(file) as image:
        return ImageOps.pad(image, box, Image.Resampling.LANCZOS, color=_EMPTY)


def _end(shot: ReviewShot) -> str:
    """The name of the last keyframe; "" if the shot has fewer than two."""
    return shot.keyframes[-1][0] if len(shot.keyframes) > 1 else ""


def _inset(file: Path, frame: Size) -> Image.Image:
    """A keyframe's whole picture with its crop marked, small enough for the corner of a frame."""
    with Image.open(file) as image:
        small = image.convert("RGB")
    small.thumbnail((frame.width * 2 // 5, frame.height * 2 // 5), Image.Resampling.LANCZOS)
    return ImageOps.expand(small, border=2, fill=_PAPER)


def _explain(draw: ImageDraw.ImageDraw, shot: ReviewShot, layout: SheetLayout) -> None:
    """Write into the middle frame why the shot is missing, or what it is."""
    heading, text = ("MISSING", shot.slate) if shot.slate is not None else (shot.what.upper(), "")
    left, top, room = _column(1, layout) + 12, 8, layout.frame.width - 24
    lines = (layout.frame.height - top) // layout.line - 1
    _write(draw, (left, top), heading, _ALARM if shot.slate is not None else _DIM, layout.type_size, room)
    _write(draw, (left, top + layout.line), text, _INK, layout.type_size, room, lines)


def _caption(
    draw: ImageDraw.ImageDraw, review: Review, shot: ReviewShot, layout: SheetLayout, at: tuple[int, int]
) -> None:
    size, (left, top) = layout.type_size, at
    names = " → ".join(name for name, _ in shot.keyframes)
    facts = (timecode(shot.start, review.rate), screen_time(shot.frames, review.rate), names)
    _write(draw, at, shot.id, _ALARM if shot.slate is not None else _INK, size, layout.cell.width)
    after = round(width(shot.id) * size) + size
    _write(draw, (left + after, top), " · ".join(filter(None, facts)), _DIM, size, layout.cell.width - after)
    _write(draw, (left, top + layout.line), shot.action or "", _INK, size, layout.cell.width, layout.caption_lines)


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, colour: str, size: int, room: int, lines: int = 1
) -> None:
    """Text in at most `lines` lines of `room` pixels. Text that does not fit ends in an ellipsis."""
    if lines < 1 or room < size:
        return
    high = (lines + 0.5) * line_height() * size
    block = fitted(one_line(" ".join(text.split())), wide=room, high=high, em=size, least=size)
    for number, line in enumerate(block.lines):
        _write_line(draw, (at[0], at[1] + number * round(size * _LEADING)), line, colour, size)


def _write_line(draw: ImageDraw.ImageDraw, at: tuple[int, int], line: str, colour: str, size: int) -> None:
    """One line; letters of other fonts than the base font are shaped if Pillow can (with libraqm)."""
    if is_plain(line):
        draw.text(at, line, colour, font(size))
        return
    shapes = features.check("raqm")
    left, baseline = float(at[0]), at[1] + font(size).getmetrics()[0]
    for run in runs_of(line):
        face = font(size) if run.face is None else ImageFont.truetype(str(run.face.file), size, run.face.index)
        direction = ("rtl" if run.is_right_to_left else "ltr") if shapes and run.face is not None else None
        draw.text((left, baseline), run.text, colour, face, anchor="ls", direction=direction)
        left += run.width * size
