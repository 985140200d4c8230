"""From the settings to what answers: the same for the function and the agent."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from time import sleep
from typing import TYPE_CHECKING

import torch

from cvat_serverless.interactor import Interactor
from cvat_serverless.live import LiveInteractor, open_live
from cvat_serverless.settings import CvatSettings
from ritm_model.checkpoints import CheckpointError
from ritm_model.cpus import usable_cpus
from ritm_model.errors import RitmError
from ritm_model.inference import Annotator, Predictor, open_predictor
from ritm_model.inference.engines.graph import EngineError
from ritm_ops.admission import Budget, DecodingMemory, LiveProcesses, machine_folder
from ritm_ops.admission.arenas import share_arenas
from ritm_ops.admission.memory import cache_bytes, decoding_budget, usable_memory
from ritm_ops.environment import SettingsError

if TYPE_CHECKING:
    from cvat_serverless.metrics import Metrics

_TIDY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """An interactor, where its newer versions come from, memory for decoding frames, and what is counted.

    Nuclio's workers and agents are processes that answer one request at a time, so they share no queue. The
    memory is shared by all of this machine or container, and so is that for what they remember.
    """

    interactor: Interactor
    live: LiveInteractor | None
    memory: Budget
    metrics: Metrics


def load(settings: CvatSettings) -> Loaded:
    """Load the model and run it once.

    Raises:
        RitmError: the model, the device or the registry is not there, or the port of the metrics is refused.
    """
    share_arenas()
    if "OMP_NUM_THREADS" not in os.environ:  # torch, loaded already, counts the processors of the machine
        torch.set_num_threads(usable_cpus())
    memory = DecodingMemory.of_machine(
        decoding_budget(usable_memory(settings.ritm_memory_mb)), machine_folder()
    )
    processes = LiveProcesses(machine_folder() / "processes")
    live = open_live(settings, lambda model: _load_annotator(settings, model, processes))
    annotator = live.versions if live else _load_annotator(settings, settings.ritm_model, processes)
    interactor = Interactor(annotator, min_region_pixels=settings.ritm_min_region_pixels)
    metrics = _open_metrics(settings.ritm_metrics_port, interactor, processes)
    Thread(target=_tidy, args=(interactor, metrics), name="tidy", daemon=True).start()
    return Loaded(interactor, live, memory, metrics)


def _open_metrics(port: int, interactor: Interactor, processes: LiveProcesses) -> Metrics:
    folder = machine_folder() / "metrics"
    if port:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # looked at when the library is imported
    from cvat_serverless.metrics import Metrics, forget_own, serve

    if port:
        forget_own(folder)
    metrics = Metrics(interactor)
    if port:
        serve(port, folder, is_alone=processes.count() == 1)
    return metrics


def _tidy(interactor: Interactor, metrics: Metrics) -> None:
    """Give up memory to processes that are started later, also while nobody clicks."""
    while True:
        sleep(_TIDY_SECONDS)
        interactor.tidy()
        metrics.update()


def _load_annotator(settings: CvatSettings, model: str, processes: LiveProcesses) -> Annotator:
    """Open a model, by its name or path, and run it once."""
    predictor = _open(settings, model)
    shared = None
    if settings.session_store is not None:
        from ritm_ops.redis_states import RedisStates  # needs a package that an image may lack

        store = settings.session_store.get_secret_value()
        shared = RedisStates(store, f"{predictor.engine.name} cvat", settings.ritm_cvat_ttl_seconds)
    annotator = Annotator(
        predictor,
        shared=shared,
        cache_bytes=cache_bytes(settings.ritm_cvat_cache_mb, usable_memory(settings.ritm_memory_mb)),
        processes=processes.count,
        ttl_seconds=settings.ritm_cvat_ttl_seconds,
        light_after_seconds=settings.ritm_light_after_seconds or None,
    )
    annotator.warm_up()
    return annotator


def _open(settings: CvatSettings, model: str) -> Predictor:
    """Name the variable instead of what helps at a command line, which a container does not have."""
    try:
        return open_predictor(model, device=settings.ritm_device, engine=settings.ritm_engine)
    except CheckpointError as error:
        reason = str(error)
        if not Path(model).is_file():
            reason = f"'{model}' is neither 'bundled' nor a file here."
        raise SettingsError(f"RITM_MODEL cannot be used: {reason}") from error
    except EngineError as error:
        raise SettingsError(f"RITM_ENGINE cannot be used: {error}") from error
    except RitmError as error:
        raise SettingsError(
            f"RITM_DEVICE cannot be used: '{settings.ritm_device}' is no device that can be used here."
        ) from error
