"""`doctor`: what is here, what is not, and what to do about it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path

from wan_render import __version__
from wan_render.authored.words import PROFILES
from wan_render.backend_contract import Backend
from wan_render.backends import DEFAULT, PREVIEW_BACKEND, backend, families, names
from wan_render.devices import KIND_NAMES, SETTING, VISIBLE, hidden_gpus, local_devices
from wan_render.diagnosis import Finding, HasFindings
from wan_render.errors import MachineError, Problem, UsageError, WanRenderError
from wan_render.media import ffmpeg, text
from wan_render.printable import one_line
from wan_render.production.unable_devices import confinement, refusal
from wan_render.session.wording import gigabytes
from wan_render.settings import PREFIX, MachineSettings, machine_settings, variables
from wan_render.store import outputs_for

CHECKS = "wan_render.doctor"
"""The entry points that add to the report: functions of a folder that give findings. They raise nothing."""

WITHOUT_GPU = f"the models want one; --backend {PREVIEW_BACKEND} renders a preview without"

WIDTH = max(map(len, variables()))
"""Columns of the report's names."""


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; exit 3 where something is missing that nothing works without."""
    findings = tuple(_findings(machine_settings()))
    if arguments.json:
        print(
            json.dumps(
                {"version": 1, "findings": [asdict(finding) for finding in findings]}, ensure_ascii=False, indent=2
            )
        )
    else:
        for finding in findings:
            remedy = f"  → {finding.remedy}" if finding.remedy else ""
            print(one_line(f"{finding.mark} {finding.what:<{WIDTH}} {finding.found}{remedy}"))
    return 3 if any(finding.mark == "!!" for finding in findings) else 0


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
    yield from _weights()
    for variable, field in variables().items():
        yield _setting(variable, _shown(getattr(settings, field)), settings)


def _tried(what: str, look: Callable[[], Finding], *, needed: bool) -> Finding:
    try:
        return look()
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
    lacking = ffmpeg.lacking()
    found = f"{ffmpeg.version()} at {ffmpeg.program()}"
    if lacking:
        return Finding("ffmpeg", f"{found}, without {', '.join(lacking)}", "unset WAN_RENDER_FFMPEG", needed=True)
    return Finding("ffmpeg", found)


def _fonts() -> Finding:
    missing = text.missing_glyphs("The film 江河与白鸽 完")
    if missing:
        return Finding("fonts", f"no glyph for {' '.join(missing)}", "reinstall noto-cjk-sans-otc", needed=True)
    return Finding("fonts", "Noto Sans CJK")


def _devices(settings: MachineSettings) -> Iterator[Finding]:
    for kind in ("cuda", "cpu"):
        try:
            for device in local_devices(settings.model_copy(update={"devices": "auto"}), (kind,)):
                yield Finding(device.name, f"{device.label}, {gigabytes(device.memory_bytes)}")
        except WanRenderError as error:
            yield _no_device(kind, error.problems[0])
    if (problem := hidden_gpus(("cuda",))) is not None:
        yield Finding(VISIBLE, problem.found, f"{problem.allowed}; {problem.remedy}")


def _no_device(kind: str, problem: Problem) -> Finding:
    if problem.where == VISIBLE:
        return Finding(kind, f"{problem.where}: {problem.found}", f"{problem.allowed}; {problem.remedy}")
    return Finding(kind, problem.found, WITHOUT_GPU if kind == "cuda" else "")


def _profiles(backend: Backend, settings: MachineSettings) -> Iterator[Finding]:
    """What a backend can render on the devices that it would use. Why a slower kind of device renders less was said
    with the devices."""
    try:
        devices = local_devices(settings, backend.device_kinds)
    except WanRenderError:  # said of the devices
        return
    variants = {name: backend.variant(name, devices).name for name in PROFILES}
    unable = {name: backend.unable(name, devices, computed) for name, computed in variants.items()}
    refused = {name: problem for name in PROFILES if (problem := refusal(unable[name], devices)) is not None}
    able = ", ".join(_told(name, variants[name]) for name in PROFILES if name not in refused)
    has_best_kind = any(device.kind == backend.device_kinds[0] for device in devices)
    yield _lacking_profiles(_label("profiles", backend), able, refused if has_best_kind else {})
    confined = {name: confinement(problems, devices) for name, problems in unable.items()}
    yield from _confined_profiles(_label("some devices", backend), confined)


def _label(what: str, backend: Backend) -> str:
    """The default backend's findings go without its name."""
    name = backend.id.partition("/")[0]
    return what if name == DEFAULT else f"{what} of {name}"


def _told(profile: str, computed: str) -> str:
    """`draft`, or `draft (computed like exact)`."""
    return f"{profile} (computed like {computed})" if computed else profile


def _lacking_profiles(label: str, able: str, lacking: Mapping[str, Problem]) -> Finding:
    if not lacking:
        return Finding(label, able)
    first = next(iter(lacking.values()))
    return Finding(label, f"{able}; not {', '.join(lacking)}: {first.found}; {first.allowed}", first.remedy)


def _confined_profiles(label: str, found: Mapping[str, Problem | None]) -> Iterator[Finding]:
    """Those that only some of the devices render."""
    confined = {name: problem for name, problem in found.items() if problem is not None}
    if confined:
        first = next(iter(confined.values()))
        yield Finding(label, f"{', '.join(confined)}: {first.found}; {first.allowed}")


def _setting(variable: str, value: str, settings: MachineSettings) -> Finding:
    """Whether the devices of that name are here was not asked when the settings were read."""
    try:
        if variable == SETTING:
            local_devices(settings, tuple(KIND_NAMES))
    except UsageError as error:
        problem = error.problems[0]
        if problem.where == VISIBLE:  # said of the devices: this setting is right
            return Finding(variable, value)
        return Finding(variable, f"{value}: {problem.found}", problem.remedy or problem.allowed, needed=True)
    except MachineError:  # said of the devices
        pass
    return Finding(variable, value)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "not set" if value in (None, "") else str(value)


def _outputs(settings: MachineSettings) -> Finding:
    """Where a storyboard of this folder would keep its takes and films."""
    try:
        return _disk("outputs", outputs_for(None, settings.outputs).folder, needed=True)
    except UsageError as error:
        problem = error.problems[0]
        remedy = problem.remedy or f"name another folder in {PREFIX}OUTPUTS"
        return Finding("outputs", f"{problem.where}: {problem.found}", remedy, needed=True)


def _disk(what: str, folder: Path, *, needed: bool) -> Finding:
    """Without a cache everything is hashed, and its kernels chosen and compiled, in every process anew."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        found = f"{folder}: {there} {'cannot be written' if there.is_dir() else 'is not a folder'}"
        return Finding(what, found, f"name another folder in {PREFIX}{what.upper()}", needed)
    return Finding(what, f"{folder}, {gigabytes(shutil.disk_usage(there).free)} free")


def _registered() -> Iterator[Finding]:
    """What other packages look at: `flows` looks at its farm, which the core knows nothing of."""
    for check in sorted(entry_points(group=CHECKS), key=lambda each: each.name):
        yield from check.load()(Path.cwd())


def _weights() -> Iterator[Finding]:
    """The weights alone: what else a backend needs is said once, by its own findings."""
    for family in families().values():
        for card in family.cards:
            problem = family.weights(card).problem
            if problem is None:
                yield Finding(card.name, "its weights are here")
            else:
                yield Finding(card.name, problem.found, problem.remedy)
