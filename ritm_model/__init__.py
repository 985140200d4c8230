"""Click-based interactive segmentation after "Reviving Iterative Training with Mask Guidance".

    from ritm_model import Click, open_predictor, read_image

Every name is imported when it is first used, so that `import ritm_model` itself takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ritm_model.api import evaluate, list_models, train
    from ritm_model.checkpoints import (
        Architecture,
        CheckpointError,
        ModelCard,
        TrainingCard,
        load_model,
        save_model,
    )
    from ritm_model.clicks import Click
    from ritm_model.datasets.photograph import About, Collection, Photograph, Region
    from ritm_model.errors import RitmError
    from ritm_model.evaluation import DatasetLike, Evaluation, SampleLike, SampleResult, Summary, summarise
    from ritm_model.images import ImageError, read_image
    from ritm_model.inference import (
        Box,
        Engine,
        Lasso,
        Predictor,
        PredictorOptions,
        ProgressiveMerge,
        PromptError,
        State,
        Stroke,
        TorchEngine,
        ZoomIn,
        open_predictor,
    )
    from ritm_model.inference.timing import Timings
    from ritm_model.learning.loop.callbacks import Callback
    from ritm_model.learning.recipes import Recipe, load_recipe
    from ritm_model.networks import Family, InteractiveModel, register_family

__all__ = [
    "About",
    "Architecture",
    "Box",
    "Callback",
    "CheckpointError",
    "Click",
    "Collection",
    "DatasetLike",
    "Engine",
    "Evaluation",
    "Family",
    "ImageError",
    "InteractiveModel",
    "Lasso",
    "ModelCard",
    "Photograph",
    "Predictor",
    "PredictorOptions",
    "ProgressiveMerge",
    "PromptError",
    "Recipe",
    "Region",
    "RitmError",
    "SampleLike",
    "SampleResult",
    "State",
    "Stroke",
    "Summary",
    "Timings",
    "TorchEngine",
    "TrainingCard",
    "ZoomIn",
    "evaluate",
    "list_models",
    "load_model",
    "load_recipe",
    "open_predictor",
    "read_image",
    "register_family",
    "save_model",
    "summarise",
    "train",
]

_MODULES = {
    "api": ("evaluate", "list_models", "train"),
    "checkpoints": (
        "Architecture",
        "CheckpointError",
        "ModelCard",
        "TrainingCard",
        "load_model",
        "save_model",
    ),
    "clicks": ("Click",),
    "datasets.photograph": ("About", "Collection", "Photograph", "Region"),
    "errors": ("RitmError",),
    "evaluation": ("DatasetLike", "Evaluation", "SampleLike", "SampleResult", "Summary", "summarise"),
    "images": ("ImageError", "read_image"),
    "inference": (
        "Box",
        "Engine",
        "Lasso",
        "Predictor",
        "PredictorOptions",
        "ProgressiveMerge",
        "PromptError",
        "State",
        "Stroke",
        "TorchEngine",
        "ZoomIn",
        "open_predictor",
    ),
    "inference.timing": ("Timings",),
    "learning.loop.callbacks": ("Callback",),
    "learning.recipes": ("Recipe", "load_recipe"),
    "networks": ("Family", "InteractiveModel", "register_family"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


if not TYPE_CHECKING:  # so that type checkers refuse names that are not there

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value  # from now on without this detour
        return value


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
