"""The variant of its profile in which a take is planned: one for the whole film, unless the store already has the take
in another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from wan_render.authored import PathInFile
from wan_render.backend_contract import THE_ONLY_VARIANT, Variant
from wan_render.plan.findings import Findings
from wan_render.take import Take

_PLAIN = "exact"
"""The profile that has only one variant, so that the backend need not be asked."""


def _the_only(_profile: str) -> Variant:
    return THE_ONLY_VARIANT


def _nothing(_key: str) -> bool:
    return False


@dataclass(frozen=True)
class VariantChoice:
    """What a plan knows about variants.

    of:       the variant of a profile on the devices that render the film.
    is_there: whether the store has a take with this key.
    """

    of: Callable[[str], Variant] = _the_only
    is_there: Callable[[str], bool] = _nothing


ONE_VARIANT = VariantChoice()
"""The choice if every profile has only one variant."""


@dataclass(frozen=True)
class Variants:
    """The variants of one film. The backend is asked once for each profile."""

    choice: VariantChoice
    findings: Findings
    _known: dict[str, Variant] = field(default_factory=dict)

    def settled(self, take: Take, place: PathInFile) -> Take:
        """The take in its profile's variant; or in another one, if the store has only that: a take that was rendered on
        other devices is not rendered again.

        place: where the profile was written, for warnings and notes.
        """
        profile = take.sampling.profile
        if profile == _PLAIN:
            return take
        variant = self._of(profile)
        chosen = self.quietly_settled(take)
        if chosen.sampling.variant != variant.name:
            words = f"profile {profile}, {variant.others[chosen.sampling.variant]}"
            self.findings.remark(chosen.key, words)
            self.findings.note(place, f"the store already has a take in another variant: {words}")
            return chosen
        if variant.note:
            self.findings.warn(place, variant.note)
            self.findings.remark(chosen.key, variant.note)
        return chosen

    def quietly_settled(self, take: Take) -> Take:
        """As `settled`, without a word: for a take that may not be wanted."""
        if take.sampling.profile == _PLAIN:
            return take
        variant = self._of(take.sampling.profile)
        chosen = _in(take, variant.name)
        there = next((each for name in variant.others if self._is_there(each := _in(take, name))), None)
        return there if there is not None and not self._is_there(chosen) else chosen

    def _is_there(self, take: Take) -> bool:
        return self.choice.is_there(take.key)

    def _of(self, profile: str) -> Variant:
        if profile not in self._known:
            self._known[profile] = self.choice.of(profile)
        return self._known[profile]


def _in(take: Take, variant: str) -> Take:
    return replace(take, sampling=replace(take.sampling, variant=variant))
