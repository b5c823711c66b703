"""The language model of this machine: a service, or a folder of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wan_render.errors import Problem, UsageError, WeightsError
from wan_render.extension.chat_endpoint import ATTEMPT_SECONDS, MODEL_SETTING, URL_SETTING, ChatEndpoint
from wan_render.extension.language_model import LanguageModel
from wan_render.settings import MachineSettings
from wan_render.sound.sound_licence import folder_licence, require_licence
from wan_render.store import Store

WEIGHTS_SETTING = "WAN_RENDER_LLM_WEIGHTS"


def has_model(settings: MachineSettings) -> bool:
    """Whether this machine's settings name a language model."""
    return settings.llm_url is not None or settings.llm_weights is not None


@contextmanager
def language_model(settings: MachineSettings, store: Store, tell: Callable[[str], None]) -> Iterator[LanguageModel]:
    """The language model that this machine's settings name, until it is not needed any more. Raises UsageError if there
    is none, or two; WeightsError for weights of another kind, or that may not be used."""
    if settings.llm_url is not None and settings.llm_weights is not None:
        raise UsageError(Problem(WEIGHTS_SETTING, f"{URL_SETTING} is set as well", "one of the two", "unset one"))
    if settings.llm_weights is not None:
        from wan_render.farm.device_answers import DeviceAnswers

        _require_weights(settings.llm_weights, settings)
        store.prepare()
        with DeviceAnswers(settings.llm_weights, store.root, settings, tell) as model:
            yield model
    else:
        yield _service(settings)


def _service(settings: MachineSettings) -> ChatEndpoint:
    if settings.llm_url is None:
        remedy = f"set it and {MODEL_SETTING}, or {WEIGHTS_SETTING}; or write `extend: false`"
        raise UsageError(Problem(URL_SETTING, "this machine has no language model", "", remedy))
    if settings.llm_model is None:
        raise UsageError(Problem(MODEL_SETTING, "is not set", "the name of a model that sees pictures", "set it"))
    key = settings.llm_key.get_secret_value() if settings.llm_key is not None else ""
    return ChatEndpoint(settings.llm_url, settings.llm_model, key, ATTEMPT_SECONDS * settings.patience)


def _require_weights(folder: Path, settings: MachineSettings) -> None:
    """Qwen2.5-VL-3B is for research only; its card says so in a name of its own."""
    from wan_render.extension.local_model import require_vision_model

    try:
        require_vision_model(folder)
    except WeightsError as error:
        raise UsageError(
            *(
                Problem(WEIGHTS_SETTING, f"{each.where} {each.found}", each.allowed, each.remedy)
                for each in error.problems
            )
        ) from error
    licence = folder_licence(folder)
    said = f"{licence} (non-commercial)" if "research" in licence.lower() else licence
    require_licence(str(folder), said, non_commercial_allowed=settings.non_commercial)
