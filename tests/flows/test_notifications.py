"""Notifications of a farm: a webhook on this machine hears how films ended."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient

from flows.deployments.notifications import NOTIFICATION, set_notifications
from tests.flows.conftest import Farm, until
from tests.flows.films import write_film
from wan_render.errors import UsageError
from wan_render.settings import machine_settings

pytestmark = [pytest.mark.prefect, pytest.mark.slow]


@pytest.fixture
def heard() -> Iterator[tuple[str, list[str]]]:
    """The address of a webhook, and the texts that it was sent."""
    texts: list[str] = []

    class Webhook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert message["text"] == message["content"]
            texts.append(message["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/secret", texts
        server.shutdown()


@pytest.fixture
def client(farm: Farm) -> Iterator[SyncPrefectClient]:
    """A client of the farm's server. Afterwards nothing is reported any more."""
    with SyncPrefectClient(farm.environment["PREFECT_API_URL"], auth_string=farm.password) as client:
        yield client
        set_notifications(client, (), None)


def test_a_webhook_hears_of_a_film_that_failed(
    farm: Farm, client: SyncPrefectClient, heard: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, texts = heard
    set_notifications(client, [address], timedelta(hours=8))
    set_notifications(client, [address], timedelta(hours=8))  # as at the farm's next start
    names = sorted(each.name for each in client.read_automations() if each.name.startswith(NOTIFICATION))
    occasions = ("broken storyboard", "failed", "night ended", "nothing finished", "partial")
    assert names == [f"{NOTIFICATION}1: {occasion}" for occasion in occasions]
    broken = write_film(tmp_path / 'with "quotes"')
    broken.write_text(broken.read_text(encoding="utf-8").replace("duration", "duratoin"), encoding="utf-8")
    farm.ended(farm.run("film/now", storyboard=str(broken)))
    (text,) = until(30, lambda: texts)
    assert ": Failed\n" in text
    assert "did you mean 'duration'?" in text
    assert "/runs/flow-run/" in text
    assert address not in farm.said
    set_notifications(client, (), None)
    assert not [each for each in client.read_automations() if each.name.startswith(NOTIFICATION)]


def test_an_unknown_block_is_wrong_input(client: SyncPrefectClient) -> None:
    with pytest.raises(UsageError, match=r"WAN_RENDER_NOTIFY: 'slack-webhook/mine' is unknown to the farm's server"):
        set_notifications(client, ["slack-webhook/mine"], None)


def test_what_the_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_RENDER_NOTIFY", " https://a.example/1 ,slack-webhook/mine,")
    monkeypatch.setenv("WAN_RENDER_NOTIFY_BY", "06:30")
    settings = machine_settings()
    assert settings.notify == ("https://a.example/1", "slack-webhook/mine")
    assert settings.notify_by is not None
    assert settings.notify_by.isoformat("minutes") == "06:30"
    monkeypatch.setenv("WAN_RENDER_NOTIFY_BY", "dawn")
    with pytest.raises(UsageError, match="WAN_RENDER_NOTIFY_BY: invalid value 'dawn'; a time of day: 06:00"):
        machine_settings()
