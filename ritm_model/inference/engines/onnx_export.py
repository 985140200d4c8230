"""ONNX: a network as a file that other programs run."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from ritm_model.files import write_file, writing
from ritm_model.inference.engines.graph import EngineError, Graph
from ritm_model.networks import InteractiveModel, inference_copy

OPSET = 18
INPUTS, OUTPUT = ("image", "points"), "logits"


def export_onnx(model: InteractiveModel, path: str | Path, version: str = "unnamed") -> None:
    """Write a network for every size of image and any number of clicks. Takes up to a minute.

    The file's inputs are those of `Engine.run`: `image`, float32 B x C x H x W in [0, 1] with the previous
    mask as fourth channel where there is one, and `points`, float32 B x P x 3. `logits` are B x 1 x H x W.

    Args:
        model: is left as it is.
        path: what to write.
        version: of the weights, written into the file.

    Raises:
        EngineError: the extra `onnx` is not installed, or the file cannot be written.
    """
    path = Path(path)
    try:
        import onnx
        import onnxscript  # noqa: F401  (torch needs it)
    except ImportError:
        raise EngineError("Exporting needs more packages; `pip install 'ritm[onnx]'` adds them.") from None

    graph = Graph(inference_copy(model)).eval()
    sizes = ({0: "B", 2: "H", 3: "W"}, {0: "B", 1: "P"})
    with _silence():
        program = torch.onnx.export(
            graph,
            graph.example(),
            dynamo=True,
            dynamic_shapes=sizes,
            input_names=INPUTS,
            output_names=[OUTPUT],
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    written = program.model_proto
    written.graph.name = version
    onnx.helper.set_model_props(written, {"version": version, "family": model.family})
    with writing(path, EngineError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, written.SerializeToString())


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The exporter talks a lot about what it does."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
