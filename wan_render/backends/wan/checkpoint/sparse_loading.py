"""Loads a checkpoint whose transformers may have sparse-linear attention."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from wan_render.backends.wan.checkpoint.checkpoint_folder import SPARSE_LINEAR_WEIGHTS
from wan_render.backends.wan.checkpoint.loading import FolderLoader
from wan_render.backends.wan.profiles.sparse_attention import use_sparse_linear
from wan_render.backends.wan.translation import translated
from wan_render.errors import Problem, WeightsError


@dataclass(frozen=True)
class SparseLinearLoader(FolderLoader):
    """A FolderLoader that gives a transformer its sparse-linear attention, if it has one."""

    def module(self, component: str) -> torch.nn.Module:
        """See FolderLoader."""
        found = super().module(component)
        share = self.checkpoint.transformer.attended_share
        if share is not None and component in self.checkpoint.sparse_linear:
            self._give_sparse_linear(found, component, share)
        return found

    def _give_sparse_linear(self, transformer: torch.nn.Module, component: str, share: float) -> None:
        from safetensors.torch import load_file

        file = self.checkpoint.folder / component / SPARSE_LINEAR_WEIGHTS
        with translated(str(file), otherwise=WeightsError):
            weights = load_file(file)
        try:
            use_sparse_linear(transformer, weights, share)
        except (KeyError, RuntimeError) as fault:
            found = f"does not fit its transformer: {str(fault).splitlines()[0]}"
            raise WeightsError(Problem(str(file), found, remedy="import the model again")) from None
