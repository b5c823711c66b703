"""The structure of the code in numbers: what a newcomer has to find his way through.

    python -m benchmarks.structure [CHECKOUT]            counts, without running anything of the checkout
    python -m benchmarks.structure --take [CHECKOUT]     also which modules one tiny FLF2V take runs (needs '.[wan]')

CHECKOUT is this one if absent. Another one, of an earlier commit, is measured in the same way.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("wan_render", "flows")
SHARED_NAMES = frozenset({"main", "run"})
"""Functions that every program and every command has."""

SHARED_FILES = frozenset({"__init__.py", "__main__.py", "renderer.py"})
"""Files that every package or every backend has."""

MOST_COLUMNS = 100
"""For prose in Markdown. Tables, code and links that cannot be broken are not counted."""


def sources(checkout: Path) -> list[Path]:
    return sorted(file for package in PACKAGES for file in (checkout / package).rglob("*.py"))


def public_names(file: Path) -> Iterator[str]:
    """Public classes and functions at the top of a module."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name


def names_defined_twice(checkout: Path) -> list[str]:
    counted = Counter(name for file in sources(checkout) for name in set(public_names(file)))
    return sorted(name for name, count in counted.items() if count > 1 and name not in SHARED_NAMES)


def file_names_used_twice(checkout: Path) -> list[str]:
    commands = checkout / "wan_render" / "cli"
    files = [file for file in sources(checkout) if file.parent != commands and file.name not in SHARED_FILES]
    return sorted(name for name, count in Counter(file.name for file in files).items() if count > 1)


def misleading_file_names(checkout: Path) -> list[str]:
    """Modules and packages that have the name of the package they are in, or of a module of Python's library."""
    places = {place for file in sources(checkout) for place in (file, file.parent)}
    return sorted(
        str(place.relative_to(checkout))
        for place in places
        if place.stem == place.parent.name or place.stem in sys.stdlib_module_names
    )


def loose_files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.py"))


def imports_of(folder: Path, module: str) -> list[str]:
    """Imports of a module, or of what is in it, by the files below a folder."""
    found = []
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            imported = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found += [f"{file.name}: {name}" for name in imported if name == module or name.startswith(f"{module}.")]
    return found


def methods(checkout: Path) -> dict[str, int]:
    """Methods of every class, by its name."""
    return {
        node.name: sum(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) for part in node.body)
        for file in sources(checkout)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }


def lines(folder: Path) -> int:
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in folder.rglob("*.py"))


def long_prose(checkout: Path) -> list[str]:
    """Lines of prose that are too wide, as `file:line`."""
    listed = subprocess.run(
        ["git", "ls-files", "*.md"],  # noqa: S607 - the git of whoever measures
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    return [place for name in listed.stdout.split() for place in _long_lines(checkout / name, name)]


def _long_lines(file: Path, name: str) -> Iterator[str]:
    is_code = False
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif (
            not is_code
            and not line.lstrip().startswith(("|", "!"))
            and len(re.sub(r"\(http\S+\)", "", line)) > MOST_COLUMNS
        ):
            yield f"{name}:{number}"


TRACE = """
import os, sys, threading
if any("child" in word for word in sys.orig_argv) and "WAN_STRUCTURE" in os.environ:
    root, seen = os.environ["WAN_STRUCTURE_ROOT"], set()
    def note(frame, event, argument):
        if event == "call":
            file = frame.f_code.co_filename
            if frame.f_code.co_name != "<module>" and file not in seen:
                seen.add(file)
                if file.startswith(root):
                    with open(os.environ["WAN_STRUCTURE"], "a") as out:
                        out.write(file + "\\n")
    threading.setprofile(note)
    sys.setprofile(note)
"""
"""Put before a device process: notes every module of which a function is called."""

FILM = """
version: 1
film: {raster: 64x48, deliver: 64x48}
keyframes: kf/
defaults: {duration: 5f, render: {flf2v: {model: tiny, steps: 2}}}
shots: [{from: a, to: b, action: go}]
"""

MAKE = """
import sys
from pathlib import Path
from PIL import Image
from tests.tiny_wan import KINDS, save_tiny
folder = Path(sys.argv[1])
save_tiny(KINDS["flf2v-2.1"], folder / "tiny")
(folder / "kf").mkdir()
for name, colour in (("a", "teal"), ("b", "orange")):
    Image.new("RGB", (64, 48), colour).save(folder / "kf" / f"{name}.png")
"""


def modules_of_a_take(checkout: Path) -> list[Path]:
    """The modules of which a function runs in the device process, for one tiny FLF2V take on the CPU."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        traced = folder / "traced"
        (folder / "sitecustomize.py").write_text(TRACE, encoding="utf-8")
        (folder / "film.yaml").write_text(FILM, encoding="utf-8")
        environment = {
            **os.environ,
            "PYTHONPATH": f"{folder}{os.pathsep}{checkout}",
            "WAN_RENDER_DEVICES": "cpu",
            "WAN_RENDER_CACHE": str(folder / "cache"),
            "WAN_STRUCTURE": str(traced),
            "WAN_STRUCTURE_ROOT": f"{checkout / 'wan_render'}{os.sep}",
        }
        for command in (
            [sys.executable, "-c", MAKE, name],
            [sys.executable, "-m", "wan_render.cli", "render", "--outputs", f"{name}/outputs", f"{name}/film.yaml"],
        ):
            subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)
        return sorted({Path(line) for line in traced.read_text(encoding="utf-8").splitlines()})


def report(checkout: Path) -> Iterator[tuple[str, int, str]]:
    """Each count: what it is of, the number, and the first of what was counted."""
    counted = {
        "public names defined twice": names_defined_twice(checkout),
        "file names used twice": file_names_used_twice(checkout),
        "file names of the package or of Python": misleading_file_names(checkout),
        "files at the top of backends/wan": loose_files(checkout / "wan_render" / "backends" / "wan"),
        "files at the top of flows": loose_files(checkout / "flows"),
        "imports of wan_render.cli by flows": imports_of(checkout / "flows", "wan_render.cli"),
        "imports of backends.wan by cli": imports_of(checkout / "wan_render" / "cli", "wan_render.backends.wan"),
        f"prose lines over {MOST_COLUMNS} columns": long_prose(checkout),
    }
    for what, found in counted.items():
        yield what, len(found), ", ".join(found[:8])
    classes = methods(checkout)
    yield "methods of WanRenderer", classes["WanRenderer"], ""
    largest = sorted(classes.items(), key=lambda item: -item[1])[:5]
    yield "methods of the largest class", largest[0][1], ", ".join(f"{name} {count}" for name, count in largest)
    yield "lines of backends/wan/weights", lines(checkout / "wan_render" / "backends" / "wan" / "weights"), ""
    for package in PACKAGES:
        yield f"lines of {package}", lines(checkout / package), ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--take", action="store_true")
    arguments = parser.parse_args()
    checkout = arguments.checkout.resolve()
    for what, number, some in report(checkout):
        print(f"{number:6,}  {what}{f': {some}' if some else ''}")
    if arguments.take:
        modules = modules_of_a_take(checkout)
        longest = max((len(file.read_text(encoding="utf-8").splitlines()), file.name) for file in modules)
        print(f"{len(modules):6,}  modules run by one tiny take; the longest is {longest[1]} with {longest[0]} lines")


if __name__ == "__main__":
    main()
