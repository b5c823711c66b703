"""From a `model` of the storyboard with `comfyui` to the card of its workflow."""

from __future__ import annotations

from wan_render.authored import ModelChoice, PathInFile
from wan_render.errors import InputError
from wan_render.model_card import ModelCard, Models, ReadsWorkflows
from wan_render.plan.findings import Findings
from wan_render.workflows.workflow import NamedWorkflow


def workflow_card(choice: ModelChoice, place: PathInFile, models: Models, findings: Findings) -> ModelCard | None:
    """The card of a workflow. None after a mistake, which is reported."""
    others = [key for key in ("name", *choice.parts, "tokenizer") if getattr(choice, key)]
    if others:
        remedy = "delete one of the two"
        findings.error((*place, others[0]), f"'{others[0]}' with 'comfyui'", "a workflow, or parts", remedy)
        return None
    if choice.like is not None and choice.like not in models.names:
        allowed = f"models: {', '.join(models.names)}"
        findings.error((*place, "like"), f"no model is named '{choice.like}'", allowed)
        return None
    if not isinstance(models, ReadsWorkflows):
        findings.error((*place, "comfyui"), "this backend renders no workflows of ComfyUI", "", "name a model")
        return None
    try:
        found = models.of_workflow(_named(choice, findings))
    except InputError as error:
        for problem in error.problems:
            at = (*place, problem.where) if problem.where in type(choice).model_fields else place
            findings.error(at, problem.found, problem.allowed, problem.remedy)
        return None
    for sentence in found.said:
        findings.note(place, sentence)
    for doubt in found.doubts:
        findings.warn((*place, "comfyui"), doubt)
    return found.card


def _named(choice: ModelChoice, findings: Findings) -> NamedWorkflow:
    file = findings.document.folder / (choice.comfyui or "")
    return NamedWorkflow(file, choice.title, choice.inputs, choice.images or "", choice.rate, choice.like)
