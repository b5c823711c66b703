"""The components on the device: loaded when needed, kept while there is room."""

from __future__ import annotations

import gc

import torch

from wan_render.backends.wan.checkpoint.loading import Loader
from wan_render.backends.wan.profiles.accelerator import AS_LOADED, ComponentPlacement
from wan_render.backends.wan.translation import translated
from wan_render.host_memory import host_memory
from wan_render.printable import logger
from wan_render.render_values import Listen, Phase, Progress

_log = logger(__name__)


class LoadedComponents:
    """The components of one model on one device.

    If memory is short, the least recently used component is freed. It is read again when it is needed, usually from the
    system's page cache. So the text encoder makes room for the transformer, and one expert for the other. What fits
    stays, so a second take loads nothing.
    """

    def __init__(self, loader: Loader, device: torch.device) -> None:
        self.device = device
        self._loader = loader
        self._modules: dict[str, torch.nn.Module] = {}  # the one used longest ago first
        self._forms: dict[str, str] = {}

    def holds(self, component: str, placement: ComponentPlacement = AS_LOADED) -> bool:
        """Whether a component is on the device in the form of `placement`."""
        return component in self._modules and self._forms[component] == placement.form

    def module(
        self, component: str, working_bytes: int, listen: Listen, placement: ComponentPlacement = AS_LOADED
    ) -> torch.nn.Module:
        """A component on the device, with room for `working_bytes` besides its weights.

        If it is there in another form, it is freed and loaded again.
        """
        if component in self._modules and not self.holds(component, placement):
            del self._modules[component]
            self._return_memory()
        found = self._modules.pop(component, None) or self._load(component, working_bytes, listen, placement)
        self._modules[component] = found
        self._make_room(component, working_bytes)
        return found

    @property
    def bytes(self) -> int:
        """The bytes of all components on the device, including buffers: float8 weights are buffers."""
        return sum(
            tensor.nbytes
            for module in self._modules.values()
            for tensor in (*module.parameters(), *module.buffers())
            if tensor.device.type == self.device.type
        )

    def free(self, *components: str) -> None:
        """Free these components."""
        for component in components:
            self._modules.pop(component, None)
        self._return_memory()

    def close(self) -> None:
        """Free everything."""
        self._modules.clear()
        self._return_memory()

    def _load(
        self, component: str, working_bytes: int, listen: Listen, placement: ComponentPlacement
    ) -> torch.nn.Module:
        listen(Progress(Phase.LOADING, len(self._modules), len(self._modules) + 1))
        module = self._loader.module(component)
        self._make_room(component, placement.size(module) + working_bytes)
        with translated(f"{component} on {self.device}"):
            module = placement.place(module, self.device)
        self._forms[component] = placement.form
        listen(Progress(Phase.LOADING, len(self._modules) + 1, len(self._modules) + 1))
        return module

    def _make_room(self, component: str, needed: int) -> None:
        while (free := free_device_bytes(self.device)) < needed:
            oldest = next((name for name in self._modules if name != component), None)
            if oldest is None:
                return  # it may fit anyway: `needed` is an estimate
            del self._modules[oldest]
            self._return_memory()
            _log.info("%s is freed: %s needs %.1f GB, %.1f GB were free", oldest, component, needed / 1e9, free / 1e9)

    def _return_memory(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def available_bytes(device: torch.device, loaded: LoadedComponents) -> int:
    """Bytes that a model can use: free ones, and those of its loaded components. 0 if unknown."""
    free = free_device_bytes(device)
    return free + loaded.bytes if free else 0


def free_device_bytes(device: torch.device) -> int:
    """Free bytes on the device. 0 if the system does not report them; then only one component is kept."""
    if device.type == "cuda":
        allocated, reserved = torch.cuda.memory_allocated(device), torch.cuda.memory_reserved(device)
        free, total = torch.cuda.mem_get_info(device)
        allowed = total * torch.cuda.get_per_process_memory_fraction(device)
        return int(min(free + reserved, allowed)) - allocated
    return host_memory().available
