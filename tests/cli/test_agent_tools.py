"""`wan-render mcp`, over real standard input and output, by the protocol's own client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mcp")

from mcp import ClientSession, StdioServerParameters, stdio_client

FILM = """\
version: 1
film: {title: Harbour, raster: 64x48, deliver: 64x48, aspect: 4:3}
keyframes: keyframes/
defaults: {duration: 5f}
shots:
  - {from: dawn, to: noon, action: the light climbs}
  - {from: noon, action: boats come home}
"""


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    (tmp_path / "keyframes").mkdir()
    for at, name in enumerate(("dawn", "noon")):
        pixels = np.full((48, 64, 3), 90 + 60 * at, np.uint8)
        pixels[: 12 * (at + 1)] = (60, 90, 120)
        Image.fromarray(pixels).save(tmp_path / "keyframes" / f"{name}.png")
    (tmp_path / "harbour.yaml").write_text(FILM)
    return tmp_path


def parameters(folder: Path) -> StdioServerParameters:
    own = {name: value for name, value in os.environ.items() if name.startswith(("WAN_RENDER_", "PYTHON"))}
    own |= {"WAN_RENDER_CACHE": str(folder / "cache"), "WAN_RENDER_BACKEND": "animatic"}
    arguments = ["-m", "wan_render.cli", "mcp", "--root", str(folder)]
    return StdioServerParameters(command=sys.executable, args=arguments, env=own)


def with_server(folder: Path, use: Callable[[ClientSession], Awaitable[None]]) -> None:
    async def run() -> None:
        async with stdio_client(parameters(folder)) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            await use(session)

    anyio.run(run)


def text_of(result: Any) -> str:
    return "\n".join(part.text for part in result.content)


@pytest.mark.slow
def test_an_agent_checks_plans_renders_and_circles(harbour: Path) -> None:
    said: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - their names
        said.append(message or "")

    async def use(session: ClientSession) -> None:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert list(tools) == ["check", "plan", "takes", "render", "night", "circle", "qc"]
        assert "hours" in str(tools["render"].input_schema)
        file = {"file": "harbour.yaml"}

        for name, arguments in (("render", file), ("night", {"folders": ["harbour.yaml"]})):
            refused = await session.call_tool(name, arguments)
            assert refused.is_error
            assert "ask the user, then set may_spend_hours_and_money" in text_of(refused)
            assert "to render: 2 takes" in text_of(refused)
        assert not (harbour / "outputs" / "films").exists()

        made = await session.call_tool("render", file | {"may_spend_hours_and_money": True}, progress_callback=hear)
        assert not made.is_error
        assert made.structured_content is not None
        film = Path(made.structured_content["data"]["film"])
        assert film.is_file()
        assert any("outputs:" in line for line in said)

        circled = await session.call_tool("circle", file | {"shot": "1/010", "take": "1"})
        assert not circled.is_error
        assert "circle: 1" in (harbour / "harbour.yaml").read_text()
        takes = await session.call_tool("takes", file | {"as_json": True})
        assert takes.structured_content is not None
        assert [take["number"] for take in takes.structured_content["data"]["takes"]] == [1, 1]

    with_server(harbour, use)


def test_mistakes_have_the_words_of_the_command_line(harbour: Path) -> None:
    (harbour / "wrong.yaml").write_text(FILM.replace("action: boats", "actoin: boats"))
    command = [sys.executable, "-m", "wan_render.cli", "check", str(harbour / "wrong.yaml")]
    typed = subprocess.run(command, capture_output=True, text=True)
    assert typed.returncode == 2

    async def use(session: ClientSession) -> None:
        checked = await session.call_tool("check", {"file": "wrong.yaml"})
        assert checked.is_error
        assert text_of(checked) == typed.stderr.strip()
        as_data = await session.call_tool("check", {"file": "wrong.yaml", "as_json": True})
        assert as_data.structured_content is not None
        assert as_data.structured_content["exit_code"] == 2
        assert "actoin" in str(as_data.structured_content["data"]["mistakes"])

        for name, arguments, why in (
            ("check", {"file": "../elsewhere.yaml"}, "is outside of the server's folder"),
            ("check", {"file": "/etc/passwd"}, "is outside of the server's folder"),
            ("plan", {"file": "harbour.yaml", "outputs": "../elsewhere"}, "is outside of the server's folder"),
            ("takes", {"file": "harbour.yaml", "shot": "--outputs=/tmp"}, "invalid value '--outputs=/tmp'"),
            ("circle", {"file": "harbour.yaml", "shot": "9/999", "take": "1"}, "9/999"),
            ("night", {"folders": []}, "folders"),
        ):
            refused = await session.call_tool(name, arguments)
            assert refused.is_error, (name, arguments)
            assert why in text_of(refused)

    with_server(harbour, use)


def test_standard_output_has_nothing_but_the_protocol(harbour: Path) -> None:
    server = parameters(harbour)
    hello = (
        '{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-06-18", '
        '"capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}\n'
    )
    done = subprocess.run(
        [server.command, *server.args], input=hello, capture_output=True, text=True, env=os.environ | (server.env or {})
    )
    assert done.returncode == 0
    (line,) = done.stdout.splitlines()
    assert '"serverInfo":{"name":"wan-render"' in line.replace(": ", ":")


def test_a_folder_that_is_not_there_is_refused(harbour: Path) -> None:
    command = [sys.executable, "-m", "wan_render.cli", "mcp", "--root", str(harbour / "nowhere")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a folder" in done.stderr
