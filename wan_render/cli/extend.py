"""`extend`: ask for the extended prompts that are missing, and list all of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Sequence

from wan_render.cli.chosen_session import say_first, session_of
from wan_render.errors import Problem, UsageError
from wan_render.extension.prompt_file import PromptFile, prompt_file
from wan_render.plan import FilmPlan
from wan_render.printable import path_name, shown
from wan_render.production.prompt_asking import ask, prompts_to_ask
from wan_render.session.chosen_model import language_model
from wan_render.session.film_session import Session
from wan_render.session.prompt_diff import prompt_lines
from wan_render.session.wording import counted
from wan_render.status.prompt_json import prompt_json

UNANSWERED = 1
"""Exit code if a prompt is still missing, or is still stale although it was asked for."""


def run(arguments: argparse.Namespace) -> int:
    """Ask, then print every extended prompt as a diff."""
    session = session_of(arguments)
    say_first(session)
    named = (*arguments.again, *arguments.keep)
    _refuse_unknown(session.plan, named)
    _keep(session.plan, arguments.keep)
    session = session_of(arguments)
    failed = _ask(session, arguments.again, stale=arguments.stale)
    plan = session_of(arguments).plan
    if arguments.json:
        print(json.dumps(_json(plan, failed), ensure_ascii=False, indent=2))
    else:
        _print(plan)
        for name, problem in failed.items():
            print(f"no answer: {name}: {problem}", file=sys.stderr)
    return UNANSWERED if failed else 0


def _ask(session: Session, again: Collection[str], *, stale: bool) -> dict[str, Problem]:
    """Ask for what is missing. Returns name → why there is no answer."""
    wanted = prompts_to_ask(session.plan, again, stale=stale)
    if not wanted:
        return {}

    def tell(sentence: str) -> None:
        print(sentence, file=sys.stderr)

    with language_model(session.settings, session.store, tell) as model:
        asked = ask(session.plan, wanted, model, tell)
    return {name: error.problems[0] for name, error in asked.failed.items()}


def _keep(plan: FilmPlan, names: Sequence[str]) -> None:
    for prompt in plan.prompts:
        if prompt.name in names and prompt.found is not None:
            PromptFile(plan.file).keep(prompt.found.entry, prompt.name, prompt.request)


def _refuse_unknown(plan: FilmPlan, names: Sequence[str]) -> None:
    """Raise UsageError for every name that no extended prompt has."""
    known = [prompt.name for prompt in plan.prompts]
    allowed = ", ".join(known[:20]) or "no shot has `render: {extend: true}`"
    unknown = [Problem(shown(name), "has no extended prompt", allowed) for name in names if name not in known]
    if unknown:
        raise UsageError(*unknown)


def _print(plan: FilmPlan) -> None:
    if not plan.prompts:
        print("no shot has `render: {extend: true}`")
        return
    for line in prompt_lines(plan.prompts):
        print(line)
    there = sum(prompt.found is not None for prompt in plan.prompts)
    print(f"{there} of {counted(len(plan.prompts), 'prompt')} in {path_name(prompt_file(plan.file))}")


def _json(plan: FilmPlan, failed: dict[str, Problem]) -> dict[str, object]:
    return {
        "version": 1,
        "file": str(prompt_file(plan.file)),
        "prompts": [prompt_json(prompt) for prompt in plan.prompts],
        "failed": {name: str(problem) for name, problem in failed.items()},
    }
