from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.report.films import BLUE, RED, Store, a_review, a_shot, five_shots, missing, ramp
from wan_render.report.contact import SheetLayout, layout_for, write_contact_sheets
from wan_render.report.material import Material, ShotMaterial, lay_out
from wan_render.report.review import Review, ShownCrop
from wan_render.take import Size


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def drawn(review: Review, folder: Path) -> tuple[SheetLayout, Image.Image]:
    material = lay_out(review, folder)
    assert write_contact_sheets(review, material, folder) == ("contact.png",)
    return layout_for(len(review.shots), material.picture), Image.open(folder / "contact.png").convert("RGB")


def middle_of(frame: int, place: int, layout: SheetLayout, sheet: Image.Image) -> tuple[int, int, int]:
    left, top = layout.corner(place)
    point = (left + frame * (layout.frame.width + 4) + layout.frame.width // 2, top + layout.frame.height // 2)
    red, green, blue = np.asarray(sheet)[point[1], point[0]].tolist()
    return red, green, blue


def test_a_shot_shows_its_first_middle_and_last_picture(store: Store, tmp_path: Path) -> None:
    shots = (a_shot("1/010", (missing(),), slate="no weights"), a_shot("1/020", (store.take(ramp()),), start=16))

    layout, sheet = drawn(a_review(tmp_path, shots), tmp_path)

    for frame, level in enumerate((0, 80, 150)):
        assert middle_of(frame, 1, layout, sheet) == pytest.approx((level,) * 3, abs=3)


def test_a_cropped_keyframe_is_shown_whole_in_the_corner_of_its_frame(store: Store, tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.new("RGB", (100, 300), (250, 0, 250)).save(whole)
    keyframes = [("river", store.picture(RED)), ("ruins", store.picture(BLUE))]
    shot = a_shot("1/010", (store.take(ramp()),), keyframes=keyframes)
    shot = replace(shot, crops={"ruins": ShownCrop(whole, 0.57)})

    layout, sheet = drawn(a_review(tmp_path, (shot,)), tmp_path)

    left, top = layout.corner(0)
    corners = [sheet.getpixel((left + frame * (layout.frame.width + 4) + 10, top + 10)) for frame in (0, 2)]
    assert corners[0] == pytest.approx((0, 0, 0), abs=4)
    assert corners[1] == pytest.approx((250, 0, 250), abs=12)


def test_every_shot_has_a_caption(store: Store, tmp_path: Path) -> None:
    layout, sheet = drawn(a_review(tmp_path, five_shots(store)), tmp_path)

    pixels = np.asarray(sheet.convert("L"))
    for place in range(5):
        left, top = layout.corner(place)
        under = pixels[top + layout.frame.height : top + layout.cell.height, left : left + layout.cell.width]
        assert under.max() > 150


@pytest.mark.parametrize("shots", [1, 4, 6, 7, 24, 25, 300])
@pytest.mark.parametrize("picture", [Size(512, 295), Size(295, 512), Size(512, 214), Size(512, 512), Size(512, 40)])
def test_columns_fill_the_sheet_and_stay_inside_it(shots: int, picture: Size) -> None:
    layout = layout_for(shots, picture)

    right = layout.corner(layout.columns - 1)[0] + layout.cell.width
    bottom = layout.corner(layout.columns * layout.rows - 1)[1] + layout.cell.height
    assert 0 <= layout.width - 40 - right < 120
    assert bottom <= 4000
    assert abs(layout.frame.width / layout.frame.height - picture.width / picture.height) < 1


def test_a_long_film_has_several_sheets_of_bounded_size(tmp_path: Path) -> None:
    shots = tuple(a_shot(f"1/{number:03}", (), start=16 * number, what="card") for number in range(300))
    material = Material((ShotMaterial((), (), {}),) * 300, Size(512, 295))

    names = write_contact_sheets(a_review(tmp_path, shots), material, tmp_path)

    assert names == ("contact.png", "contact-2.png", "contact-3.png", "contact-4.png")
    for name in names:
        with Image.open(tmp_path / name) as sheet:
            assert sheet.width == 2400
            assert sheet.height <= 4040
