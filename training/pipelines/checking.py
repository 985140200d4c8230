"""What is found wrong with a pipeline before its first job."""

from __future__ import annotations

from ritm_model.errors import RitmError
from ritm_model.learning.recipes import load_recipe
from ritm_ops.pipelines import PipelineError
from training.schedule import check_cron
from training.settings import TrainingSettings


def check_pipeline(settings: TrainingSettings) -> None:
    """Read the recipe and the schedule of a pipeline of a file.

    Raises:
        RitmError: the sentence names the file and the pipeline.
    """
    check_cron(settings)
    try:
        load_recipe(settings.recipe, settings.changes)
    except RitmError as error:
        raise PipelineError(f"{settings.pipelines}: {settings.pipeline}: {error}") from None
    config = settings.labeling_config
    if config is not None and not config.is_file():
        raise PipelineError(f"{settings.pipelines}: {settings.pipeline}: there is no file {config}.")
