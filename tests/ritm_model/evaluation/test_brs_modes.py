"""Evaluations in the BRS modes."""

from pathlib import Path

import pytest

from ritm_model.evaluation import MODES, EvaluationProtocol, PredictorSource, annotate
from ritm_model.inference import PredictorOptions, ZoomIn
from ritm_model.inference.brs import BRS_MODES, BRSPredictor

SYNTHETIC = str(Path(__file__).parents[2] / "models/h18s-synthetic.safetensors")
OPTIONS = PredictorOptions(zoom_in=ZoomIn(skip_clicks=-1, target_size=(96, 96)), with_flip=False)


def test_every_mode_of_the_paper_is_known() -> None:
    assert list(MODES) == ["NoBRS", *BRS_MODES]


@pytest.mark.parametrize("mode", BRS_MODES)
def test_a_sample_is_annotated_the_same_way_each_time(mode, few_shapes) -> None:
    protocol = EvaluationProtocol(options=OPTIONS, mode=mode, max_clicks=3, min_clicks=3)
    source = PredictorSource(SYNTHETIC, "cpu", EvaluationProtocol(options=OPTIONS, mode=mode))
    assert isinstance(source(), BRSPredictor)
    first, second = (annotate(source(), few_shapes[0], protocol) for _ in range(2))
    assert len(first.clicks) == 3
    assert (first.clicks, first.ious) == (second.clicks, second.ious)
