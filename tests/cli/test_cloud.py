"""A film with a shot at the service, as a user makes it, and what is said of its money."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.fake_model_studio import KEY, FakeService, serving, variables

ROOT = Path(__file__).parents[2]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    """The service, for the commands of a test."""
    with serving(FakeService()) as started:
        for name, value in variables(started, WAN_RENDER_DEVICES="cpu").items():
            monkeypatch.setenv(name, value)
        yield started


@pytest.fixture
def hosted(harbour: Path) -> Path:
    """A film of one shot at the service, and one of a still."""
    head, _, _ = harbour.read_text().partition("shots:")
    text = head.replace("title: Harbour,", "title: Harbour, budget: 3 CNY,")
    text = text.replace("duration: 1s,", "duration: 2s, cloud: {allow: true, model: wan2.7-i2v},").replace(
        "seed: 5", ""
    )
    harbour.write_text(f"{text}shots:\n  - {{from: dawn, to: noon, action: the light climbs}}\n  - {{still: dusk}}\n")
    return harbour


def texts_in(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for file in folder.rglob("*"):
        if file.is_file():
            yield file, file.read_bytes()


def test_a_film_with_a_shot_at_the_service(service: FakeService, hosted: Path, wan_render: Run) -> None:
    planned = wan_render("plan", hosted)
    assert (
        "cloud: 1 take, at most 1.2 CNY (720P, prices of 2026-08); 3 CNY left of 3 CNY (film.budget)" in planned.stdout
    )
    assert "cloud at most 1.2 CNY (720P, prices of 2026-08)  → in the cloud" in planned.stdout
    assert json.loads(wan_render("plan", hosted, "--json").stdout)["expected"]["run"]["cloud"] == {
        "takes": 1,
        "at_most": {"amount": "1.2", "currency": "CNY"},
        "price_list": "2026-08",
        "spent": [],
        "limit": {"amount": "3", "currency": "CNY"},
    }

    assert "cloud" not in wan_render("plan", hosted, "--backend", "animatic").stdout

    done = wan_render("render", hosted)

    assert done.returncode == 0, done.stderr
    assert service.total == 1.2
    outputs = hosted.parent.parent / "outputs"
    film = Path(done.stdout.splitlines()[-1]).parent
    rows = list(csv.DictReader((film / "shots.csv").open(encoding="utf-8-sig")))
    assert [(row["shot"], row["cost"], row["currency"]) for row in rows] == [("010", "1.2", "CNY"), ("020", "", "")]
    page = (film / "index.html").read_text()
    assert "spent at services: 1.2 CNY for 1 take" in page
    assert "guidance" not in page, "the service has none"
    listed = wan_render("cloud", hosted)
    assert "bought" in listed.stdout
    assert "spent or set aside: 1.2 CNY for 1 take" in listed.stdout
    again = wan_render("render", hosted)
    assert "film: unchanged" in again.stdout
    assert service.total == 1.2
    secrets = (KEY.encode(), b"Signature=")
    leaks = [file for file, content in texts_in(outputs) if any(secret in content for secret in secrets)]
    assert leaks == []
    assert KEY not in done.stdout + done.stderr + listed.stdout


def test_a_purchase_of_unknown_fate_is_listed_and_settled(hosted: Path, wan_render: Run, service: FakeService) -> None:
    service.faults = lambda request, _: "answer lost" if request == "submit" else ""

    done = wan_render("render", hosted)

    assert done.returncode == 1
    assert "slate: 1/010: " in done.stderr
    assert "paid, unknown" in done.stderr
    listed = wan_render("cloud", hosted).stdout
    assert "cloud FILE N --task ID" in listed
    assert "cloud: to look at: 1/010 take 1: paid, unknown, 1.2 CNY" in wan_render("plan", hosted).stdout
    (task,) = service.tasks
    assert wan_render("cloud", hosted, "1", "--task", "no task/..").returncode == 2
    assert wan_render("cloud", hosted, "2", "--not-billed").returncode == 2
    assert wan_render("cloud", hosted, "1", "--task", task).returncode == 0
    assert wan_render("render", hosted).returncode == 0
    assert (len(service.tasks), service.total) == (1, 1.2)


def test_takes_local_keeps_a_shot_here(hosted: Path, wan_render: Run, service: FakeService) -> None:
    done = wan_render("takes", hosted, "1/010", "--local")

    assert done.returncode == 0, done.stderr
    assert "cloud: {allow: false}" in hosted.read_text()
    assert "cloud: " not in wan_render("plan", hosted).stdout
    assert service.requests.total() == 0


def test_a_plan_says_why_a_shot_stays_here(hosted: Path, wan_render: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY", raising=False)

    planned = wan_render("plan", hosted).stdout

    assert "→ here (this machine has no key of the service: DASHSCOPE_API_KEY)" in planned
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    assert "→ here (the limit does not allow it)" in wan_render("plan", hosted, "--max-cost", "1 CNY").stdout


def test_a_limit_without_a_currency_is_refused(hosted: Path, wan_render: Run) -> None:
    done = wan_render("render", hosted, "--max-cost", "30")

    assert done.returncode == 2
    assert "invalid amount '30'; allowed: an amount and its currency: 30 CNY" in done.stderr


def test_the_key_may_be_in_the_systems_keyring(
    hosted: Path, wan_render: Run, service: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.backends.dashscope.keyrings.FileKeyring")
    monkeypatch.setenv("KEYRING_FILE", str(tmp_path / "keys.json"))
    command = [sys.executable, "-m", "keyring", "set", "wan-render", "dashscope"]
    subprocess.run(command, input=KEY, text=True, check=True, cwd=ROOT)

    checked, planned, done = (wan_render(name, hosted) for name in ("check", "plan", "render"))

    assert (checked.returncode, done.returncode) == (0, 0), checked.stderr + done.stderr
    assert "→ in the cloud" in planned.stdout
    assert service.total == 1.2
    assert [file for file, content in texts_in(tmp_path) if KEY.encode() in content] == [tmp_path / "keys.json"]
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.backends.dashscope.keyrings.LockedKeyring")
    hosted.write_text(hosted.read_text().replace("the light climbs", "the light fades"))
    assert "→ here (no DASHSCOPE_API_KEY, and the system's keyring is locked: KeyringLocked (Failed" in (
        wan_render("plan", hosted).stdout
    )
