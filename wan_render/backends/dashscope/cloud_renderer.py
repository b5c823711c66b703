"""Buys takes, one after the other, and never one of them twice."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from wan_render.backends.dashscope.delivered_video import WrongVideoError, check_video, frames_of
from wan_render.backends.dashscope.hosted_cards import OURS, form_of
from wan_render.backends.dashscope.service_access import is_service, lacking, service_key, service_url, video_hosts
from wan_render.backends.dashscope.task_answers import (
    ENDED_FREE,
    NOT_KNOWN,
    RUNNING,
    SUCCEEDED,
    TaskAnswer,
    billed,
)
from wan_render.backends.dashscope.task_request import task_request
from wan_render.backends.dashscope.task_service import (
    DeadUrlError,
    NoAnswerError,
    Pace,
    SubmitRefusedError,
    SubmitUnknownError,
    TaskService,
)
from wan_render.errors import BudgetError, DiskError, Problem, RenderError, ServiceError, WanRenderError, WeightsError
from wan_render.hosted_model import COST_FACT, HOSTED_FACT, HostedModel
from wan_render.model_card import ModelCard
from wan_render.printable import logger
from wan_render.purchase import Purchase, PurchaseDesk, PurchaseState
from wan_render.render_values import Frames, Group, Listen, Phase, Pixels, Progress, TakeInputs
from wan_render.settings import MachineSettings
from wan_render.take import AnyPlate, Take

LOG = logger(__name__)

DAMAGED_TIMES = 3
"""How often a video is fetched that cannot be read to its end."""

WHAT_TO_DO = "`wan-render cloud STORYBOARD` lists it, and what can be done"


class CloudRenderer:
    """One hosted model. pace: how long it waits between questions."""

    def __init__(self, card: ModelCard, settings: MachineSettings, pace: Pace | None = None) -> None:
        self._card, self._settings = card, settings
        self._pace = pace or Pace(settings.cloud_poll_seconds)
        self._facts: dict[str, str] = {"service": service_url(settings)}
        self._is_closed = False

    def prepare(self, takes: Sequence[Take], plates: Callable[[Take], TakeInputs], listen: Listen) -> None:
        """Nothing can be prepared."""

    def render(self, take: Take, plates: TakeInputs, listen: Listen, group: Group | None = None) -> Frames:
        """Buy a take, or take up what was bought of it. Raises ServiceError, BudgetError, DiskError."""
        hosted = self._hosted(take, plates, group)
        if plates.desk is None:
            found = "would cost money, and its storyboard does not allow that"
            raise BudgetError(Problem(self._card.name, found, remedy="write cloud: {allow: true}"))
        try:
            purchase = self._bought(_Buying(take, plates, hosted, plates.desk, _alive(listen)))
            listen(Progress(Phase.STEP, 1, 1))
            listen(Progress(Phase.DECODING))
            return self._frames(take, plates.desk, purchase)
        except WanRenderError:
            raise
        except Exception as error:  # a foreign one need not pickle
            LOG.error("a defect", exc_info=error)
            found = f"a defect while a take was bought: {type(error).__name__} in {_place(error)}"
            remedy = f"please report it with this attempt's log; {WHAT_TO_DO}"
            raise ServiceError(Problem("backend dashscope", found, remedy=remedy)) from None

    def assist(self, take: Take, plates: TakeInputs, listen: Listen, group: Group) -> None:  # noqa: ARG002 - see group_sizes
        """Nobody is asked for help."""
        raise RenderError(Problem("backend dashscope", "was asked to share a take", "one slot renders a take"))

    def facts(self) -> Mapping[str, str]:
        """What the last take was bought from, and for how much."""
        return dict(self._facts)

    def close(self) -> None:
        """Nothing is held open."""
        self._is_closed = True

    def _hosted(self, take: Take, plates: TakeInputs, group: Group | None) -> HostedModel:
        """What is known of the model. Raises RenderError for a take that it cannot render: before anything is paid."""
        hosted, refused = self._card.hosted, ""
        if self._is_closed or group is not None or hosted is None:
            raise RenderError(Problem("backend dashscope", "is closed, or was asked to share a take"))
        seconds = (take.frames - 1) / take.rate
        if take.kind not in self._card.kinds:
            refused = f"cannot render {take.kind}"
        elif not hosted.seconds[0] <= seconds <= hosted.seconds[1]:
            refused = f"cannot render {float(seconds):g} s"
        elif any(_is_unfit(*end, take) for end in ((take.first, plates.first), (take.last, plates.last))):
            refused = "was given keyframes that are not those of the take"
        if refused:
            raise RenderError(Problem(self._card.name, refused))
        return hosted

    def _bought(self, buying: _Buying) -> Purchase:
        purchase = buying.desk.found()
        if purchase is None:
            purchase = self._ordered(buying)
        elif purchase.state is PurchaseState.RESERVED:
            purchase = buying.unknown(purchase, "the run ended while the order was being sent")
        if purchase.state is PurchaseState.SUBMITTED or (purchase.state is PurchaseState.UNKNOWN and purchase.task):
            purchase = self._awaited(buying, purchase)
        buying.require_video(purchase)
        return purchase

    def _ordered(self, buying: _Buying) -> Purchase:
        """A purchase whose task is on the disk. Raises ServiceError if there is none."""
        hosted, take = buying.hosted, buying.take
        price = hosted.dearest(take)
        if price is None:
            found = f"no price of {hosted.name} is known for {service_url(self._settings)}"
            remedy = "name a file with its prices in WAN_RENDER_CLOUD_MODELS"
            raise BudgetError(Problem(self._card.name, found, "nothing is ordered without a price", remedy))
        service = self._service(service_url(self._settings))
        form = form_of(self._settings.cloud_models or OURS, hosted.name)
        path, body = task_request(take, buying.plates, hosted, form)
        buying.is_alive()
        purchase = buying.desk.reserve(price, hosted.name, hosted.listed, service.base)
        try:
            task = service.submit(path, body, buying.is_alive)
        except SubmitRefusedError as error:
            buying.desk.write(replace(purchase, state=PurchaseState.FREE, note=error.found))
            raise ServiceError(
                Problem(purchase.label, f"was refused: {error.found}", remedy=_after(error.found))
            ) from None
        except SubmitUnknownError as error:
            return buying.unknown(purchase, error.found)
        except WanRenderError:  # the run is stopped between two tries, and none of them was taken
            buying.desk.write(replace(purchase, state=PurchaseState.FREE, note="the run was stopped"))
            raise
        try:
            return buying.desk.write(replace(purchase, state=PurchaseState.SUBMITTED, task=task))
        except DiskError:
            LOG.error("%s: its task is %s, and the ledger cannot be written: keep the id", purchase.label, task)
            raise

    def _awaited(self, buying: _Buying, purchase: Purchase) -> Purchase:
        """The purchase when its video is in the store, or when it is known that there will be none."""
        service, dead = self._service(purchase.base), 0
        for fetches in count(1):
            try:
                answer = _ended(service, purchase, buying.is_alive)
            except NoAnswerError as error:
                found = f"the service does not tell how its task is: {error.found}"
                raise ServiceError(Problem(purchase.label, found, remedy="the next run asks again")) from None
            if answer.status != SUCCEEDED:
                return buying.not_made(purchase, service, answer)
            cost = billed(answer.usage, buying.hosted, buying.hosted.resolution(buying.take.size).name)
            purchase = buying.desk.write(replace(purchase, state=PurchaseState.SUBMITTED, cost=cost))
            try:
                return self._fetched(buying, purchase, service, answer.video_url)
            except DeadUrlError as error:
                dead += 1
                if dead > 1:
                    return buying.lost(purchase, f"its video cannot be fetched: {error.found}")
            except NoAnswerError as error:
                found = f"its video cannot be fetched now: {error.found}"
                raise ServiceError(Problem(purchase.label, found, remedy="the next run tries again")) from None
            except WrongVideoError as error:
                if error.is_whole or fetches >= DAMAGED_TIMES:
                    return buying.lost(purchase, f"its video {error.found}")
        raise AssertionError

    def _fetched(self, buying: _Buying, purchase: Purchase, service: TaskService, url: str) -> Purchase:
        part = buying.desk.part()
        try:
            service.fetch(url, part, buying.is_alive)
            check_video(part, buying.take)
            digest = buying.desk.keep(part)
        finally:
            part.unlink(missing_ok=True)
        return buying.desk.write(replace(purchase, state=PurchaseState.BOUGHT, video=digest, note=""))

    def _frames(self, take: Take, desk: PurchaseDesk, purchase: Purchase) -> Frames:
        file = desk.video(purchase.video)
        try:
            frames = frames_of(file, take)
        except WrongVideoError as error:
            found = f"its video {file} {error.found}"
            raise ServiceError(Problem(purchase.label, found, "the file as it was bought", WHAT_TO_DO)) from None
        self._facts = {
            "service": purchase.base,
            HOSTED_FACT: purchase.model,
            "task": purchase.task,
            COST_FACT: str(purchase.counted),
            "price list": purchase.listed,
            "video": purchase.video,
        }
        return frames

    def _service(self, base: str) -> TaskService:
        """The service at an address. Raises WeightsError; ServiceError if the address is no service's."""
        key, problem = service_key(), lacking()
        if key is None or problem is not None:
            raise WeightsError(problem or Problem("backend dashscope", "this machine has no key"))
        if not is_service(base, self._settings):
            raise ServiceError(
                Problem("cloud/ledger.json", f"{base} is no address of the service", "the key stays here")
            )
        return TaskService(base, key, video_hosts(self._settings), self._pace)


@dataclass(frozen=True)
class _Buying:
    """One take that is bought. is_alive: called before each question, so that the farm sees progress."""

    take: Take
    plates: TakeInputs
    hosted: HostedModel
    desk: PurchaseDesk
    is_alive: Callable[[], None]

    def unknown(self, purchase: Purchase, found: str) -> Purchase:
        """It may be paid, and nobody knows its task."""
        LOG.warning("%s: paid, unknown: %s", purchase.label, found)
        return self.desk.write(replace(purchase, state=PurchaseState.UNKNOWN, note=found))

    def lost(self, purchase: Purchase, found: str) -> Purchase:
        """It was billed, and its video cannot be used."""
        LOG.warning("%s: paid, lost: %s", purchase.label, found)
        return self.desk.write(replace(purchase, state=PurchaseState.LOST, note=found))

    def not_made(self, purchase: Purchase, service: TaskService, answer: TaskAnswer) -> Purchase:
        """The task ended without a video. Raises ServiceError if it is not billed."""
        said = service.without_key(answer.said)
        if answer.status in ENDED_FREE:
            found = f"its task was {answer.status.lower()}: {said}"
            self.desk.write(replace(purchase, state=PurchaseState.FREE, note=found))
            raise ServiceError(Problem(purchase.label, found, remedy=_after(said)))
        if answer.status == NOT_KNOWN:
            return self.unknown(purchase, f"the service does not know its task {purchase.task} (any more)")
        raise ServiceError(Problem(purchase.label, f"its task has the unknown status {answer.status[:40]!r}"))

    def require_video(self, purchase: Purchase) -> None:
        """Raise ServiceError if there is no video."""
        if purchase.state is not PurchaseState.BOUGHT:
            raise ServiceError(Problem(purchase.label, f"{purchase.state.value}: {purchase.note}", remedy=WHAT_TO_DO))


def _ended(service: TaskService, purchase: Purchase, is_alive: Callable[[], None]) -> TaskAnswer:
    """The first answer that says how a task ended. Raises NoAnswerError."""
    return next(answer for answer in service.polled(purchase.task, is_alive) if answer.status not in RUNNING)


def _is_unfit(plate: AnyPlate | None, picture: Pixels | None, take: Take) -> bool:
    expected = None if plate is None else (take.size.height, take.size.width, 3)
    return (None if picture is None else picture.shape) != expected


def _alive(listen: Listen) -> Callable[[], None]:
    """Reports each question, so that a long wait is no stall. Nobody knows how many there will be."""
    numbers = count(1)

    def is_alive() -> None:
        listen(Progress(Phase.ENCODING, next(numbers)))

    return is_alive


def _place(error: Exception) -> str:
    """Where an error was raised: `_asked (bounded_http.py:108)`. Its own text may hold anything."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{last.name} ({Path(last.filename).name}:{last.lineno})"


def _after(said: str) -> str:
    """What to do about a refusal."""
    folded = said.lower()
    if "apikey" in folded.replace(" ", "").replace("_", "") or "401" in folded or "accessdenied" in folded:
        return "key, address and model belong to one region: compare DASHSCOPE_API_KEY and WAN_RENDER_DASHSCOPE_URL"
    if "429" in folded or "no connection" in folded:
        return "the next run tries again"
    return "change the shot, or render it locally"
