"""The worst objects of an evaluation, annotated once more with the clicks that were made.

Nothing is simulated again: the stored clicks are answered by the stored model on the stored image. Where one
of them is gone or has changed, a sentence says so and the report goes without pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ritm_model.catalogue import bundled_model_path, models_folder
from ritm_model.checkpoints import model_version
from ritm_model.datasets import Roots, Sample, find_dataset
from ritm_model.datasets.photograph import load_image
from ritm_model.datasets.samples import read_samples
from ritm_model.errors import RitmError
from ritm_model.evaluation.initial_mask import initial_mask
from ritm_model.evaluation.modes import ClickPredictor, PredictorSource
from ritm_model.evaluation.noc import clicks_to_reach, reaches
from ritm_model.evaluation.report.filmstrip import Viewport, draw_frame, to_webp, view_of
from ritm_model.evaluation.report.runs import Run
from ritm_model.evaluation.results import SampleResult
from ritm_model.evaluation.run import Evaluation
from ritm_model.evaluation.sample import SampleLike
from ritm_model.masks.overlap import iou
from ritm_model.simulation import OBJECT

MOST_FRAMES = 20
SAME_IOU = 0.005
"""Another processor may round differently; a larger difference is told."""

OnStrip = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where models and images are, beyond what the evaluations say themselves.

    Attributes:
        models: files to look at first.
        roots: of data sets, by name; they go before those that were noted.
        device: where to run the network.
    """

    models: tuple[Path, ...] = ()
    roots: Roots = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class ClickFrame:
    """The mask after a click: which click, the IoU that was measured, and the picture as WebP."""

    click: int
    is_positive: bool
    iou: float
    drop: float
    picture: bytes
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Strip:
    """One object.

    Attributes:
        result: what was measured.
        clicks: needed for the target; None if it was never reached.
        frames: pictures, in order.
        note: what is different today, or nothing.
    """

    result: SampleResult
    clicks: int | None
    frames: tuple[ClickFrame, ...]
    note: str


@dataclass(frozen=True, slots=True)
class WorstCases:
    """The worst objects of one evaluation: pictures, or a sentence that says why there are none."""

    label: str
    dataset: str
    target: float
    strips: tuple[Strip, ...]
    note: str


def worst_results(evaluation: Evaluation, target: float, count: int) -> list[SampleResult]:
    """Objects that never reach the target, the lowest last IoU first; then those that take most clicks."""

    def goodness(result: SampleResult) -> tuple[bool, int, float]:
        clicks = clicks_to_reach(result.curve, target, evaluation.protocol.max_clicks)
        is_reached = reaches(result.curve, target)
        return is_reached, -clicks if is_reached else 0, result.ious[-1]

    return sorted(evaluation.samples, key=goodness)[:count]


def worst_cases(
    run: Run, target: float, count: int, sources: Sources, bytes_left: int, on_strip: OnStrip | None = None
) -> WorstCases:
    """Draw the worst objects of a run.

    Args:
        run: the evaluation.
        target: the IoU that ought to be reached.
        count: how many objects.
        sources: where to look for model and images.
        bytes_left: stop before the pictures take more.
        on_strip: called after each object.
    """
    results = worst_results(run.evaluation, target, count)
    label, dataset = run.label, run.evaluation.dataset
    try:
        predictor = _predictor(run, sources)
        samples = _samples(run, {result.name for result in results}, sources)
    except RitmError as error:
        return WorstCases(label, dataset, target, (), f"There are no pictures of the worst objects: {error}")
    strips: list[Strip] = []
    note = ""
    for result in results:
        strip = _strip(predictor, run.evaluation, result, samples.get(result.name), target)
        bytes_left -= sum(len(frame.picture) for frame in strip.frames)
        if bytes_left < 0:
            note = f"The pictures of {len(results) - len(strips)} more would make the report too large."
            break
        strips.append(strip)
        if on_strip is not None:
            on_strip()
    return WorstCases(label, dataset, target, tuple(strips), note)


def _predictor(run: Run, sources: Sources) -> ClickPredictor:
    version, protocol = run.evaluation.model, run.evaluation.protocol
    noted = [Path(run.origin.model)] if run.origin else []
    own = sorted(models_folder().glob("*.safetensors"))
    for path in (*sources.models, *noted, bundled_model_path(), *own):
        if path.is_file() and _is_version(path, version):
            return PredictorSource(str(path), sources.device, protocol)()
    raise RitmError(f"The model {version} is not at hand; name its file with --model.")


def _is_version(path: Path, version: str) -> bool:
    try:
        return model_version(path) == version
    except RitmError:
        return False  # somebody else's broken file


def _samples(run: Run, names: Iterable[str], sources: Sources) -> Mapping[str, Sample]:
    """The samples of those names that are still there, without reading the whole data set."""
    name = run.evaluation.dataset
    own = name.partition(":")[0]
    noted = {own: run.origin.data.place} if run.origin else {}
    place = find_dataset(name, {**noted, **sources.roots})
    if missing := place.missing():
        raise RitmError(f"{name} is not at hand, for {missing[0]} is missing.")
    wanted = set(names)
    found: dict[str, Sample] = {}
    for photograph in place.layout.read(place.root, place.split).photographs:
        own_name = photograph.name
        keys = {
            one[len(own_name) + 1 :] for one in wanted if one == own_name or one.startswith(f"{own_name}#")
        }
        if not keys:
            continue
        try:
            height, width, _ = load_image(photograph).shape
            samples = read_samples(photograph, (height, width), keys)
        except RitmError:
            continue  # its strip says that it is gone
        for sample in samples.values():
            found.setdefault(sample.name, sample)
    return found


def _strip(
    predictor: ClickPredictor,
    evaluation: Evaluation,
    result: SampleResult,
    sample: Sample | None,
    target: float,
) -> Strip:
    needed = clicks_to_reach(result.curve, target, evaluation.protocol.max_clicks)
    clicks = needed if reaches(result.curve, target) else None
    try:
        if sample is None or not _is_same(sample, result):
            raise RitmError("Its image or mask is gone, or has changed since.")
        frames, is_same = click_frames(predictor, sample, result, from_mask=evaluation.protocol.from_mask)
    except RitmError as error:
        return Strip(result, clicks, (), str(error))
    note = "" if is_same else "Annotated again here, the masks differ a little from those measured."
    return Strip(result, clicks, frames, note)


def _is_same(sample: Sample, result: SampleResult) -> bool:
    same_size = sample.mask.shape == (result.height, result.width)
    return same_size and np.count_nonzero(sample.mask == OBJECT) == result.object_pixels


def click_frames(
    predictor: ClickPredictor,
    sample: SampleLike,
    result: SampleResult,
    *,
    from_mask: bool = False,
    most: int = MOST_FRAMES,
    view: Viewport | None = None,
) -> tuple[tuple[ClickFrame, ...], bool]:
    """Answer the clicks of a result once more, and draw the masks.

    Args:
        predictor: of the model that was measured.
        sample: the object.
        result: what was measured of it.
        from_mask: whether it was begun with a mask.
        most: frames; of more clicks, the first, the last and some between are drawn.
        view: part of the image that is shown; by default, the object and the clicks.

    Returns:
        The frames, and whether the masks are those that were measured.

    Raises:
        RitmError: the image cannot be read, or has another size than the mask.
    """
    image_HW3, truth_HW = sample.load_image(), sample.mask
    if image_HW3.shape[:2] != truth_HW.shape:
        raise RitmError("Its image and its mask have different sizes now.")
    view = view or view_of(truth_HW, result.clicks)
    state = predictor.start(image_HW3, mask=initial_mask(truth_HW, sample.name) if from_mask else None)
    shown = _spread(len(result.clicks), most)
    frames: list[ClickFrame] = []
    is_same = True
    before = result.initial_iou or 0.0
    for number, (click, measured) in enumerate(zip(result.clicks, result.ious, strict=True), 1):
        state = predictor.click(state, click)
        is_same &= abs(iou(state.mask, truth_HW) - measured) <= SAME_IOU
        if number in shown:
            picture = to_webp(draw_frame(image_HW3, state.mask, truth_HW, result.clicks[:number], view))
            drop = max(0.0, before - measured)
            frames.append(ClickFrame(number, click.is_positive, measured, drop, picture, view.frame_size))
        before = measured
    return tuple(frames), is_same


def _spread(count: int, most: int) -> Sequence[int]:
    """Up to `most` of the numbers 1 to `count`, the first and the last among them."""
    return sorted(set(np.linspace(1, count, min(count, most)).round().astype(int).tolist()))
