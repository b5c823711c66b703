"""Stages in the outputs folder: whole or not at all, verified, forgotten when they are not needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wan_render.render_values import Stage
from wan_render.store import Store
from wan_render.store.stages import CONTENT, StageFiles

TEXT = Stage("a" * 64, "text 'dawn'")
LATENTS = Stage("b" * 64, "latents of take 7f3a", take="7" * 64)


@pytest.fixture
def stages(tmp_path: Path) -> StageFiles:
    return Store(tmp_path).stages


def test_what_is_kept_is_found_by_every_process(stages: StageFiles) -> None:
    assert stages.find(TEXT) is None
    assert not stages.folder.exists(), "to look makes nothing"
    stages.keep(TEXT, b"numbers")
    stages.keep(TEXT, b"the first one counts")

    assert StageFiles(stages.folder).find(TEXT) == b"numbers"
    assert stages.find(LATENTS) is None


@pytest.mark.parametrize("damage", [b"numbErs", b"", None])
def test_a_damaged_stage_is_named_removed_and_made_again(
    stages: StageFiles, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    stages.keep(TEXT, b"numbers")
    file = stages.folder / TEXT.key / CONTENT
    file.write_bytes(damage) if damage is not None else file.with_name("stage.json").write_bytes(b"{")

    assert stages.find(TEXT) is None
    assert "computed again" in caplog.text
    stages.keep(TEXT, b"numbers")
    assert stages.find(TEXT) == b"numbers"


def test_what_was_for_one_take_goes_with_it(stages: StageFiles) -> None:
    stages.keep(TEXT, b"numbers")
    stages.keep(LATENTS, b"latents")
    stages.drop(LATENTS.take)

    assert stages.find(LATENTS) is None
    assert stages.find(TEXT) == b"numbers"
    assert [stage.what for stage in stages.kept()] == [TEXT.what]


def test_no_more_is_kept_than_is_allowed_and_the_longest_unused_goes_first(stages: StageFiles) -> None:
    for index in range(4):
        stages.keep(Stage(f"{index}" * 64, str(index)), bytes(100))
        os.utime(stages.folder / (f"{index}" * 64) / "stage.json", (index, index))
    stages.find(Stage("0" * 64, "0"))
    stages.sweep(most=250)

    assert {stage.what for stage in stages.kept()} == {"0", "3"}


def test_what_a_dead_run_left_is_removed(stages: StageFiles) -> None:
    part = stages.folder / f".part-{TEXT.key}"
    part.mkdir(parents=True)
    (part / CONTENT).write_bytes(b"half")
    stages.keep(LATENTS, b"latents")
    record = stages.folder / f"{LATENTS.take}.{LATENTS.key}" / "stage.json"
    (part / record.name).write_bytes(record.read_bytes())
    assert [stage.what for stage in stages.kept()] == [LATENTS.what]
    stages.sweep()

    assert not part.exists()
    assert stages.find(TEXT) is None
