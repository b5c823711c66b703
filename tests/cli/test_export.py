"""`wan-render export` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_a_film_is_exported_and_what_is_lost_is_printed(wan_render: Run, harbour: Path, tmp_path: Path) -> None:
    early = wan_render("export", harbour, "--to", "mlt", "--backend", "animatic")
    assert early.returncode == 2
    assert "has no film 'harbour' yet, and the takes of 1/010, 1/020 are missing" in early.stderr
    assert wan_render("render", harbour, "--backend", "animatic").returncode == 0
    done = wan_render("export", harbour, "--to", "mlt", "--out", "my export")
    assert done.returncode == 0, done.stderr
    assert "note:" not in done.stderr
    assert "left out: prompts, seeds and settings" in done.stdout
    assert (tmp_path / done.stdout.splitlines()[-1]) == tmp_path / "my export" / "harbour.mlt"
    assert "media: harbour_sc1_sh010_t01: " in done.stderr
    again = wan_render("export", harbour, "--to", "mlt", "--out", "my export")
    assert again.returncode == 2
    harbour.write_text(harbour.read_text().replace("boats come home", "boats leave"))
    changed = wan_render("export", harbour, "--to", "csv")
    assert "another film than v001 now (1 take to render); v001 is exported" in changed.stderr
    report = json.loads(wan_render("export", harbour, "--to", "otio", "--json").stdout)
    assert (report["frames"], report["rate"], report["left_out"]) == (33, "16", [])
    unknown = wan_render("export", harbour, "--to", "aaf")
    assert (unknown.returncode, unknown.stderr.splitlines()[-1]) == (
        2,
        "--to: unknown format 'aaf'; otio, otioz, edl, fcp7, fcpx, mlt, csv, openjd, slurm",
    )
