"""What `doctor` reports. Backends and installed packages add findings of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol, runtime_checkable

from wan_render.settings import install_command


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    remedy: what to do; "" if all is well. needed: whether nothing renders without it.
    """

    what: str
    found: str
    remedy: str = ""
    needed: bool = False

    @property
    def mark(self) -> str:
        """`ok`; `--` if something is missing; `!!` if nothing renders without it."""
        if not self.remedy:
            return "ok"
        return "!!" if self.needed else "--"


@runtime_checkable
class HasFindings(Protocol):
    """A backend that needs something on the machine for all of its models."""

    def findings(self) -> Iterable[Finding]:
        """What it needs, and whether it is there. A finding with a remedy means that this backend cannot render here
        yet. Raises nothing, imports nothing heavy."""


def installed(extra: str, packages: Iterable[str]) -> Finding:
    """The installed versions of an extra's packages, or which of them are missing. `extra`: its name in
    pyproject.toml."""
    found, missing = [], []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        return Finding(f"extra '{extra}'", f"without {', '.join(missing)}", install_command(extra))
    return Finding(f"extra '{extra}'", ", ".join(found))
