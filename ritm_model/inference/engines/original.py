"""The network that an engine runs a changed copy of."""

from __future__ import annotations

import weakref
from pathlib import Path
from threading import Lock

from ritm_model.checkpoints import CheckpointError, load_model, model_version
from ritm_model.networks import InteractiveModel, inference_copy


class Original:
    """A network as it was before an engine changed its copy, for whoever needs its parts. Thread-safe.

    Few need them, and weights take memory: a network with a file is read again when it is asked for, and
    let go of when nobody holds it any more. One without a file is kept.

    Args:
        model: on the device where it is to be, and ready for inference. It is held only if it has no file.
        path: its file, if it has one.
        version: of the weights.
    """

    def __init__(self, model: InteractiveModel, path: Path | None, version: str) -> None:
        self._device = model.device
        self._path = path
        self._version = version
        self._kept = model if path is None else None
        self._held: weakref.ref[InteractiveModel] | None = None
        self._lock = Lock()

    def get(self) -> InteractiveModel:
        """The same network for all who hold it at a time.

        Raises:
            CheckpointError: its file is gone, or has other weights by now.
        """
        with self._lock:
            model = self._kept or (self._held() if self._held else None)
            if model is None:
                model = inference_copy(self._load(), self._device)
                self._held = weakref.ref(model)
            return model

    def _load(self) -> InteractiveModel:
        assert self._path is not None
        model = load_model(self._path)
        if model_version(self._path) != self._version:
            raise CheckpointError(f"{self._path} has other weights than those that run; open it again.")
        return model
