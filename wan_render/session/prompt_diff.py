"""Extended prompts beside the written ones, as a diff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wan_render.cleaning import cleaned
from wan_render.plan import PlannedPrompt
from wan_render.session.wording import counted


def prompt_lines(prompts: Sequence[PlannedPrompt]) -> Iterator[str]:
    """For each prompt a line with its state, then a diff: `-` the written one, `+` what is used instead. If somebody
    edited the answer, it is shown as well, with `-` too."""
    for prompt in prompts:
        if prompt.found is None:
            rest = "the written prompt is used if nobody answers" if prompt.may_stay else "a slate if nobody answers"
            yield f"prompt of {prompt.name}: to be extended; {rest}"
            continue
        stale = f"; changed since: {prompt.found.stale}" if prompt.found.stale else ""
        yield f"prompt of {prompt.name}: {prompt.by}{stale}"
        yield f"  - {prompt.written or '(nothing written)'}"
        if prompt.found.entry.is_edited and prompt.found.entry.answer:
            yield f"  - {cleaned(prompt.found.entry.answer)}"
        yield f"  + {cleaned(prompt.text)}"


def counted_prompts(prompts: Sequence[PlannedPrompt]) -> str:
    """`12 extended prompts, 2 edited, 1 stale, 3 to be extended`."""
    found = [prompt.found for prompt in prompts if prompt.found is not None]
    edited, stale = sum(one.entry.is_edited for one in found), sum(bool(one.stale) for one in found)
    missing = len(prompts) - len(found)
    parts = (counted(len(found), "extended prompt"), f"{edited} edited", f"{stale} stale", f"{missing} to be extended")
    return ", ".join(part for part in parts if not part.startswith("0 ") or part is parts[0])
