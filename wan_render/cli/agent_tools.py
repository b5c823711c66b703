"""The tools that `wan-render mcp` offers. Each is a command of the command line, with the same words and errors."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

from wan_render import __version__
from wan_render.cli.command_call import CommandResult, call_command
from wan_render.errors import Problem
from wan_render.printable import shown

INSTRUCTIONS = """\
wan-render turns a storyboard (a YAML file) into a film. Work in this order: check, plan, render; then takes and circle.
plan says what would be rendered and how long it takes, and costs nothing. render and night occupy this machine's
devices for hours and may spend money at services that the storyboard allows: they do nothing without
may_spend_hours_and_money, which only the user may decide. Exit codes: 0 done; 1 the film has slates for missing shots
or lacks a deliverable or a sound, or a check failed; 2 the input is wrong; 3 this machine cannot do it."""

INPUT_IS_WRONG = 2
"""From this exit code on, nothing was made."""

File = Annotated[str, Field(description="The storyboard, relative to the server's folder.")]
Shot = Annotated[str, Field(description="Scene and shot: 1/020.")]
Outputs = Annotated[str, Field(description="The folder for takes and films, if not the usual one.")]
BackendName = Annotated[str, Field(description="Render with this backend instead of the models: animatic, a preview.")]
Draft = Annotated[bool, Field(description="The draft of the film: fewer steps, a film of its own.")]
AsJson = Annotated[bool, Field(description="`data` has the command's JSON, besides its text.")]
Agreed = Annotated[
    bool,
    Field(description="True only if the user agreed: it takes hours of this machine's devices, and may cost money."),
]

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True)


@dataclass(frozen=True)
class AgentTools:
    """The tools for the storyboards of one folder. root: paths outside of it are refused."""

    root: Path

    async def check(self, *, file: File, context: Context, as_json: AsJson = False) -> CallToolResult:
        """List all mistakes and warnings of a storyboard."""
        return await self._run(["check", self._path(file)], context, as_json=as_json)

    async def plan(
        self,
        *,
        file: File,
        context: Context,
        outputs: Outputs = "",
        backend: BackendName = "",
        draft: Draft = False,
        prompts: Annotated[bool, Field(description="Also the texts that the models read.")] = False,
        as_json: AsJson = False,
    ) -> CallToolResult:
        """Show what would be rendered, why, and how long it takes. Of a folder: what a night will do. Costs nothing."""
        texts = ["--prompts"] if prompts and not as_json else []
        command = ["plan", self._path(file), *self._common(outputs, backend, draft=draft), *texts]
        return await self._run(command, context, as_json=as_json)

    async def render(
        self,
        *,
        file: File,
        context: Context,
        outputs: Outputs = "",
        backend: BackendName = "",
        draft: Draft = False,
        only: Annotated[str, Field(description="Only these shots and scenes: 1/020,2")] = "",
        max_cost: Annotated[
            str, Field(description="The most that the film may cost at services, in its lifetime: 30 CNY.")
        ] = "",
        may_spend_hours_and_money: Agreed = False,
    ) -> CallToolResult:
        """Render the missing takes and make the film. Progress is reported; cancelling keeps finished takes."""
        command = [self._path(file), *self._common(outputs, backend, draft=draft)]
        if not may_spend_hours_and_money:
            return await self._refusal("render", command, context)
        chosen = [*([f"--only={only}"] if only else []), *([f"--max-cost={max_cost}"] if max_cost else [])]
        return await self._run(["render", *command, *chosen], context, as_json=True)

    async def night(
        self,
        *,
        folders: Annotated[list[str], Field(description="Folders of storyboards, and storyboards.", min_length=1)],
        context: Context,
        start: Annotated[str, Field(description="Wait until this time: 22:00.")] = "",
        until: Annotated[str, Field(description="When the devices must be free: 07:00.")] = "",
        timezone: Annotated[str, Field(description="Of both times: Europe/Berlin.")] = "",
        outputs: Outputs = "",
        backend: BackendName = "",
        draft: Draft = False,
        may_spend_hours_and_money: Agreed = False,
    ) -> CallToolResult:
        """Render every storyboard of folders until the morning. To see what it would do, `plan` a folder."""
        paths = [self._path(folder) for folder in folders]
        times = {"--start": start, "--until": until, "--timezone": timezone}
        options = [*self._common(outputs, backend, draft=draft), *(f"{key}={at}" for key, at in times.items() if at)]
        if not may_spend_hours_and_money:
            return await self._refusal("night", [paths[0], *options], context)
        return await self._run(["night", *paths, *options], context, as_json=False)

    async def takes(
        self,
        *,
        file: File,
        context: Context,
        shot: Annotated[str, Field(description="Only of this shot: 1/020.")] = "",
        outputs: Outputs = "",
        backend: BackendName = "",
        as_json: AsJson = False,
    ) -> CallToolResult:
        """List the takes of a film with their verdicts. `*` marks those that the film shows."""
        one = [_positional("shot", shot)] if shot else []
        return await self._run(
            ["takes", self._path(file), *one, *self._common(outputs, backend)], context, as_json=as_json
        )

    async def circle(
        self,
        *,
        file: File,
        shot: Shot,
        take: Annotated[str, Field(description="The take that the film shows: 2, or 2@7f3a91 to pin the clip.")],
        context: Context,
        outputs: Outputs = "",
        backend: BackendName = "",
    ) -> CallToolResult:
        """Write into the storyboard which take of a shot the film shows. Only that line changes."""
        command = ["takes", self._path(file), _positional("shot", shot), f"--circle={take}"]
        return await self._run([*command, *self._common(outputs, backend)], context, as_json=False)

    async def qc(
        self,
        *,
        file: Annotated[str, Field(description="A video file of one shot, or a storyboard, whose takes are judged.")],
        context: Context,
        first: Annotated[str, Field(description="The picture that a video file should begin on.")] = "",
        last: Annotated[str, Field(description="The picture that it should end on.")] = "",
        outputs: Outputs = "",
        backend: BackendName = "",
        as_json: AsJson = False,
    ) -> CallToolResult:
        """Judge a video file as takes are judged, or measure and list a storyboard's takes."""
        ends = {"--first": first, "--last": last}
        pictures = [f"{key}={self._path(picture)}" for key, picture in ends.items() if picture]
        return await self._run(
            ["qc", self._path(file), *pictures, *self._common(outputs, backend)], context, as_json=as_json
        )

    async def _run(self, command: Sequence[str], context: Context, *, as_json: bool) -> CallToolResult:
        """What the command printed; an error with its message if the input is wrong or the machine fails."""
        result = await self._called([*command, *(["--json"] if as_json else [])], context)
        data = _data(result) if as_json else None
        if result.exit_code >= INPUT_IS_WRONG and data is None:
            return _failed("\n".join(filter(None, (result.messages.strip(), result.output.strip()))))
        answer = {"exit_code": result.exit_code, "messages": result.messages}
        answer |= {"data": data} if data is not None else {"text": result.output}
        words = "\n".join(filter(None, (result.output.strip(), result.messages.strip())))
        return CallToolResult(content=[TextContent(type="text", text=words)], structured_content=answer)

    async def _called(self, command: Sequence[str], context: Context) -> CommandResult:
        told = 0

        async def tell(line: str) -> None:
            nonlocal told
            told += 1
            await context.report_progress(told, None, line)

        return await call_command(command, self.root, tell)

    async def _refusal(self, name: str, command: Sequence[str], context: Context) -> CallToolResult:
        """The error for something that was not agreed to, with what it would cost."""
        plan = await self._called(["plan", *command], context)
        if plan.exit_code >= INPUT_IS_WRONG:
            return _failed(plan.messages.strip())
        remedy = "ask the user, then set may_spend_hours_and_money"
        problem = Problem(name, "takes hours of this machine's devices, and may cost money", "", remedy)
        return _failed(f"{problem}\n\n{plan.output.strip()}")

    def _path(self, written: str) -> str:
        """A path within the root, absolute. Raises ToolError."""
        try:
            path = Path(os.path.realpath(self.root / written))
        except ValueError:
            raise ToolError(str(Problem(shown(written), "is no path"))) from None
        if not path.is_relative_to(os.path.realpath(self.root)):
            remedy = "start `wan-render mcp --root DIR` in a folder that has all of them"
            raise ToolError(str(Problem(shown(written), "is outside of the server's folder", str(self.root), remedy)))
        return str(path)

    def _common(self, outputs: str, backend: str, *, draft: bool = False) -> list[str]:
        folder = [f"--outputs={self._path(outputs)}"] if outputs else []
        return [*folder, *([f"--backend={backend}"] if backend else []), *(["--draft"] if draft else [])]


def _positional(name: str, value: str) -> str:
    """A value that the command line cannot take for an option. Raises ToolError."""
    if value.startswith("-") or not value:
        raise ToolError(str(Problem(name, f"invalid value {shown(value)}", "for example 1/020")))
    return value


def _failed(words: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=words)], is_error=True)


def _data(result: CommandResult) -> Any:
    """The command's JSON; None if it printed none, or too much."""
    try:
        return json.loads(result.output)
    except ValueError:
        return None


def agent_server(root: Path) -> MCPServer[Any]:
    """The server with all tools."""
    server: MCPServer[Any] = MCPServer(
        "wan-render", instructions=INSTRUCTIONS, version=__version__, log_level="WARNING"
    )
    tools = AgentTools(root)
    for reading in (tools.check, tools.plan, tools.takes):
        server.add_tool(reading, annotations=READS)
    for writing in (tools.render, tools.night, tools.circle, tools.qc):
        server.add_tool(writing, annotations=WRITES)
    return server
