from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.report.films import BLUE, FRAMES, RED, Store, a_review, a_shot, five_shots, flat, missing, ramp
from wan_render.errors import DiskError, MachineError
from wan_render.report import Review, write_report
from wan_render.report.review import ShownCrop


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "v003.part"
    made.mkdir()
    return made


def colour_of(file: Path) -> tuple[int, int, int]:
    with Image.open(file) as image:
        red, green, blue = np.asarray(image.convert("RGB")).reshape(-1, 3).mean(axis=0).round().astype(int).tolist()
    return red, green, blue


def close(found: tuple[int, int, int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) <= 3 for one, other in zip(found, wanted, strict=True))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_everything_that_people_open_is_in_the_films_folder(store: Store, folder: Path) -> None:
    write_report(a_review(folder, five_shots(store)), folder)

    assert names(folder) == {"index.html", "shots.csv", "contact.png", "review"}
    assert sum(name.endswith(".mp4") for name in names(folder / "review")) == 4
    assert not any(path.is_symlink() for path in folder.rglob("*"))


def test_a_keyframe_that_is_cropped_much_is_shown_whole_with_the_share(store: Store, folder: Path) -> None:
    whole = folder.parent / "whole.png"
    Image.new("RGB", (100, 300), (250, 0, 250)).save(whole)
    keyframes = [("river", store.picture(RED)), ("ruins", store.picture(BLUE))]
    shot = replace(a_shot("1/010", (), what="still", keyframes=keyframes), crops={"ruins": ShownCrop(whole, 0.57)})

    write_report(a_review(folder, (shot,)), folder)

    page = (folder / "index.html").read_text()
    figures = dict(re.findall(r'<figure><img src="([^"]+)".*?<figcaption[^>]*>(.*?)</figcaption>', page))
    river, ruins = figures
    assert close(colour_of(folder / river), RED)
    assert close(colour_of(folder / ruins), (250, 0, 250))
    assert figures[river] == "river"
    assert "57% cropped" in figures[ruins]


def test_stills_are_the_first_middle_and_last_frame_that_the_film_shows(store: Store, folder: Path) -> None:
    shown = a_shot("1/010", (store.take(ramp()),), first=3, frames=14, hold=4)

    write_report(a_review(folder, (shown,)), folder)

    for name, frame in (("first", 3), ("middle", 8), ("last", 12)):
        assert close(colour_of(folder / "review" / f"1-{name}.jpg"), (10 * frame,) * 3)


def test_the_poster_of_another_take_is_its_own_middle(store: Store, folder: Path) -> None:
    takes = (store.take(flat(RED)), store.take(ramp(), 2, chosen=False))

    write_report(a_review(folder, (a_shot("1/010", takes),)), folder)

    assert close(colour_of(folder / "review" / "1-take-2.jpg"), (10 * (FRAMES // 2),) * 3)


def test_previews_are_hard_links(store: Store, folder: Path) -> None:
    take = store.take(flat(RED))

    write_report(a_review(folder, (a_shot("1/010", (take,)),)), folder)

    assert take.preview is not None
    assert take.preview.samefile(folder / "review" / f"{take.key[:16]}.mp4")


def test_previews_are_copied_from_another_file_system(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = store.take(flat(RED))

    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)
    write_report(a_review(folder, (a_shot("1/010", (take,)),)), folder)

    assert take.preview is not None
    copy = folder / "review" / f"{take.key[:16]}.mp4"
    assert copy.read_bytes() == take.preview.read_bytes()
    assert not copy.samefile(take.preview)


def test_two_equal_shots_share_a_preview_and_show_their_own_part(store: Store, folder: Path) -> None:
    take = store.take(ramp())
    shots = (a_shot("1/010", (take,), frames=5), a_shot("1/020", (take,), start=5, first=10, frames=5))

    write_report(a_review(folder, shots), folder)

    assert sum(name.endswith(".mp4") for name in names(folder / "review")) == 1
    assert close(colour_of(folder / "review" / "1-first.jpg"), (0, 0, 0))
    assert close(colour_of(folder / "review" / "2-first.jpg"), (100, 100, 100))


def test_a_keyframe_shared_by_shots_has_one_thumbnail(store: Store, folder: Path) -> None:
    shared = ("ruins", store.picture(BLUE))
    shots = (a_shot("1/010", (), keyframes=(shared,)), a_shot("1/020", (), start=16, keyframes=(shared,)))

    write_report(a_review(folder, shots), folder)

    assert names(folder / "review") == {"keyframe-1.jpg"}


def test_a_film_without_a_single_take_is_reported(folder: Path) -> None:
    shots = (a_shot("1/010", (), what="card", action="完"), a_shot("1/020", (missing(),), start=16, slate="no weights"))

    write_report(a_review(folder, shots), folder)

    assert "no weights" in (folder / "index.html").read_text(encoding="utf-8")


def test_a_clip_that_cannot_be_read_is_named(store: Store, folder: Path) -> None:
    take = store.take(flat(RED))
    broken = folder.parent / "broken.mkv"
    broken.write_bytes(b"no clip at all")

    with pytest.raises(MachineError, match=r"broken\.mkv"):
        write_report(a_review(folder, (a_shot("1/010", (replace(take, clip=broken),)),)), folder)


def test_a_folder_that_cannot_be_written_is_a_disk_error(store: Store, folder: Path) -> None:
    review: Review = a_review(folder, five_shots(store))
    (folder / "shots.csv").mkdir()

    with pytest.raises(DiskError, match="report cannot be written"):
        write_report(review, folder)


def test_the_report_is_imported_without_what_it_writes_with() -> None:
    code = (
        "import sys, wan_render.report;"
        "print([name for name in ('pandas', 'jinja2', 'PIL', 'cv2', 'av') if name in sys.modules])"
    )

    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == "[]"


def test_a_slate_has_a_tile_with_its_shot_and_reason_and_no_picture_in_the_strip(store: Store, folder: Path) -> None:
    keyframes = (("dawn", store.picture(BLUE)),)
    shots = (a_shot("1/010", (missing(),), keyframes=keyframes, slate="no weights"),)

    write_report(a_review(folder, shots), folder)

    page = (folder / "index.html").read_text(encoding="utf-8")
    tile = page.split('id="strip"')[1].split("</li>")[0]
    assert '<b>1/010</b> <span dir="auto">no weights</span>' in tile
    assert "<img" not in tile
