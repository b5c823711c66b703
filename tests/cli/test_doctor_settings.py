"""What `doctor` says of settings."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.cli.conftest import wan_render

__all__ = ["wan_render"]

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_address_of_a_webhook_is_not_printed(monkeypatch: pytest.MonkeyPatch, wan_render: Run) -> None:
    monkeypatch.setenv("WAN_RENDER_NOTIFY", "https://hooks.example.org/secret,slack-webhook/mine")
    done = wan_render("doctor")
    assert "secret" not in done.stdout
    assert "2 destinations" in done.stdout
