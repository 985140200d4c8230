"""Sessions over stateless requests: every request names an image and all clicks so far.

Adapters of annotation tools send the whole sequence each time. The annotator finds how much of it it
has answered already and runs the network for the rest, usually one click. What it has forgotten, or
never seen, it replays; the mask is the same.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ritm_model.clicks import Click
from ritm_model.inference.engines.batching import GatheringEngine
from ritm_model.inference.engines.torch_engine import TorchEngine
from ritm_model.inference.predictor import Predictor
from ritm_model.inference.sessions.cache import SessionCache, Start, fingerprint
from ritm_model.inference.sessions.load import Load
from ritm_model.inference.sessions.shared_states import SharedStates
from ritm_model.inference.sessions.state_codec import rounded
from ritm_model.inference.sessions.turns import Ticket, Turns
from ritm_model.inference.state import Image, State
from ritm_model.inference.strokes import Region
from ritm_model.inference.timing import Timings

LoadImage = Callable[[], Image]

REPLAY_RUNS = 8
"""Runs of the network for one request at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """All that a request says.

    Attributes:
        image_key: names the image.
        clicks: every click so far, in order. None at all gives the mask as it was given, or an empty one.
        mask: H x W bool, or float in [0, 1], to refine; see `Predictor.start`.
        mask_key: names the mask; worked out from its pixels if left empty.
        region: drawn around the object; see `Predictor.start`.
        queue_key: of waiting requests with the same key only the newest is answered; None waits its turn.
        keep_mask: whether the mask stays where no click is about it; see `Predictor.start`.
        owner: whose memory the image takes; who holds most makes room first.
    """

    image_key: str
    clicks: tuple[Click, ...] = ()
    mask: npt.NDArray[Any] | None = None
    mask_key: str = ""
    region: Region | None = None
    queue_key: str | None = None
    keep_mask: bool = True
    owner: str = ""

    def start_on(self, image: Image) -> Start:
        """What the clicks begin with, on these pixels."""
        key = "" if self.mask is None else self.mask_key or _digest(self.mask)
        return Start(key if self.keep_mask or not key else f"guess {key}", self.region, fingerprint(image))


@dataclass(frozen=True, slots=True)
class AnnotatorStats:
    """Counts since the start, and what is held now.

    Attributes:
        requests: calls of `segment`.
        remembered: requests answered without a run of the network.
        clicks_run: clicks given to the predictor.
        images_loaded: calls of `load_image`.
        waiting: requests that wait for their turn now.
        cached_images, cached_states, cached_bytes: what is held now.
        is_light: whether clicks are answered with less work now, because many wait.
    """

    requests: int
    remembered: int
    clicks_run: int
    images_loaded: int
    waiting: int
    cached_images: int
    cached_states: int
    cached_bytes: int
    is_light: bool


class Annotator:
    """Answers prompts of many annotators with one predictor. Thread-safe.

    One network run at a time unless told otherwise: with torch on a CPU, several only slow each other down.
    An image is loaded by the first request that needs it while others wait for the same pixels.

    Args:
        predictor: what answers the clicks.
        at_once: clicks that are answered at the same time, without BRS. With torch, those that wait for the
            network share its next run.
        cache_bytes: memory for images and states, of all processes that share it.
        processes: how many these are, asked again and again.
        ttl_seconds: how long an unused image stays.
        shared: where other processes leave their states, and find those of this one.
        light_after_seconds: of waiting, after which clicks are answered by `PredictorOptions.light`, until
            they wait no longer; None for never.
        clock: seconds.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        at_once: int = 1,
        cache_bytes: int = 1 << 30,
        processes: Callable[[], int] = lambda: 1,
        ttl_seconds: float = 3600,
        shared: SharedStates | None = None,
        light_after_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._predictor = predictor
        self._answering = predictor
        if at_once > 1 and isinstance(predictor.engine, TorchEngine):
            self._answering = predictor.with_engine(GatheringEngine(predictor.engine, at_once))
        self._light = self._answering.with_options(predictor.options.light())
        self._load = Load(light_after_seconds, clock)
        self._is_adaptive = light_after_seconds is not None
        self._cache = SessionCache(cache_bytes, ttl_seconds, clock, processes)
        self._shared = shared
        self._clock = clock
        self._at_once = at_once
        self._turns = Turns(at_once)
        self._lock = threading.Lock()
        self._loading: dict[str, Future[Image]] = {}
        self._counts: Counter[str] = Counter()

    @property
    def predictor(self) -> Predictor:
        """What answers the clicks; holds no state, so whoever needs its network or options may share it."""
        return self._predictor

    @property
    def version(self) -> str:
        """Which weights answer."""
        return self._predictor.engine.name

    def warm_up(self) -> None:
        """Run the network in every way in which clicks may be answered, so that nobody waits later."""
        self._predictor.warm_up()
        if self._is_adaptive:
            self._light.warm_up()

    def beside(self, predictor: Predictor, *, cache_bytes: int, ttl_seconds: float) -> Annotator:
        """An annotator with other options and the same engine; clicks of both wait in one queue.

        Args:
            predictor: runs the engine of this one's.
            cache_bytes: as of this one, and beside them.
            ttl_seconds: as of this one.
        """
        other = Annotator(
            predictor,
            at_once=self._at_once,
            cache_bytes=cache_bytes,
            ttl_seconds=ttl_seconds,
            clock=self._clock,
        )
        other._turns, other._load = self._turns, self._load
        return other

    def arrive(self, queue_key: str | None) -> AbstractContextManager[Ticket]:
        """A ticket for one `segment`, for whoever has to look at the image before the prompt can be made.

        Of prompts with the same `queue_key` the one that took its ticket last is the newest.
        """
        return self._turns.arrive(queue_key)

    def segment(
        self,
        prompt: Prompt,
        load_image: LoadImage,
        timings: Timings | None = None,
        ticket: Ticket | None = None,
        waited_seconds: float = 0,
        *,
        others_wait: bool = False,
    ) -> State:
        """Answer a prompt.

        Args:
            prompt: the image and all clicks on it.
            load_image: gives the pixels, uint8 H x W x 3 RGB, upright; called when they are not held.
            timings: receives the milliseconds of the stage "queue", and of those of `Predictor.click`.
            ticket: from `arrive`, held until this returns; without, the prompt arrives now.
            waited_seconds: how long it has waited before that.
            others_wait: whether it has waited in a queue of other requests for this network that is not seen
                here, and thus counts for all of its runs.

        Raises:
            Superseded: a newer prompt with the same `queue_key` arrived while this one waited.
            PromptError: mask or region do not fit the image.
            Exception: whatever `load_image` raises.
        """
        timings = timings or Timings()
        self._count(requests=1)
        waited = waited_seconds
        with ExitStack() as stack:
            ticket = ticket or stack.enter_context(self.arrive(prompt.queue_key))
            image = self.image(prompt.image_key, load_image, prompt.owner)
            start = prompt.start_on(image)
            state = self._known_to_others(prompt, start, self._known(prompt, start, image))
            if state.clicks == prompt.clicks:
                self._count(remembered=1)
                return state
            for runs_left in range(REPLAY_RUNS, 0, -1):
                if state.clicks == prompt.clicks:
                    break
                # A turn for each run, so that a long sequence lets others in between.
                with ExitStack() as turn:
                    began = self._clock()
                    with timings.stage("queue"):
                        turn.enter_context(self._turns.turn(ticket))
                    waited += self._clock() - began
                    # Whoever ran meanwhile may have answered some of the clicks.
                    state = max(state, self._known(prompt, start, image), key=lambda one: len(one.clicks))
                    if state.clicks != prompt.clicks:
                        clicks = next_clicks(state, prompt.clicks, runs_left)
                        predictor = self._by_load(waited, others_wait)
                        state = predictor.click_together(state, clicks, timings)
                        if self._shared:
                            state = rounded(state)  # as others will find it
                        self._cache.add(prompt.image_key, start, state)
                        self._count(clicks_run=len(clicks))
                        waited = waited_seconds if others_wait else 0
        if self._shared:
            self._shared.add(prompt.image_key, start, state)
        return state

    def image(self, image_key: str, load_image: LoadImage, owner: str = "") -> Image:
        """The pixels of an image, read-only, loaded once however many ask for them at the same time.

        Args:
            image_key: as of `Prompt`.
            load_image: gives the pixels, when they are not held.
            owner: as of `Prompt`.

        Raises:
            Exception: whatever `load_image` raises; all who wait for it get it, and it is not remembered.
        """
        with self._lock:
            image = self._cache.image(image_key)
            if image is not None:
                return image
            shared = self._loading.get(image_key)
            own = None if shared else self._loading.setdefault(image_key, Future())
        if shared is not None:
            return shared.result()
        assert own is not None
        try:
            image = load_image().view()
            image.flags.writeable = False
            self._cache.add_image(image_key, image, owner)
            self._count(images_loaded=1)
            own.set_result(image)
            return image
        except BaseException as error:
            own.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._loading[image_key]

    def shrink(self, parts: int) -> None:
        """Keep to one part in so many of the memory from now on; what is forgotten is replayed if need be."""
        self._cache.shrink(parts)

    def tidy(self) -> None:
        """Let go of memory that is not this one's any more; clicks do that, too."""
        self._cache.tidy()

    def stats(self) -> AnnotatorStats:
        images, states, nbytes = self._cache.size()
        with self._lock:
            return AnnotatorStats(
                requests=self._counts["requests"],
                remembered=self._counts["remembered"],
                clicks_run=self._counts["clicks_run"],
                images_loaded=self._counts["images_loaded"],
                waiting=self._turns.waiting,
                cached_images=images,
                cached_states=states,
                cached_bytes=nbytes,
                is_light=self._load.is_high,
            )

    def _by_load(self, waited_seconds: float, others_wait: bool) -> Predictor:
        others = self._turns.waiting + others_wait
        return self._light if self._load.after_wait(waited_seconds, others) else self._answering

    def _known(self, prompt: Prompt, start: Start, image: Image) -> State:
        """The state after as many of the clicks as are remembered."""
        known = self._cache.longest(prompt.image_key, start, prompt.clicks, image)
        if known is not None:
            return known
        return self._predictor.start(image, prompt.mask, prompt.region, keep_mask=prompt.keep_mask)

    def _known_to_others(self, prompt: Prompt, start: Start, state: State) -> State:
        """The state after more of the clicks than in `state`, if another process left one."""
        # With one click left to answer, asking would save nothing.
        if self._shared is None or len(state.clicks) >= len(prompt.clicks) - 1:
            return state
        least = len(state.clicks) + 1
        found = self._shared.longest(prompt.image_key, start, prompt.clicks, state.image, at_least=least)
        if found is None:
            return state
        self._cache.add(prompt.image_key, start, found)
        return found

    def _count(self, **events: int) -> None:
        with self._lock:
            self._counts.update(events)


def next_clicks(state: State, clicks: tuple[Click, ...], runs_left: int) -> tuple[Click, ...]:
    """Those of `clicks` that the next of so many runs answers, for `state` to get to the last of them.

    One, as long as there are enough runs. Otherwise the first click still finds the object alone, and each of
    the last ones has the effect that the annotator sees; those between are answered together.
    """
    missing = clicks[len(state.clicks) :]
    together = len(missing) - (runs_left - 1) if state.prediction else 1
    return missing[: max(1, together)]


def _digest(mask_HW: npt.NDArray[Any]) -> str:
    header = f"{mask_HW.shape} {mask_HW.dtype} ".encode()
    return hashlib.blake2b(header + np.ascontiguousarray(mask_HW).tobytes(), digest_size=16).hexdigest()
