"""The backend as a server process: gunicorn, with the model loaded in each worker after the fork.

Connections are kept by a loop (`ritm_backend/front`), and requests answered by threads of three lanes:
probes, short requests, and those that need the network. So `/health` is answered however many annotators
wait.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger as GunicornLog

from ritm_backend.front.loop import ConnectionLimits
from ritm_backend.front.newcomers import hold_off_newcomers
from ritm_backend.front.worker import FrontWorker, Site
from ritm_backend.front.wsgi import environment
from ritm_backend.logs import JsonLines
from ritm_backend.settings import Settings
from ritm_backend.sharing.projects import FOLDER_VARIABLE, OBJECTS_VARIABLE
from ritm_backend.sharing.rings import RINGS_VARIABLE
from ritm_model.errors import RitmError
from ritm_model.files import writing

if TYPE_CHECKING:
    from ritm_backend.model_host import ModelHost
    from ritm_model.inference import Annotator, Engine

_SHORT_THREADS = 4
_PROBE_THREADS = 2
_WAITING_THREADS = 240
_BODY_SHARE = 8  # one part in so many of the memory is for requests that are read
_CLICKS_IN_A_RUN = 8  # on a GPU, of those that wait together
_BACKLOG = 2048
_HANDSHAKE_SECONDS = 0.5  # from the first packet of a client to the one with which it has connected
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (for the heartbeat and the counts: a disk could block them)


class ServeError(RitmError):
    """The server cannot be started."""


class _Log(GunicornLog):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's own messages, without tracebacks either."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines())


class _Arbiter(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's master, which loses nobody who connects while it is told to stop."""

    def stop(self, graceful: bool = True) -> None:
        # A listening socket drops who has connected and was not taken yet, when its last process closes it.
        # Newcomers are held off while the processes still take everybody; their system tries again after a
        # second, and is refused then.
        if graceful and self.LISTENERS:
            for listener in self.LISTENERS:
                hold_off_newcomers(listener.sock)
            sleep(_HANDSHAKE_SECONDS)
        super().stop(graceful)


class _Gunicorn(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    def __init__(self, options: dict[str, object], load: Callable[[], object]) -> None:
        self._options = options
        self._load = load
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            if name in self.cfg.settings:  # newer releases have more
                self.cfg.set(name, value)

    def load(self) -> object:
        return self._load()

    def run(self) -> None:
        _Arbiter(self).run()


def listen(host: str, port: int) -> socket.socket:
    """Take the port. Port 0 takes a free one.

    Raises:
        ServeError: It is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"Port {port} on {host} is already in use; choose another with --port."
            ) from None
        reason = error.strerror or error
        raise ServeError(f"The server cannot listen on port {port} of {host}: {reason}.") from None


def run(settings: Settings, listener: socket.socket, workers: int) -> None:
    """Serve on a listening socket until told to stop (SIGTERM lets running requests finish).

    `ritm_model.cpus.limit_threads` is to be called before anything loads torch.
    """
    from ritm_ops.admission.arenas import share_arenas

    share_arenas()
    options: dict[str, object] = {
        "bind": f"fd://{listener.detach()}",
        "worker_class": FrontWorker,
        "workers": workers,
        "timeout": 120,  # of the heartbeat, not of a request
        "graceful_timeout": 30,
        "loglevel": "warning",
        "logger_class": _Log,
        "control_socket_disable": True,
        "worker_tmp_dir": _in_memory(),
    }
    # In memory: on a disk that is full, writing to a mapped file ends the process.
    with _shared_folder() as folder:
        # Both are read after the fork.
        projects = settings.projects_folder or folder / "projects"
        with writing(projects, ServeError):
            projects.mkdir(parents=True, exist_ok=True)
        os.environ[FOLDER_VARIABLE] = str(projects)
        objects = projects / "objects"
        objects.mkdir(exist_ok=True)
        os.environ[OBJECTS_VARIABLE] = str(objects)
        if workers > 1 or settings.projects_folder:  # a worker by itself need not leave anything for others
            rings = projects / "rings"
            rings.mkdir(exist_ok=True)
            os.environ[RINGS_VARIABLE] = str(rings)
        if workers > 1:
            options["child_exit"] = _drop_counts
            counts = folder / "metrics"
            counts.mkdir()
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counts)
        _Gunicorn(options, lambda: application(settings, workers)).run()


@contextmanager
def _shared_folder() -> Iterator[Path]:
    """A folder that ends with the process that made it, not with the first of its forks to end."""
    owner = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix="ritm-", dir=_in_memory()))
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)


def _in_memory() -> str | None:
    return str(_SHARED_MEMORY) if os.access(_SHARED_MEMORY, os.W_OK) else None


def _drop_counts(_: object, worker: Any) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def application(settings: Settings, workers: int) -> Site:
    """What one of so many processes serves, with its own model, which starts to load."""
    from werkzeug.wrappers import Request

    from ritm_backend.accepted import counted_models
    from ritm_backend.admission.gate import PROBE, SHORT, WORK
    from ritm_backend.app import create_app, parts_of
    from ritm_backend.logs import set_up_logging
    from ritm_ops.admission.memory import usable_memory
    from ritm_ops.pictures import PictureFetcher

    set_up_logging(settings.log_level)
    memory = usable_memory(settings.memory_mb)
    settings = with_cache_within(settings, memory, workers)
    host = make_host(settings)
    host.start()
    fetcher = PictureFetcher(settings.picture_access)
    app = create_app(settings, host, fetcher, workers, pipeline_hosts(settings), counted_models(settings))
    parts = parts_of(app)
    return Site(
        app,
        lambda head: parts.gate.wanted(Request(environment(head, "", ("", 0)))),
        {PROBE: _PROBE_THREADS, SHORT: _SHORT_THREADS, WORK: settings.threads + _WAITING_THREADS},
        ConnectionLimits(body_bytes=memory // workers // _BODY_SHARE),
        parts.metrics.refused,
        parts.handover,
    )


def with_cache_within(settings: Settings, memory: int, workers: int) -> Settings:
    """The settings for one of so many processes that may use so many bytes together, its cache divided."""
    from ritm_ops.admission.memory import cache_bytes

    return settings.model_copy(
        update={"cache_mb": max(1, (cache_bytes(settings.cache_mb, memory) >> 20) // workers)}
    )


def make_host(settings: Settings) -> ModelHost:
    """The host of the model that the settings name; it loads when it is started.

    Raises:
        StoreError: the registry is at no address that can be used.
    """
    from ritm_backend.model_host import ModelHost

    if settings.live_model is None:
        return ModelHost(lambda: load_annotator(settings, settings.model), settings.model)
    from ritm_ops.registry.live_model import cache_folder

    assert settings.registry is not None
    return _following(settings, settings.registry, settings.live_model, "bundled", cache_folder())


def pipeline_hosts(settings: Settings) -> Mapping[str, Callable[[], ModelHost]]:
    """What makes the host of each pipeline's model, by the pipeline's name.

    Raises:
        RitmError: the file of pipelines cannot be used, or names a registry at no address that can be used.
    """
    from ritm_ops.object_store import open_store
    from ritm_ops.pipelines import served_pipelines
    from ritm_ops.registry.live_model import cache_folder

    if settings.pipelines is None:
        return {}
    served = served_pipelines(settings.pipelines, settings.registry)
    for pipeline in served.values():
        open_store(pipeline.registry)
    return {
        name: partial(
            _following, settings, pipeline.registry, pipeline.model, pipeline.base, cache_folder(name)
        )
        for name, pipeline in served.items()
    }


def _following(settings: Settings, registry: str, model: str, base: str, cache: Path) -> ModelHost:
    """The host of the live version of a model, and of `base` while none is live."""
    from ritm_backend.model_host import ModelHost
    from ritm_ops.object_store import open_store
    from ritm_ops.registry import Registry
    from ritm_ops.registry.live_model import RegistrySource
    from ritm_ops.registry.trial_model import CandidateSource
    from ritm_ops.registry.trials import Trials

    store = open_store(registry)
    load = partial(load_annotator, settings)
    source = RegistrySource(Registry(store), model, load, fallback=base, cache_dir=cache)
    candidates = CandidateSource(Registry(store), Trials(store), model, load, cache_dir=cache)
    return ModelHost(
        source.newer,
        model,
        check_every_seconds=settings.registry_seconds,
        beside=candidates.refresh,
        session_ttl_seconds=settings.session_ttl_seconds,
    )


def load_annotator(settings: Settings, model: str) -> Annotator:
    """Open and warm a model, by its name or path, as the settings say. Raises RitmError."""
    from ritm_model.inference import Annotator, PredictorOptions, open_predictor

    options = PredictorOptions.paper() if settings.profile == "paper" else None
    predictor = open_predictor(model, settings.device, options, engine=settings.engine)
    shared = None
    if settings.session_store is not None:
        from ritm_ops.redis_states import RedisStates

        version = f"{predictor.engine.name} {settings.profile}"
        shared = RedisStates(settings.session_store.get_secret_value(), version, settings.session_ttl_seconds)
    annotator = Annotator(
        predictor,
        at_once=_at_once(predictor.engine),
        cache_bytes=settings.annotator_bytes,
        ttl_seconds=settings.session_ttl_seconds,
        shared=shared,
        light_after_seconds=settings.longest_wait,
    )
    annotator.warm_up()
    return annotator


def _at_once(engine: Engine) -> int:
    """How many clicks are best answered at the same time."""
    from ritm_model.inference import TorchEngine
    from ritm_model.inference.engines.openvino import OpenVinoEngine

    if isinstance(engine, OpenVinoEngine):
        return engine.at_once
    return _CLICKS_IN_A_RUN if isinstance(engine, TorchEngine) and engine.device.type == "cuda" else 1
