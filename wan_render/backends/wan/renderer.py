"""One Wan model on one device: renders takes to frames. Loaded components and encodings are reused for later takes.

The stages of a take are in `wan_pipeline`, the components on the device in `components`, and what follows from the take
alone in `take_setup`. Nothing is rounded, stretched or ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import diffusers
import torch
import transformers

from wan_render.backends.wan.checkpoint.loading import Loader
from wan_render.backends.wan.memory.offload_choice import MemoryStep
from wan_render.backends.wan.models.limits import require_possible
from wan_render.backends.wan.parallel.layout import require_group
from wan_render.backends.wan.pipeline.announcer import Announcer
from wan_render.backends.wan.pipeline.components import Components
from wan_render.backends.wan.pipeline.latent_handover import to_hand_over
from wan_render.backends.wan.pipeline.stage_cache import StageCache
from wan_render.backends.wan.pipeline.take_encodings import Encodings
from wan_render.backends.wan.pipeline.take_setup import OpenModel, Setup
from wan_render.backends.wan.pipeline.wan_pipeline import WanPipeline
from wan_render.backends.wan.profiles.render_profile import profile_of
from wan_render.backends.wan.translation import translated
from wan_render.errors import InputError, Problem, RenderError, WeightsError
from wan_render.model_card import ModelCard
from wan_render.printable import logger
from wan_render.render_values import ALONE, Frames, Group, Listen, Phase, Progress, TakeInputs, Workspace
from wan_render.take import Take, short

if TYPE_CHECKING:
    from wan_render.backends.wan.parallel.group_member import GroupMember

_log = logger(__name__)


class WanRenderer:
    """A model on a device. `loader` gives its components; `weights` names them, for the take's record."""

    def __init__(
        self,
        card: ModelCard,
        loader: Loader,
        device: torch.device,
        weights: Mapping[str, str],
        workspace: Workspace = ALONE,
    ) -> None:
        self._device = device
        self._progress = Announcer()
        self._model = OpenModel(card, loader, weights)
        self._components = Components(self._model, device, self._progress, workspace.tighter)
        self._cache = StageCache(workspace.stages)
        as_stock = self._components.leaves_all_to_diffusers
        self._encodings = Encodings(loader, self._model.source, self._cache, device, as_stock=as_stock)
        self._pipeline = WanPipeline(self._model, self._components, self._encodings, device, self._progress)
        self._prepared: set[str] = set()
        self._layout = ""
        self._is_closed = False

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:
        """If the components do not fit on the device together, encode for all takes with one encoder after the other,
        so that each is loaded once. Errors of a later take are left until it is rendered."""
        self._components.expect(lora for take in takes for lora in take.loras)
        with self._reporting_to(listen):
            new = [take for take in takes if take.key not in self._prepared]
            lacking = [take for take in new if not self._cache.knows(self._model.latents_key(take))]
            if not lacking or (fit := self._components.fit_to(lacking[0])).step is MemoryStep.RESIDENT:
                return
            self._encode_ahead([self._model.setup(take, fit) for take in lacking], plates)
            self._prepared.update(take.key for take in lacking)

    def _encode_ahead(self, setups: Sequence[Setup], plates: Callable[[Take], TakeInputs]) -> None:
        """Use one encoder after the other, each for all takes."""
        pictures = [self._pipeline.encode_pictures] if self._model.checkpoint.has_image_encoder else []
        encoders = (*pictures, self._pipeline.encode_condition)
        pictured = [setup for setup in setups if setup.take.first is not None]
        done, total = count(), len(setups) + len(encoders) * len(pictured)
        for setup in setups:
            with self._ahead_of(setup.take, next(done), total):
                self._pipeline.encode_text(setup)
        for encode in encoders:
            for setup in pictured:
                with self._ahead_of(setup.take, next(done), total):
                    encode(replace(setup, inputs=plates(setup.take)))

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:
        """Denoise a take together with the leader of a group, who sends the encodings. Raises only errors of
        wan_render.errors."""
        self._require_open()
        member = _member(take, group, self._model.card, self._device)
        self._components.require(profile_of(take.sampling))
        if group.is_over:  # nothing is loaded in vain
            return
        with self._reporting_to(listen), member.attended():
            setup = self._setup(take, plates)
            self._components.transformer(setup.experts.high.component, setup)  # while the leader encodes
            per_token, steps = self._model.checkpoint.index.expand_timesteps, take.sampling.steps
            join = partial(self._progress.join, steps)
            with member.followed(self._progress.wait, join, per_token=per_token) as sent:
                if sent is not None:
                    context, parallel = sent
                    self._pipeline.denoise(context, setup, parallel)

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        """Render a take; in a group, as its leader. Raises only errors of wan_render.errors."""
        self._require_open()
        require_possible(take, plates, self._model.card)
        self._components.require(profile_of(take.sampling))
        member = _member(take, group, self._model.card, self._device) if group is not None and group.size > 1 else None
        with self._reporting_to(listen):
            with nullcontext() if member is None else member.attended():
                setup = self._setup(take, plates)
                latents = self._latents(setup, member)
            kept = to_hand_over(latents) if plates.keeps_latents else None
            return Frames(self._pipeline.decode(latents, setup), take.rate, kept)

    def latents(self, take: Take, plates: TakeInputs) -> torch.Tensor:
        """The denoised latents of a take, normalised, float32: (1, z, latent frames, height, width)."""
        return self._latents(self._setup(take, plates))

    def facts(self) -> Mapping[str, str]:
        """Versions, device, weights with their precision, and how the last take was computed."""
        is_cuda = self._device.type == "cuda"
        return {
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
            "device": torch.cuda.get_device_name(self._device) if is_cuda else "cpu",
            **({"image processor": self._encodings.processor} if self._encodings.processor else {}),
            **self._model.weights,
            **self._components.facts(),
            **({"devices": self._layout} if self._layout else {}),
        }

    def close(self) -> None:
        """Free the device."""
        self._is_closed = True
        self._components.close()

    def _setup(self, take: Take, plates: TakeInputs) -> Setup:
        self._layout = ""
        self._components.begin_take()
        return self._model.setup(take, self._components.fit_to(take), plates)

    def _latents(self, setup: Setup, member: GroupMember | None = None) -> torch.Tensor:
        if self._cache.knows(setup.key):
            steps = setup.take.sampling.steps
            self._progress.say(Progress(Phase.STEP, steps, steps))
        return self._cache.of(setup.key, lambda: self._denoised(setup, member)).to(self._device)

    def _denoised(self, setup: Setup, member: GroupMember | None) -> torch.Tensor:
        _ = setup.lora_files  # raises if one is missing, before the encoding takes minutes
        context = self._pipeline.context(setup)
        if member is None:
            return self._pipeline.denoise(context, setup)
        join = partial(self._progress.join, setup.take.sampling.steps)
        with member.led(context, self._progress.wait, join) as parallel:
            self._layout = str(member.layout)
            return self._pipeline.denoise(context, setup, parallel)

    @contextmanager
    def _ahead_of(self, take: Take, done: int, total: int) -> Iterator[None]:
        """Log errors of a later take; they are raised when it is rendered. done, total: of all that is encoded."""
        self._progress.say(Progress(Phase.ENCODING, done, total))
        try:
            yield
        except (InputError, RenderError, WeightsError) as error:
            _log.info("take %s is not prepared: %s", short(take.key), error.problems[0].found)

    @contextmanager
    def _reporting_to(self, listen: Listen) -> Iterator[None]:
        """Report progress to `listen` and translate exceptions."""
        self._progress.tell(listen)
        with translated(f"{self._model.card.name} on {self._device}"), torch.no_grad():
            yield

    def _require_open(self) -> None:
        if self._is_closed:
            found = "is closed"
            raise RenderError(Problem(self._model.card.name, found, "expected an open renderer", "open another"))


def _member(take: Take, group: Group, card: ModelCard, device: torch.device) -> GroupMember:
    """This process's part in the group. Raises RenderError if this many devices cannot share the take."""
    from wan_render.backends.wan.parallel.group_member import GroupMember  # late: only groups need it

    return GroupMember(group, require_group(take, card, group), device)
