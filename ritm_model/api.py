"""Whole runs in one call: measure a model, train one, see which there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from ritm_model.checkpoints import model_version, resolve_model
from ritm_model.checkpoints.locate import known_names
from ritm_model.datasets import DATASETS, Roots, open_collection, open_dataset
from ritm_model.datasets.photograph import Collection
from ritm_model.errors import RitmError
from ritm_model.evaluation import (
    DatasetLike,
    Evaluation,
    EvaluationProtocol,
    PredictorSource,
    protocol_for,
)
from ritm_model.evaluation import evaluate as annotate_all
from ritm_model.evaluation.modes import OpensPredictor
from ritm_model.evaluation.run import OnResult
from ritm_model.inference import Predictor, ReferencePredictor, open_predictor
from ritm_model.inference.opening import chosen_device
from ritm_model.learning.augment import MakeTransforms
from ritm_model.learning.loop.callbacks import Callback
from ritm_model.learning.loop.loop import train as run
from ritm_model.learning.recipes import Recipe, load_recipe, parse_recipe, recipe_yaml
from ritm_model.networks import InteractiveModel

Measured: TypeAlias = str | Path | InteractiveModel | Predictor
"""What is measured: a name, the path of a checkpoint, a network, or a predictor with options of its own."""


def list_models() -> list[str]:
    """Names that `open_predictor` and `load_model` take: "bundled", the released models, your own ones.

    Released ones have to be pulled once: `ritm models pull NAME`.
    """
    return known_names()


def evaluate(
    model: Measured,
    dataset: str | Collection | DatasetLike,
    roots: Roots | None = None,
    *,
    profile: str = "serving",
    max_clicks: int = 20,
    target_iou: float = 0.9,
    from_mask: bool = False,
    device: str = "auto",
    engine: str = "torch",
    jobs: int = 1,
    batch: int = 1,
    folder: str | Path | None = None,
    on_result: OnResult | None = None,
) -> Evaluation:
    """Count the clicks that a model needs, made by a simulated annotator. `summarise` makes tables of it.

    Args:
        model: what answers the clicks.
        dataset: a name that `ritm datasets` lists, LAYOUT:FOLDER such as "labels:photographs", photographs
            with regions as an object, or an object of your own that gives samples; see `DatasetLike`.
        roots: where named data sets lie.
        profile: "serving", as annotators get it; "cvpr" or "fixed<N>", as the paper measured. A predictor
            keeps its own options.
        max_clicks: the annotator gives up after so many, 1 or more.
        target_iou: and is content with this IoU, 0.8 or more; above 1 never.
        from_mask: start from masks with mistakes (IoU 0.75 to 0.85), not from nothing.
        device: "auto", "cpu", "cuda", …
        engine: what runs the network, see `open_predictor`.
        jobs: processes; more than one for models that have a file only.
        batch: for GPUs, in place of processes: samples whose clicks share runs of the network.
        folder: keeps each result, so that the same call goes on where it was interrupted.
        on_result: called after each sample with its result and the number of samples.

    Raises:
        RitmError: no such model or data set, rules that contradict each other, a sample that cannot be used.
    """
    opened = _opened(dataset, roots or {}) if isinstance(dataset, str | Collection) else dataset
    protocol = protocol_for(
        profile, opened.name, max_clicks=max_clicks, target_iou=target_iou, from_mask=from_mask
    )
    version, source, protocol = _source(model, chosen_device(device), engine, protocol)
    if jobs > 1 and not isinstance(source, PredictorSource):
        raise RitmError("Several processes need a model that is a file: save it, or leave jobs at 1.")
    return annotate_all(
        version,
        source,
        opened,
        protocol,
        jobs=jobs,
        batch=batch,
        folder=folder,
        on_result=on_result,
    )


def train(
    recipe: str | Path | Recipe,
    data: str | Path | Collection | Mapping[str, str | Path | Collection],
    out: str | Path,
    *,
    overrides: Sequence[str] = (),
    resume_with: Sequence[str] = (),
    transforms: MakeTransforms | None = None,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train a model by a recipe, going on where a run in the same folder was interrupted.

    Args:
        recipe: a name that `ritm recipes` lists, a YAML file, or a recipe.
        data: folder to learn from, LAYOUT:FOLDER, or photographs with regions as an object; or one of these
            for each data set of the recipe, by its name.
        out: folder of the run.
        overrides: changes of the recipe, such as "batch_size=8".
        resume_with: further ones, that change the run in `out` on purpose; its log says so.
        transforms: augmentation of your own in place of the recipe's.
        callbacks: told of every step and epoch.

    Returns:
        The file of the model, for `open_predictor`.

    Raises:
        RitmError: no such recipe or data, or the loss is no longer finite.
    """
    if isinstance(recipe, Recipe):
        asked = parse_recipe(recipe_yaml(recipe), recipe.name, (*overrides, *resume_with))
    else:
        asked = load_recipe(str(recipe), (*overrides, *resume_with))
    where = data if isinstance(data, Mapping) else {"own": data}
    return run(asked, where, Path(out), transforms=transforms, callbacks=callbacks, resume_with=resume_with)


def _opened(dataset: str | Collection, roots: Roots) -> DatasetLike:
    if isinstance(dataset, Collection):
        return open_collection("own", dataset)
    layout, colon, folder = dataset.partition(":")
    if colon and layout in DATASETS and layout not in roots and Path(folder).expanduser().is_dir():
        name = Path(folder).expanduser().resolve().name
        return open_dataset(name, {name: dataset})
    return open_dataset(dataset, roots)


def _source(
    model: Measured, device: str, engine: str, protocol: EvaluationProtocol
) -> tuple[str, OpensPredictor, EvaluationProtocol]:
    """The version of a model, how to open it, and the rules that it keeps to."""
    if isinstance(model, str | Path):
        path = resolve_model(model)
        return model_version(path), PredictorSource(str(path), device, protocol, engine), protocol
    if isinstance(model, InteractiveModel):
        opened = open_predictor(model, device, protocol.options, engine=engine)
        predictor = ReferencePredictor(opened.engine, opened.options) if protocol.reference else opened
    else:
        predictor = model
        is_reference = isinstance(predictor, ReferencePredictor)
        protocol = replace(protocol, options=predictor.options, reference=is_reference)
    return predictor.engine.name, lambda: predictor, protocol
