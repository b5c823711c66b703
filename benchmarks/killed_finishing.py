"""Finishing that is killed again and again: the same command goes on, and the film is the same in the end.

    wan-render models pull realesrgan
    python -m benchmarks.killed_finishing

The film of `tests/production/whole_film.py` with evened joints and seven deliverables is made once, and once more by
runs that are killed with SIGKILL, each with all of its processes: one run in each kind of stage, a random part of the
time that this stage took after it began. The last run is left alone. Then everything in the film's
folder is compared, and nothing may be left over: no half-written file, no process, no second version.

Prediction, written before the first run: all equal; nothing left, except temporary folders, which nobody removes after
a SIGKILL.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.production.whole_film import WholeFilm
from wan_render.settings import machine_settings
from wan_render.take import Size
from wan_render.wheel_weights import REALESRGAN

DELIVERABLES = "hevc10, gif, png, poster, square, prores4444, webp"
STAGE = "making the film: "
OWN_TO_A_RUN = (".provenance.json", "film.json", "cut.otio", "index.html", "contact.png", "plan.json", "shots.csv")
"""Ends of names of files that say when and where they were made, how long it took, and what was there before."""


@dataclass(frozen=True)
class Line:
    """A line that a run printed, and its second."""

    text: str
    at: float


@dataclass(frozen=True)
class Runs:
    """Runs of one command in one folder."""

    folder: Path

    def begin(self, outputs: str) -> subprocess.Popen[str]:
        """Begin the command in a process group of its own."""
        words = ["render", "--backend", "animatic", "whole.yaml", "--outputs", outputs]
        return subprocess.Popen(
            [sys.executable, "-u", "-m", "wan_render.cli", *words],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.folder / "tmp"), "WAN_RENDER_DEVICES": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def whole(self, outputs: str) -> list[Line]:
        """Let it end. Raises: SystemExit if it fails."""
        process, begun = self.begin(outputs), time.perf_counter()
        assert process.stdout is not None
        lines = [Line(text.strip(), time.perf_counter() - begun) for text in process.stdout]
        if process.wait():
            raise SystemExit("\n".join(line.text for line in lines[-20:]))
        return lines

    def killed(self, outputs: str, stage: str, seconds: float) -> str:
        """Kill it so many seconds after it began a stage. Returns what it printed last, or "" if it ended before."""
        process = self.begin(outputs)
        assert process.stdout is not None
        for text in process.stdout:
            if text.startswith(stage):
                time.sleep(seconds)
                if process.poll() is not None:
                    break
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return text.strip()
        process.wait()
        return ""

    def processes(self) -> list[str]:
        """Processes that still work in the folder, five seconds later at most."""
        for _ in range(50):
            if not (found := [process for process in psutil.process_iter(["cmdline"]) if self._is_ours(process)]):
                return []
            time.sleep(0.1)
        return [" ".join(process.info["cmdline"] or ())[:120] for process in found]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.pid != os.getpid() and (
                str(self.folder) in " ".join(process.info["cmdline"] or ())
                or self.folder in Path(process.cwd()).parents
            )
        except psutil.Error:
            return False


def hashes(folder: Path) -> dict[str, str]:
    """Every file of a folder, by its path, and its SHA-256."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def stages(lines: list[Line]) -> list[tuple[str, float]]:
    """The stages of a run, and how long each took."""
    begun = [line for line in lines if line.text.startswith(STAGE)]
    ends = [*(line.at for line in begun[1:]), lines[-1].at]
    return [(line.text.split(": ", 2)[1], end - line.at) for line, end in zip(begun, ends, strict=True)]


def kinds(every: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """The longest stage of each kind, in their order. Each deliverable is a kind of its own."""
    found: dict[str, tuple[str, float]] = {}
    for stage, seconds in every:
        kind = stage if stage.startswith("deliver") else stage.partition(" ")[0]
        found[kind] = max(found.get(kind, (stage, 0.0)), (stage, seconds), key=lambda each: each[1])
    return list(found.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if (problem := REALESRGAN.problem(machine_settings().weights)) is not None:
        raise SystemExit(str(problem))
    with tempfile.TemporaryDirectory(prefix="killed-finishing-") as name:
        return campaign(Runs(Path(name)), random.Random(options.seed))  # noqa: S311 - repeatable


def campaign(runs: Runs, dice: random.Random) -> int:
    """Make the film in both ways and compare. Returns the exit code."""
    film = WholeFilm.written(runs.folder, Size(96, 64), Size(192, 128)).folder / "whole.yaml"
    asked = f"match_colours: on, ease_joints: on, deliverables: [{DELIVERABLES}]"
    film.write_text(film.read_text(encoding="utf-8").replace("match_colours: on", asked), encoding="utf-8")
    (runs.folder / "tmp").mkdir()
    every, done = kinds(stages(runs.whole("whole"))), 0
    for stage, seconds in every:
        after = dice.uniform(0, 0.8 * seconds)
        last = runs.killed("killed", STAGE + stage, after)
        done += bool(last)
        print(f"{after:5.2f} s after {last!r}" if last else f"ended before it was killed in {stage}", flush=True)
        if left := runs.processes():
            print("still running: ", *left, sep="\n")
            return 1
    runs.whole("killed")
    one, other = (hashes(runs.folder / outputs / "films" / "whole") for outputs in ("whole", "killed"))
    unlike = [path for path in one.keys() & other.keys() if one[path] != other[path]]
    unlike = sorted(path for path in unlike if not path.endswith(OWN_TO_A_RUN))
    parts = [str(file) for file in (runs.folder / "killed").rglob(".part*")]
    print(f"{done} kills in {len(every)} kinds of stages")
    print(f"{len(one)} files, {len(other)} after the kills; unlike: {unlike}")
    print(f"half-written: {parts}; temporary: {sorted(file.name for file in (runs.folder / 'tmp').iterdir())}")
    print(f"load {os.getloadavg()[0]:.1f}")
    return 0 if one.keys() == other.keys() and not unlike and not parts else 1


if __name__ == "__main__":
    raise SystemExit(main())
