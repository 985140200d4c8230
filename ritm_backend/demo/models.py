"""Models and options that the page may choose, beside the one that the process serves anyway."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from threading import Lock
from typing import TypeVar

from ritm_backend.demo.prompts import LARGEST_SIZE, BrsWanted, ModelWanted, ZoomInWanted
from ritm_backend.label_studio.errors import RequestError
from ritm_backend.model_host import ModelHost, ModelUnavailableError
from ritm_backend.settings import Settings
from ritm_model.catalogue import models_folder
from ritm_model.inference import Annotator, Engine, Predictor, PredictorOptions, TorchEngine, ZoomIn
from ritm_model.inference.engines.openvino import OpenVinoEngine
from ritm_model.inference.opening import open_engine
from ritm_model.networks import Viewing

MODEL_WAIT_SECONDS = 60
FIXED_SIZE = 400
_OTHER_MODELS = 2
_OTHER_OPTIONS = 4
_OTHER_CACHE_BYTES = 64 << 20

BRS_SECONDS = 10.0
"""How long BRS may search for the answer to one click."""

K = TypeVar("K")
T = TypeVar("T")


class DemoModels:
    """Gives the annotator for a choice of model and options. Thread-safe, and bounded in memory.

    The served model with its own options is the annotator that Label Studio uses. Others are made when
    they are asked for, and the ones used longest ago are dropped.
    """

    def __init__(self, host: ModelHost, settings: Settings) -> None:
        self._host = host
        self._settings = settings
        # Where a checkpoint lies is nobody's business.
        self._served = settings.live_model or Path(settings.model).stem
        self._engines: OrderedDict[str, TorchEngine] = OrderedDict()
        self._annotators: OrderedDict[tuple[str, ModelWanted], Annotator] = OrderedDict()
        self._lock = Lock()

    def names(self) -> list[str]:
        """The served model first, then the others on this machine."""
        pulled = sorted(path.stem for path in models_folder().glob("*.safetensors"))
        return list(dict.fromkeys([self._served, "bundled", *pulled]))

    def default(self) -> ModelWanted:
        """What the process serves, as the page would ask for it."""
        return ModelWanted(model=self._served, zoom_in=_zoom_in_wanted(self._usual_options().zoom_in))

    @property
    def threshold(self) -> float:
        """Pixels above this probability form the mask unless the page says otherwise."""
        return self._usual_options().threshold

    def status(self) -> dict[str, object]:
        """The served model: its version, where it runs, whether it is ready, and what its annotator holds."""
        about: dict[str, object] = {
            "model_version": self._host.version,
            "profile": self._settings.profile,
            "device": self._settings.device,
            "ready": False,
            "failure": None,
        }
        try:
            annotator = self._host.annotator()
        except ModelUnavailableError as error:
            return about | {"failure": str(error) if self._host.has_failed else None}
        engine = annotator.predictor.engine
        about |= {"ready": True, "engine": type(engine).__name__}
        if isinstance(engine, TorchEngine):
            about["device"] = str(engine.device)
        elif isinstance(engine, OpenVinoEngine):
            about["device"] = "cpu"  # whatever was asked for
        return about | {"annotator": asdict(annotator.stats()), "cache_mb": self._settings.cache_mb}

    def annotator(self, wanted: ModelWanted, session: str | None = None) -> Annotator:
        """The annotator for this choice.

        Args:
            wanted: The choice.
            session: Names an object that is clicked; it stays with the version it began on.

        Raises:
            RequestError: A model that is not on this machine.
            ModelUnavailableError: The served model is still being loaded, or cannot be.
            RitmError: The model cannot be loaded, or the options do not suit it.
        """
        if wanted.model not in self.names():
            raise RequestError("There is no such model on this server.")
        served = self._host.annotator(MODEL_WAIT_SECONDS, session)
        if wanted == self.default():
            return served
        choice = (served.version, wanted)
        with self._lock:
            return _kept(self._annotators, choice, _OTHER_OPTIONS, lambda: self._make(wanted, served))

    def _make(self, wanted: ModelWanted, served: Annotator) -> Annotator:
        engine, options = served.predictor.engine, served.predictor.options
        if wanted.model != self._served:
            other = _kept(
                self._engines,
                wanted.model,
                _OTHER_MODELS,
                lambda: open_engine(wanted.model, self._settings.device),
            )
            engine, options = other, self._usual_options(other.viewing)
        longest = LARGEST_SIZE if wanted.zoom_in is None else None
        options = replace(options, zoom_in=_zoom_in(wanted.zoom_in, options.zoom_in), max_size=longest)
        predictor = _predictor(engine, options, wanted.brs)
        ttl_seconds = self._settings.session_ttl_seconds
        if engine is served.predictor.engine and wanted.brs is None:
            return served.beside(predictor, cache_bytes=_OTHER_CACHE_BYTES, ttl_seconds=ttl_seconds)
        # Runs of another network or of BRS may take seconds, and nobody else should wait for all of that.
        return Annotator(
            predictor,
            cache_bytes=_OTHER_CACHE_BYTES,
            ttl_seconds=ttl_seconds,
            light_after_seconds=self._settings.longest_wait,
        )

    def _usual_options(self, viewing: Viewing | None = None) -> PredictorOptions:
        paper = self._settings.profile == "paper"
        return PredictorOptions.paper() if paper else PredictorOptions.serving(viewing)


def _predictor(engine: Engine, options: PredictorOptions, brs: BrsWanted | None) -> Predictor:
    if brs is None:
        return Predictor(engine, options)
    from ritm_model.inference.brs import BRS_MODES, BRSPredictor

    mode = BRS_MODES[brs.mode]
    if not isinstance(engine, TorchEngine | OpenVinoEngine):
        raise RequestError("This model runs on an engine that cannot be refined by backpropagation.")
    limit = mode.net_clicks_limit if brs.network_clicks is None else brs.network_clicks
    options = replace(options, net_clicks_limit=limit, with_flip=False)  # it takes its time as it is
    return BRSPredictor(
        engine, mode.adaptation(engine.model), options, evaluations=brs.iterations, seconds=BRS_SECONDS
    )


def _zoom_in(wanted: ZoomInWanted | None, usual: ZoomIn | None) -> ZoomIn | None:
    """What is usual, which has more to it than the page can say, with what the page says."""
    if wanted is None:
        return None
    zoom_in = replace(usual or ZoomIn(), skip_clicks=wanted.skip_clicks, expansion_ratio=wanted.expand_ratio)
    if wanted.target_size is None and not wanted.fixed:
        return zoom_in
    side = wanted.target_size or FIXED_SIZE
    shown = (side, side) if wanted.fixed else side
    return replace(zoom_in, target_size=shown, first_size=None, late_size=None)


def _zoom_in_wanted(zoom_in: ZoomIn | None) -> ZoomInWanted | None:
    if zoom_in is None:
        return None
    return ZoomInWanted(skip_clicks=zoom_in.skip_clicks, expand_ratio=zoom_in.expansion_ratio)


def _kept(cache: OrderedDict[K, T], key: K, most: int, make: Callable[[], T]) -> T:
    """The value of a key, made if need be; of more than `most`, the one used longest ago goes."""
    if key not in cache:
        cache[key] = make()
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
    return cache[key]
