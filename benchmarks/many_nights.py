"""Many short nights on one server: does anything grow?

    python -m benchmarks.many_nights                     # 24 nights, about ten minutes on two cores
    python -m benchmarks.many_nights --nights 10

Each night is a run of batch/overnight: the animatic renders a film of four shots, all of them changed since the night
before. After each night: memory (unique set size) and open files of the farm's processes that go on (the farm, the
server, the worker), and rows and pages in use of the server's database. The flow and device processes of a night end
with it, so they are measured while it renders.

Prediction, written before the first run: the server grows by 0.3 MB a night after night 6, the others by less than
0.1 MB; no process keeps a file open; the database grows by about 60 rows a night. Target: 1 MB a night.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import pandas as pd
import psutil

from benchmarks.faults.farm_campaign import FarmCampaign, FarmNight
from benchmarks.faults.storyboards import Films

SETTLED = 6
"""After so many nights, whatever is loaded once is loaded."""

PARTS = {
    "farm": "flows.farm",
    "server": "flows.serving.server",
    "worker": "farm_worker",
    "flow": "flows.film_process",
    "device": "wan_render.farm.process.child",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Many nights on one server.")
    parser.add_argument("--nights", type=int, default=24)
    nights = parser.parse_args().nights
    folder = Path(tempfile.mkdtemp(prefix="wan-render-nights-"))
    campaign = FarmCampaign(folder, 1, 1, 4, 1.0, 0.05)
    for each in (campaign.control, campaign.outputs, folder / "tmp"):
        each.mkdir()
    rng, films = random.Random(1), Films(campaign.storyboards, 1, 4)  # noqa: S311 - repeatable
    films.write(rng)
    campaign.prepare()
    rows = []
    for number in range(1, nights + 1):
        row = _night(campaign)
        rows.append({"night": number, **row})
        print("  ".join(f"{name} {value:g}" for name, value in rows[-1].items()), flush=True)
        for shot in range(4):
            films.change(0, shot, rng)
    campaign.end()
    shutil.rmtree(folder, ignore_errors=True)
    _report(pd.DataFrame(rows).set_index("night"))


def _night(campaign: FarmCampaign) -> dict[str, float]:
    night = campaign.start_night(campaign.outputs, 0.05, [])
    assert isinstance(night, FarmNight)
    during: dict[str, float] = {}
    while night.poll() is None:
        for name in ("flow", "device"):
            megabytes = [_megabytes(each) for each in campaign.farm.processes(PARTS[name])]
            during[f"{name} MB"] = max(during.get(f"{name} MB", 0.0), *megabytes, 0.0)
    assert night.returncode == 0, night.returncode
    row = {}
    for name in ("farm", "server", "worker"):
        processes = campaign.farm.processes(PARTS[name])
        row[f"{name} MB"] = sum(map(_megabytes, processes))
        row[f"{name} files"] = sum(process.num_fds() for process in processes)
    return {**row, **during, **_database(campaign.folder / "farm" / "prefect.db")}


def _megabytes(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        return round(process.memory_full_info().uss / 1e6, 1)
    return 0.0


def _database(file: Path) -> dict[str, float]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = sum(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables)  # noqa: S608
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (unused,) = connection.execute("PRAGMA freelist_count").fetchone()
    return {"rows": rows, "pages": pages - unused}


def _report(nights: pd.DataFrame) -> None:
    settled = nights.loc[SETTLED:]
    growth = (settled.iloc[-1] - settled.iloc[0]) / max(len(settled) - 1, 1)
    table = pd.DataFrame(
        {"first": nights.iloc[0], "last": nights.iloc[-1], f"a night after {SETTLED}": growth.round(2)}
    )
    print(table.to_string())


if __name__ == "__main__":
    main()
