"""A machine with a language model's service, and a harbour to film."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.extension.chat_service import ChatService, Step, chat_service
from wan_render.session.film_session import Session

KEY = "sk-secret-0123456789"

Serve = Callable[..., ChatService]
Film = Callable[..., Session]

GOOD = "镜头从黎明开始，晨光缓缓爬上码头，海面泛起金色的波纹，镜头平稳下降，最后停在正午明亮的港湾。"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """`serve(step, …)` starts a service and names it in this machine's settings."""
    with ExitStack() as stack:

        def start(*script: Step) -> ChatService:
            service = stack.enter_context(chat_service(*script))
            monkeypatch.setenv("WAN_RENDER_LLM_URL", service.url)
            monkeypatch.setenv("WAN_RENDER_LLM_MODEL", "qwen-vl-test")
            monkeypatch.setenv("WAN_RENDER_LLM_KEY", KEY)
            return service

        yield start


@pytest.fixture
def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the keyframes dawn, noon and dusk."""
    monkeypatch.setenv("WAN_RENDER_CACHE", str(tmp_path / "cache"))
    for name in ("LLM_URL", "LLM_MODEL", "LLM_KEY"):
        monkeypatch.delenv(f"WAN_RENDER_{name}", raising=False)
    (tmp_path / "keyframes").mkdir()
    for at, name in enumerate(("dawn", "noon", "dusk")):
        pixels = np.zeros((48, 64, 3), np.uint8)
        pixels[: 12 * (at + 1)] = (60, 90, 120)
        Image.fromarray(pixels).save(tmp_path / "keyframes" / f"{name}.png")
    return tmp_path


@pytest.fixture
def film(harbour: Path) -> Film:
    """`film(shots, render)` is the session of a storyboard with these shots; `render` are the film's settings."""

    def session(shots: str, render: str = "{extend: true}") -> Session:
        file = harbour / "film.yaml"
        file.write_text(
            "version: 1\nfilm: {title: Harbour, raster: 64x48, deliver: 64x48, aspect: 4:3}\nkeyframes: keyframes/\n"
            f"look: {{style: 35 mm film}}\ndefaults: {{duration: 5f, render: {render}}}\nshots: {shots}\n",
            encoding="utf-8",
        )
        return Session.of(file, outputs=harbour / "outputs", backend="animatic")

    return session
