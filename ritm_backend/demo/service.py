"""From a prompt of the page to a mask.

The server keeps nothing of the demo but files that were sent, by their digest and bounded in bytes, and
what the annotator remembers anyway. Whatever it has lost, by a restart or because another process got the
request, it asks the page for again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from ritm_backend.demo.masks import mask_of, objects_in, read_values, run_lengths
from ritm_backend.demo.models import BRS_SECONDS, DemoModels
from ritm_backend.demo.prompts import DemoPrompt, MaskFile
from ritm_backend.label_studio.errors import RequestError
from ritm_backend.lru import BytesLru
from ritm_backend.model_host import ModelHost, ModelUnavailableError
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError
from ritm_model.images import decode_image
from ritm_model.inference import Prompt, region_clicks
from ritm_model.inference.state import Prediction, State
from ritm_model.inference.timing import Timings
from ritm_ops.admission import Reader, Resources

_UPLOADS_SHARE = 8  # one part in so many of what `RITM_CACHE_MB` allows, beside it


class FileMissingError(RitmError):
    """A file that the prompt names is not held here; the page sends it along with the same prompt again."""

    def __init__(self, digest: str) -> None:
        super().__init__("The server no longer holds this file; send it again.")
        self.digest = digest


class DemoService:
    """Answers the page. Thread-safe."""

    def __init__(self, host: ModelHost, settings: Settings, resources: Resources) -> None:
        self._resources = resources
        self.models = DemoModels(host, settings)
        self._host = host
        self._settings = settings
        self._files: BytesLru[str, bytes] = BytesLru(settings.cache_mb * 1024 * 1024 // _UPLOADS_SHARE)

    def keep(self, data: bytes) -> str:
        """Keep a file for some time; its digest.

        Raises:
            RequestError: It is larger than images may be.
        """
        if len(data) > self._settings.image_max_bytes:
            raise RequestError(f"The file is larger than {self._settings.image_max_mb:g} MB.")
        digest = sha256(data).hexdigest()
        self._files.setdefault(digest, data, len(data))
        return digest

    def image(self, digest: str, timings: Timings | None = None) -> npt.NDArray[np.uint8]:
        """The pixels of a file: H x W x 3 uint8 RGB, upright.

        Raises ImageError, FileMissingError, and BusyError where there is no memory for it in time.
        """
        return self._decoded(digest, timings or Timings(), decode_image)

    def _decoded(self, digest: str, timings: Timings, read: Reader) -> npt.NDArray[np.uint8]:
        deadline = self._resources.admission.deadline()
        most = self._settings.image_max_pixels
        return self._resources.decode(self._file(digest), most, timings, deadline, read)

    def mask_values(self, digest: str) -> npt.NDArray[np.uint8]:
        """The numbered objects of a file: H x W uint8. Raises as `image` does."""
        return self._decoded(digest, Timings(), read_values)

    def open_image(self, data: bytes, owner: str) -> dict[str, object]:
        """What the page has to know about an image that somebody has opened."""
        digest = self.keep(data)
        try:
            # Held already when the first click comes.
            pixels_HW3 = self._host.annotator().image(_image_key(digest), lambda: self.image(digest), owner)
        except ModelUnavailableError:
            pixels_HW3 = self.image(digest)
        height, width = pixels_HW3.shape[:2]
        return {"id": digest, "width": width, "height": height}

    def open_mask(self, data: bytes) -> dict[str, object]:
        """What the page has to know about a file of masks: its size and the values of its objects."""
        digest = self.keep(data)
        values_HW = self.mask_values(digest)
        height, width = values_HW.shape
        return {"id": digest, "width": width, "height": height, "values": objects_in(values_HW)}

    def segment(
        self, prompt: DemoPrompt, timings: Timings, owner: str, waited_seconds: float = 0
    ) -> Mapping[str, object]:
        """Answer a prompt with a mask: the rectangle it fills, and the runs inside it.

        Args:
            prompt: What the page sent.
            timings: Receives the stages.
            owner: Who asks.
            waited_seconds: How long it has waited for a place.

        Raises:
            FileMissingError: The image or the mask to start from is not held here.
            RequestError: Clicks beside the image, or a model that is not there.
            RitmError: A box, lasso or stroke beside the image, a mask of another size, a damaged file, a
                model that cannot be loaded.
        """
        annotator = self.models.annotator(prompt.options, _session(prompt))
        image_key = _image_key(prompt.image)

        def load_image() -> npt.NDArray[np.uint8]:
            return self.image(prompt.image, timings)

        height, width = annotator.image(image_key, load_image, owner).shape[:2]
        clicks = prompt.all_clicks((height, width))
        if len(clicks) > self._settings.max_clicks:
            raise RequestError(f"An object has at most {self._settings.max_clicks} clicks.")
        region = prompt.region((height, width))
        if region is not None:
            clicks = region_clicks(region, clicks, (height, width), always=True)
        with timings.stage("mask"):
            start_HW = None if prompt.start is None else self._start(prompt.start)
        state = annotator.segment(
            Prompt(image_key, clicks, start_HW, _start_key(prompt.start), region, owner=owner),
            load_image,
            timings,
            waited_seconds=waited_seconds,
        )
        with timings.stage("encode"):
            answer = _answer(state, prompt.threshold)
        return answer | {"model_version": annotator.version, "message": _message(state)}

    def _start(self, start: MaskFile) -> npt.NDArray[np.bool_]:
        return mask_of(self.mask_values(start.file), start.value)

    def _file(self, digest: str) -> bytes:
        data = self._files.get(digest)
        if data is None:
            raise FileMissingError(digest)
        return data


def _image_key(digest: str) -> str:
    return f"demo:{digest}"


def _session(prompt: DemoPrompt) -> str | None:
    """Names the object: its image, what it starts from, and what was drawn or clicked first."""
    first = prompt.box or prompt.lasso or next(iter(prompt.clicks), None)
    return None if first is None else repr((prompt.image, prompt.start, first))


def _start_key(start: MaskFile | None) -> str:
    return "" if start is None else f"{start.file}:{start.value}"


def _message(state: State) -> str:
    """What there is to say about a mask, if anything."""
    adapted = getattr(state, "adapted", None)  # where BRS answers; it is loaded for those who want it
    if adapted is None or not adapted.is_cut_short:
        return ""
    return (
        f"BRS was ended after {BRS_SECONDS:g} seconds; this is the best mask by then. Choose fewer "
        "iterations, or a smaller target size."
    )


def _answer(state: State, threshold: float) -> dict[str, object]:
    """The mask at a threshold, which costs no run of the network."""
    prediction = state.prediction
    if prediction is not None:
        prediction = Prediction.of(prediction.soft, threshold=threshold, object_threshold=threshold)
    if prediction is None or prediction.mask_roi is None:
        return {"left": 0, "top": 0, "width": 0, "height": 0, "runs": "", "score": 0.0}
    roi = prediction.mask_roi
    height, width = roi.size
    return {
        "left": roi.left,
        "top": roi.top,
        "width": width,
        "height": height,
        "runs": base64.b64encode(run_lengths(prediction.mask_inside)).decode(),
        "score": round(prediction.score, 4),
    }
