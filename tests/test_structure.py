"""One name for one thing, and pages of one width, as `python -m benchmarks.structure` counts them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.structure import (
    file_names_used_twice,
    long_prose,
    loose_files,
    misleading_file_names,
    names_defined_twice,
)

ROOT = Path(__file__).parents[1]


def test_no_public_name_is_defined_twice() -> None:
    assert names_defined_twice(ROOT) == []


def test_no_file_name_is_used_twice() -> None:
    assert file_names_used_twice(ROOT) == []


def test_no_file_is_named_like_its_package_or_a_module_of_python() -> None:
    assert misleading_file_names(ROOT) == []


@pytest.mark.parametrize(("package", "most"), [("wan_render/backends/wan", 5), ("flows", 10)])
def test_few_files_stay_at_the_top_of_a_package_with_rooms(package: str, most: int) -> None:
    """`__init__.py` is one of them."""
    assert 0 < len(loose_files(ROOT / package)) <= most


def test_prose_is_at_most_100_columns_wide() -> None:
    assert long_prose(ROOT) == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one fault of each kind."""
    files = {
        "wan_render/plan/plan.py": "class Order: ...\n",
        "wan_render/store/order.py": "class Order: ...\ndef main(): ...\ndef _private(): ...\n",
        "wan_render/farm/order.py": "def main(): ...\ndef _private(): ...\n",
        "flows/logging.py": "",
        "page.md": f"{'a ' * 50}b\n\n```\n{'a ' * 60}\n```\n",
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for command in (["init", "--quiet"], ["add", "."]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)  # noqa: S607 - the git of whoever runs the tests
    return tmp_path


def test_each_fault_is_found(checkout: Path) -> None:
    assert names_defined_twice(checkout) == ["Order"]
    assert file_names_used_twice(checkout) == ["order.py"]
    assert misleading_file_names(checkout) == ["flows/logging.py", "wan_render/plan/plan.py"]
    assert long_prose(checkout) == ["page.md:1"]
