"""`doctor`: what this machine has, what it lacks, and what to do about it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path

from wan_render import __version__
from wan_render.authored.words import PROFILES
from wan_render.backend_contract import Backend, of_devices
from wan_render.backends import DEFAULT, PREVIEW_BACKEND, backend, families, names
from wan_render.devices import KIND_NAMES, SETTING, VISIBLE, hidden_gpus, local_devices
from wan_render.diagnosis import Finding, HasFindings
from wan_render.errors import MachineError, Problem, UsageError, WanRenderError
from wan_render.farm.chosen_farm import farm_devices
from wan_render.media import ffmpeg, ffmpeg_features, fonts
from wan_render.printable import one_line
from wan_render.production.unable_devices import confinement, refusal
from wan_render.session.wording import counted
from wan_render.settings import NOTIFY_SETTING, PREFIX, MachineSettings, machine_settings, variables
from wan_render.store import outputs_for
from wan_render.store.disk import gigabytes
from wan_render.wheel_weights import WHEELS

CHECKS = "wan_render.doctor"
"""Entry points that add to the report: functions that take a folder and return findings. They raise no errors."""

WITHOUT_GPU = f"the models need one; --backend {PREVIEW_BACKEND} renders a preview without"

ANOTHER_PROFILE = "render with profile:"
"""A remedy that says this is none for a device that can render the profile, only not in its strongest variant."""

WIDTH = max(map(len, variables()))
"""Width of the column with the names, in characters."""

LONGEST_LINE = 120
"""Longer lines, in characters, are broken before the remedy and between clauses."""

_BETWEEN_CLAUSES = re.compile(r"(?<=; )|(?<=, )(?=or )")


def run(arguments: argparse.Namespace) -> int:
    """Print every finding. Returns 3 if something is missing that wan-render cannot work without."""
    findings = tuple(_findings(machine_settings()))
    if arguments.json:
        report = {"version": 1, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            print("\n".join(_lines(finding)))
    return 3 if any(finding.mark == "!!" for finding in findings) else 0


def _lines(finding: Finding) -> Iterator[str]:
    """The finding in one line, or in several of at most LONGEST_LINE if it can be broken."""
    name, found = f"{finding.mark} {finding.what:<{WIDTH}} ", one_line(finding.found)
    remedy = one_line(f"→ {finding.remedy}") if finding.remedy else ""
    if len(line := f"{name}{found}  {remedy}".rstrip()) <= LONGEST_LINE:
        yield line
        return
    first, *others = (*_broken(found, LONGEST_LINE - len(name)), *_broken(remedy, LONGEST_LINE - len(name)))
    yield f"{name}{first}"
    yield from (" " * len(name) + other for other in others)


def _broken(text: str, width: int) -> list[str]:
    """A text in lines of at most `width` characters, unless a clause is longer; no line for an empty text."""
    lines: list[str] = []
    for clause in filter(None, _BETWEEN_CLAUSES.split(text)):
        if lines and len(lines[-1]) + len(clause.rstrip()) <= width:
            lines[-1] += clause
        else:
            lines.append(clause)
    return [line.rstrip() for line in lines]


def _findings(settings: MachineSettings) -> Iterator[Finding]:
    yield Finding("wan-render", __version__)
    yield Finding("python", f"{platform.python_version()} at {sys.executable}")
    yield _yaml()
    yield _tried("ffmpeg", _ffmpeg, needed=True)
    yield _tried("fonts", _fonts, needed=True)
    yield from _devices(settings)
    for name in families():
        yield from _profiles(backend(name), settings)
    yield _outputs(settings)
    yield _disk("cache", settings.cache, needed=False)
    for each in map(backend, names()):
        if isinstance(each, HasFindings):
            yield from each.findings()
    yield from _registered()
    yield from _weights(settings)
    for variable, field in variables().items():
        yield _setting(variable, _shown(getattr(settings, field), is_secret=variable == NOTIFY_SETTING), settings)


def _tried(what: str, find: Callable[[], Finding], *, needed: bool) -> Finding:
    try:
        return find()
    except WanRenderError as error:
        problem = error.problems[0]
        return Finding(what, problem.found, problem.remedy or problem.allowed or "see above", needed)


def _yaml() -> Finding:
    import yaml

    if yaml.__with_libyaml__:
        return Finding("yaml", f"PyYAML {yaml.__version__} with libyaml")
    remedy = "install PyYAML's wheel: pip install --force-reinstall --only-binary :all: pyyaml"
    return Finding("yaml", f"PyYAML {yaml.__version__} without libyaml", remedy, needed=True)


def _ffmpeg() -> Finding:
    missing = ffmpeg_features.missing_features()
    found = f"{ffmpeg_features.version()} at {ffmpeg.program()}"
    if missing:
        return Finding("ffmpeg", f"{found}, without {', '.join(missing)}", "unset WAN_RENDER_FFMPEG", needed=True)
    return Finding("ffmpeg", found)


def _fonts() -> Finding:
    missing = fonts.missing_glyphs("The film 江河与白鸽 完 سلام नमस्ते")
    if missing:
        remedy = "reinstall noto-cjk-sans-otc and manimgx-fonts"
        return Finding("fonts", f"no glyph for {' '.join(missing)}", remedy, needed=True)
    own = fonts.machine_faces()
    others = len(fonts.further_faces()) - len(own)
    of_machine = f", {len(own)} of this machine" if own else ""
    return Finding("fonts", f"Noto Sans CJK, {others} for other scripts{of_machine}")


def _devices(settings: MachineSettings) -> Iterator[Finding]:
    for kind in ("cuda", "cpu"):
        try:
            for device in local_devices(settings.model_copy(update={"devices": "auto"}), (kind,)):
                yield Finding(device.name, f"{device.label}, {gigabytes(device.memory_bytes)}")
        except WanRenderError as error:
            yield _no_device(kind, error.problems[0])
    if settings.farm == "ray":
        yield from _cluster(settings)
    if (problem := hidden_gpus(("cuda",))) is not None:
        yield Finding(VISIBLE, problem.found, f"{problem.allowed}; {problem.remedy}")


def _cluster(settings: MachineSettings) -> Iterator[Finding]:
    """The devices of the Ray cluster that takes are rendered on."""
    try:
        for device in farm_devices(settings, ("cuda", "cpu")):
            yield Finding(device.name, f"{device.label}, {gigabytes(device.memory_bytes)}, in the Ray cluster")
    except WanRenderError as error:
        problem = error.problems[0]
        yield Finding("ray", f"{problem.where}: {problem.found}", problem.remedy or problem.allowed, needed=True)


def _no_device(kind: str, problem: Problem) -> Finding:
    if problem.where == VISIBLE:
        return Finding(kind, f"{problem.where}: {problem.found}", f"{problem.allowed}; {problem.remedy}")
    return Finding(kind, problem.found, WITHOUT_GPU if kind == "cuda" else "")


def _profiles(backend: Backend, settings: MachineSettings) -> Iterator[Finding]:
    """The profiles that a backend can render on the devices that it would use. For devices of a slower kind the report
    gives no reasons: it already says that the best kind is missing."""
    try:
        devices = farm_devices(settings, backend.device_kinds)
    except WanRenderError:  # reported with the devices
        return
    variants = {name: backend.variant(name, devices).name for name in PROFILES}
    unable = {name: backend.unable(name, devices, variant) for name, variant in variants.items()}
    refused = {name: problem for name in PROFILES if (problem := refusal(unable[name], devices)) is not None}
    computed = {name: f" ({variant})" if variant else "" for name, variant in variants.items()}
    able = ", ".join(f"{name}{computed[name]}" for name in PROFILES if name not in refused)
    if not any(device.kind == backend.device_kinds[0] for device in devices):
        yield Finding(_label("profiles", backend), able)
    elif refused:
        yield _lacking_profiles(_label("profiles", backend), able, refused)
    else:
        weaker = next((name for name, variant in variants.items() if variant), None)
        stronger = {} if weaker is None else backend.unable(weaker, devices, "")
        yield _able_profiles(_label("profiles", backend), able, stronger)
    confined = {name: confinement(problems, devices) for name, problems in unable.items()}
    yield from _confined_profiles(_label("some devices", backend), confined)


def _label(what: str, backend: Backend) -> str:
    """The label of a finding, with the backend's name unless it is the default backend."""
    name = backend.id.partition("/")[0]
    return what if name == DEFAULT else f"{what} of {name}"


def _able_profiles(label: str, able: str, stronger: Mapping[str, Problem]) -> Finding:
    """stronger: what the devices lack for the strongest variant of a profile that has another one here."""
    if not stronger:
        return Finding(label, able)
    lacking = of_devices(stronger)
    remedy = "" if ANOTHER_PROFILE in lacking.remedy else lacking.remedy
    return Finding(label, f"{able}; for a stronger variant: {lacking.found}; {lacking.allowed}", remedy)


def _lacking_profiles(label: str, able: str, refused: Mapping[str, Problem]) -> Finding:
    first = next(iter(refused.values()))
    return Finding(label, f"{able}; not {', '.join(refused)}: {first.found}; {first.allowed}", first.remedy)


def _confined_profiles(label: str, found: Mapping[str, Problem | None]) -> Iterator[Finding]:
    """The profiles that only some of the devices can render."""
    confined = {name: problem for name, problem in found.items() if problem is not None}
    if confined:
        first = next(iter(confined.values()))
        yield Finding(label, f"{', '.join(confined)}: {first.found}; {first.allowed}")


def _setting(variable: str, value: str, settings: MachineSettings) -> Finding:
    """A setting. Whether named devices exist is checked here, because reading the settings does not."""
    try:
        if variable == SETTING:
            local_devices(settings, tuple(KIND_NAMES))
    except UsageError as error:
        problem = error.problems[0]
        if problem.where == VISIBLE:  # reported with the devices: this setting is right
            return Finding(variable, value)
        return Finding(variable, f"{value}: {problem.found}", problem.remedy or problem.allowed, needed=True)
    except MachineError:  # reported with the devices
        pass
    return Finding(variable, value)


def _shown(value: object, *, is_secret: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple) and value:  # addresses of webhooks are secrets, and people share this output
        return counted(len(value), "destination") if is_secret else ", ".join(map(str, value))
    return "not set" if value in (None, "", ()) else re.sub(r"//[^/@]*@", "//…@", str(value))  # a password


def _outputs(settings: MachineSettings) -> Finding:
    """The outputs folder of a storyboard in the current folder."""
    try:
        return _disk("outputs", outputs_for(None, settings.outputs).folder, needed=True)
    except UsageError as error:
        problem = error.problems[0]
        remedy = problem.remedy or f"name another folder in {PREFIX}OUTPUTS"
        return Finding("outputs", f"{problem.where}: {problem.found}", remedy, needed=True)


def _disk(what: str, folder: Path, *, needed: bool) -> Finding:
    """A folder and its free space. A cache is optional: without it, every process hashes files and compiles kernels
    again."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        found = f"{folder}: {existing} {'cannot be written' if existing.is_dir() else 'is not a folder'}"
        return Finding(what, found, f"name another folder in {PREFIX}{what.upper()}", needed)
    return Finding(what, f"{folder}, {gigabytes(shutil.disk_usage(existing).free)} free")


def _registered() -> Iterator[Finding]:
    """Findings of other packages, for example of `flows` about its farm, which the core does not know."""
    for check in sorted(entry_points(group=CHECKS), key=lambda each: each.name):
        yield from check.load()(Path.cwd())


def _weights(settings: MachineSettings) -> Iterator[Finding]:
    """Findings about weights only. A backend's other requirements are in its own findings."""
    for wheel in WHEELS.values():
        lacking = wheel.problem(settings.weights)
        found = f"weights found ({wheel.what})" if lacking is None else f"{lacking.found} ({wheel.what})"
        yield Finding(wheel.name, found, lacking.remedy if lacking is not None else "")
    for family in families().values():
        for card in family.cards:
            problem = family.weights(card).problem
            if problem is None:
                yield Finding(card.name, "weights found")
            else:
                yield Finding(card.name, problem.found, problem.remedy)
