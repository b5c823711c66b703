"""What a user asks of an export, checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wan_render.cut import Cut
from wan_render.editors.otio_adapters import require_adapter
from wan_render.errors import Problem, UsageError
from wan_render.printable import path_name, shown

SUFFIXES: Mapping[str, str] = {
    "otio": ".otio",
    "otioz": ".otioz",
    "edl": ".edl",
    "fcp7": ".xml",
    "fcpx": ".fcpxml",
    "mlt": ".mlt",
    "csv": ".csv",
}
"""Format → the suffix of its file."""

EDITOR_RATES = (24, 25, 30)
"""Frames per second of timelines that every editor opens."""

NATIVE_FORMATS = ("otio", "csv")
"""Formats that are exported at the rate of the takes if no rate is given, with links to their clips."""

LINKS, PRORES = "links", "prores"


@dataclass(frozen=True)
class ExportRequest:
    """A checked request. rate: of the timeline. is_linked: whether takes are linked, not converted. folder: the folder
    to write; None for the next free one in the store."""

    form: str
    rate: Fraction
    is_linked: bool
    folder: Path | None

    @property
    def suffix(self) -> str:
        """Of the document."""
        return SUFFIXES[self.form]

    @property
    def holds_media(self) -> bool:
        """Whether the document is an archive with its media."""
        return self.form == "otioz"


def check_format(form: str, others: Sequence[str] = ()) -> None:
    """Raise UsageError for a format that does not exist, or whose packages are not installed. others: allowed formats
    that are not for editors, for the message."""
    if form not in SUFFIXES:
        raise UsageError(Problem("--to", f"unknown format {shown(form)}", ", ".join((*SUFFIXES, *others))))
    require_adapter(form)


def export_request(cut: Cut, form: str, rate: str | None, media: str | None, folder: Path | None) -> ExportRequest:
    """The request for a film. Raises UsageError for options that are wrong, or do not fit the film or each other."""
    check_format(form)
    wanted = _rate(cut, form, rate)
    if media not in (None, LINKS, PRORES):
        raise UsageError(Problem("--media", f"invalid value {shown(str(media))}", f"{LINKS}, {PRORES}"))
    is_linked = media == LINKS if media is not None else form in NATIVE_FORMATS and wanted == cut.rate
    if is_linked:
        _check_links(cut, form, wanted)
    if folder is not None:
        _check_folder(folder)
    return ExportRequest(form, wanted, is_linked, folder)


def _rate(cut: Cut, form: str, rate: str | None) -> Fraction:
    if rate is None:
        usual = cut.rate if cut.rate in EDITOR_RATES else Fraction(EDITOR_RATES[0])
        return cut.rate if form in NATIVE_FORMATS else usual
    if rate not in map(str, EDITOR_RATES):
        allowed = f"{', '.join(map(str, EDITOR_RATES))}; without --rate, otio and csv have the film's {cut.rate}"
        raise UsageError(Problem("--rate", f"invalid value {shown(rate)}", allowed))
    return Fraction(rate)


def _check_links(cut: Cut, form: str, rate: Fraction) -> None:
    if form not in (*NATIVE_FORMATS, "mlt"):
        raise UsageError(Problem("--media links", f"{form} cannot link to the clips", "otio, mlt, csv", "leave it out"))
    if rate != cut.rate:
        found = f"the film has {cut.rate} frames per second, the timeline {rate}"
        raise UsageError(Problem("--media links", found, "equal rates", "use --media prores, or leave out --rate"))


def _check_folder(folder: Path) -> None:
    """Raise UsageError if something would be overwritten."""
    try:
        is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    except (OSError, ValueError) as error:
        raise UsageError(Problem(f"--out {shown(str(folder))}", f"cannot be used: {error}", "a new folder")) from error
    if not is_free:
        remedy = "choose another one, or leave out --out: the export gets a new folder in the outputs folder"
        raise UsageError(Problem(f"--out {path_name(folder)}", "already exists", "a new or empty folder", remedy))
