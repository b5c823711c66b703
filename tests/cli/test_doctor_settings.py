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


def test_the_addresses_of_servers_are_printed_and_asked(monkeypatch: pytest.MonkeyPatch, wan_render: Run) -> None:
    monkeypatch.setenv("WAN_RENDER_COMFYUI", "http://127.0.0.1:9/")
    done = wan_render("doctor")
    assert "ok WAN_RENDER_COMFYUI             http://127.0.0.1:9\n" in done.stdout
    assert "-- http://127.0.0.1:9" in done.stdout
    assert "start ComfyUI there, or correct WAN_RENDER_COMFYUI" in done.stdout
    monkeypatch.setenv("WAN_RENDER_COMFYUI", "127.0.0.1:8188")
    assert "WAN_RENDER_COMFYUI: invalid value '127.0.0.1:8188'; addresses, separated" in wan_render("doctor").stderr
