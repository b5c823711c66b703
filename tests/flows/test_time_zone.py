"""Whose 22:00: asked once, kept, or the machine's."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from flows.farm_home.time_zone import farm_zone
from wan_render.errors import MachineError
from wan_render.night.zones import is_zone, machine_zone


def test_a_person_is_asked_once_and_again_after_a_wrong_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Berlin\nEurope/Berlin\n"))
    assert farm_zone(tmp_path, asks=True)[0] == "Europe/Berlin"
    assert "'Berlin' is no time zone" in capsys.readouterr().out
    assert farm_zone(tmp_path, asks=True) == (
        "Europe/Berlin",
        f"schedules are in the time zone Europe/Berlin ({tmp_path}/zone)",
    )


def test_enter_and_nobody_to_ask_mean_the_zone_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    zone, said = farm_zone(tmp_path, asks=False)
    assert zone == machine_zone() == "Asia/Shanghai"
    assert said.endswith(f"for another, write its name to {tmp_path}/zone")
    assert not (tmp_path / "zone").exists()
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert farm_zone(tmp_path, asks=True)[0] == "Asia/Shanghai"
    assert (tmp_path / "zone").read_text(encoding="utf-8") == "Asia/Shanghai\n"


def test_a_file_that_names_no_zone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "zone").write_text("Shanghai\n", encoding="utf-8")
    with pytest.raises(MachineError, match=r"zone: 'Shanghai' is no time zone; such as .*; correct it, or remove it"):
        farm_zone(tmp_path, asks=False)


def test_zones_are_those_of_the_iana_database() -> None:
    assert is_zone("UTC")
    for name in ("", "Berlin", "../etc/passwd", "/etc/passwd", "a\0b"):
        assert not is_zone(name)
