"""OpenVINO: on most CPUs the quickest way to run a network.

A network is converted once, for every size of image and number of clicks, and kept as a file.
Shapes: B batch, C channels, H x W the network's input, P points, 3 = (row, column, order).
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Lock
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ritm_model.catalogue import bundled_model_path, models_folder
from ritm_model.inference.engines.graph import EngineError, Graph
from ritm_model.inference.engines.original import Original
from ritm_model.networks import InteractiveModel, inference_copy

_logger = logging.getLogger(__name__)


class OpenVinoEngine:
    """Runs a converted network on the CPU, in float32, with as many threads as torch has.

    A run that finds the engine idle takes all threads, which is quickest for whoever waits. Runs that meet
    others take one thread each, which is quickest for all of them together.

    Args:
        network: what OpenVINO has converted.
        model: what it was converted from; it is left as it is.
        name: of the weights; of a model with a file, its version.
        path: the file of the model, if it has one, so that its weights need not be held twice.

    Attributes:
        at_once: how many runs may meet; more wait.
    """

    def __init__(
        self, network: Any, model: InteractiveModel, name: str = "unnamed", path: Path | None = None
    ) -> None:
        self.name = name
        self._original = Original(model if path else inference_copy(model), path, name)
        self.with_prev_mask = model.with_prev_mask
        self.at_once = torch.get_num_threads()
        alone = _compiled(network, streams=1, threads=self.at_once)
        together = (
            alone if self.at_once == 1 else _compiled(network, streams=self.at_once, threads=self.at_once)
        )
        self._alone = alone.create_infer_request()
        self._together: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.at_once):
            self._together.put(together.create_infer_request())
        self._lock = Lock()
        self._running = 0

    @property
    def model(self) -> InteractiveModel:
        """A copy of what was converted, for whoever needs its parts or gradients.

        Raises:
            CheckpointError: its file is gone, or has other weights by now.
        """
        return self._original.get()

    def run(self, image_BCHW: Tensor, points_BP3: Tensor) -> Tensor:
        """Logits, B x 1 x H x W, as `Engine.run`."""
        inputs = [image_BCHW.contiguous().numpy(), points_BP3.contiguous().numpy()]
        with self._request() as request:
            (logits_B1HW,) = request.infer(inputs, share_inputs=True).values()
        return torch.from_numpy(logits_B1HW)

    @contextmanager
    def _request(self) -> Iterator[Any]:
        """All threads for the first who comes, one for each who comes while others are there."""
        with self._lock:
            self._running += 1
            is_alone = self._running == 1
        request = self._alone if is_alone else self._together.get()
        try:
            yield request
        finally:
            if not is_alone:
                self._together.put(request)
            with self._lock:
                self._running -= 1


def openvino() -> ModuleType:
    """The library, without the report on its use that it would send home when it is imported.

    Raises:
        EngineError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # "there is no such module"
    try:
        return import_module("openvino")
    except ImportError:
        raise EngineError(
            "The engine openvino is not installed; `pip install 'ritm[openvino]'` adds it."
        ) from None


def _compiled(network: Any, *, streams: int, threads: int) -> Any:
    settings = {
        "NUM_STREAMS": streams,
        "INFERENCE_PRECISION_HINT": "f32",  # the default halves the precision where the CPU can
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # several processes would pin their threads to the same processors
    }
    return _core().compile_model(network, "CPU", settings)


@cache
def _core() -> Any:
    """OpenVINO's library of devices, one for the life of the process.

    Its CPU plugin gives the thread that first compiles a stack for signals, and frees it with the last
    engine, in whatever thread that goes: the next signal would then kill the process (seen in 2026.4).
    """
    return openvino().Core()


def open_openvino(model: InteractiveModel, path: Path | None, version: str) -> OpenVinoEngine:
    """Run a loaded model with OpenVINO; convert it if nobody has done so before.

    Args:
        model: on the CPU; it is left as it is.
        path: its file. The conversion is kept beside it or, where that cannot be, in the user's cache. None
            for a network without a file, of which no conversion is kept.
        version: of the weights; names the conversion, together with the version of OpenVINO.

    Raises:
        EngineError: OpenVINO is not installed, or cannot run this network.
    """
    library = openvino()
    name = f"{version}.openvino-{library.__version__.split('-')[0]}.xml"
    folders = _folders(path) if path else []
    for kept in (folder / name for folder in folders if (folder / name).is_file()):
        if engine := _read(kept, model, version, path):
            return engine
    network = converted(model, version)
    if folders and not any(_kept(network, folder / name) for folder in folders):
        _logger.warning("The conversion of %s cannot be kept; each start repeats it.", version)
    with _refusals(version):
        return OpenVinoEngine(network, model, version, path)


def converted(model: InteractiveModel, version: str = "unnamed") -> Any:
    """The network as OpenVINO has it. Takes seconds.

    Raises:
        EngineError: it cannot be converted.
    """
    graph = Graph(inference_copy(model))
    channels = 3 + model.with_prev_mask
    with warnings.catch_warnings(), _refusals(version):
        warnings.simplefilter("ignore")  # of the tracer: what it takes for constant is constant
        return openvino().convert_model(
            graph, example_input=graph.example(), input=[(-1, channels, -1, -1), (-1, -1, 3)]
        )


def _read(kept: Path, model: InteractiveModel, version: str, path: Path | None) -> OpenVinoEngine | None:
    try:
        return OpenVinoEngine(_core().read_model(kept), model, version, path)
    except RuntimeError:
        _logger.warning("The conversion %s is damaged; it is made anew.", kept.name)
        return None


@contextmanager
def _refusals(version: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise EngineError(f"OpenVINO cannot run {version}: {str(error).splitlines()[0]}") from error


def _folders(path: Path) -> list[Path]:
    """Where a conversion may lie, the best place first. An installed package is nothing to write into."""
    cache = models_folder().with_name("openvino")
    return [cache] if path.resolve() == bundled_model_path().resolve() else [path.parent, cache]


def _kept(network: Any, target: Path) -> bool:
    """Write a network, weights first, so that no half of it is ever found. Returns whether it could be."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=".openvino") as folder:
            draft = Path(folder, target.name)
            openvino().save_model(network, draft, compress_to_fp16=False)
            for suffix in (".bin", ".xml"):
                os.replace(draft.with_suffix(suffix), target.with_suffix(suffix))  # noqa: PTH105
    except (OSError, RuntimeError):
        return False
    return True
