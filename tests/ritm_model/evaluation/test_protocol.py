"""Rules: where they come from, that they survive a file, and which contradict each other."""

import json
from dataclasses import replace

import pytest

from ritm_model.evaluation import EvaluationProtocol, ModeError, ProtocolError, protocol_for
from ritm_model.evaluation.modes import check_mode
from ritm_model.inference import PredictorOptions, ProgressiveMerge, ZoomIn


def test_cvpr_zooms_in_further_on_davis() -> None:
    assert protocol_for("cvpr", "DAVIS").options.zoom_in == ZoomIn(target_size=600)
    assert protocol_for("cvpr", "GrabCut").options.zoom_in == ZoomIn(target_size=400)
    assert protocol_for("cvpr", "COCO_MVal").options.zoom_in == ZoomIn(target_size=400)


def test_fixed_shows_a_square_from_the_first_click_on() -> None:
    options = protocol_for("fixed448", "DAVIS", net_clicks_limit=8, threshold=0.5).options
    assert options == PredictorOptions(
        zoom_in=ZoomIn(skip_clicks=-1, target_size=(448, 448)),
        net_clicks_limit=8,
        threshold=0.5,
    )


def test_the_mirror_image_is_the_mode_s_choice_or_yours() -> None:
    assert protocol_for("cvpr", "DAVIS").options.with_flip
    assert not protocol_for("cvpr", "DAVIS", with_flip=False).options.with_flip
    assert protocol_for("serving", "DAVIS").options == PredictorOptions.serving()
    assert protocol_for("serving", "DAVIS", with_flip=True).options.with_flip


def test_the_paper_s_defects_are_left_out_where_it_has_no_numbers() -> None:
    assert protocol_for("cvpr", "DAVIS").reference
    assert not protocol_for("cvpr", "DAVIS", from_mask=True).reference


@pytest.mark.parametrize("name", ["cvpr400", "fixed", "fixed0", "fixed-4", ""])
def test_an_unknown_eval_mode_lists_the_known_ones(name: str) -> None:
    with pytest.raises(ProtocolError, match="cvpr, fixed<N> such as fixed448, serving"):
        protocol_for(name, "DAVIS")


def test_refinements_are_the_mode_s_choice_or_yours() -> None:
    assert protocol_for("cvpr", "DAVIS").options.merge is None
    assert protocol_for("cvpr", "DAVIS", refine=["merge"]).options.merge == ProgressiveMerge()
    assert protocol_for("serving", "DAVIS").options.merge == ProgressiveMerge()
    assert protocol_for("serving", "DAVIS", refine=[]).options == replace(
        PredictorOptions.serving(), merge=None
    )
    with pytest.raises(ProtocolError, match="no refinement 'magic'; known ones are merge"):
        protocol_for("serving", "DAVIS", refine=["merge", "magic"])


def test_an_unknown_mode_lists_the_known_ones() -> None:
    with pytest.raises(ModeError, match="no mode 'BRS'; known ones are NoBRS"):
        check_mode("BRS")


@pytest.mark.parametrize("eval_mode", ["cvpr", "fixed128", "serving"])
def test_rules_survive_a_file(eval_mode: str) -> None:
    protocol = protocol_for(eval_mode, "DAVIS", max_clicks=7, from_mask=True)
    assert EvaluationProtocol.from_settings(json.loads(json.dumps(protocol.settings()))) == protocol


def test_no_zoom_in_survives_a_file_too() -> None:
    protocol = EvaluationProtocol(options=PredictorOptions(zoom_in=None))
    assert EvaluationProtocol.from_settings(json.loads(json.dumps(protocol.settings()))) == protocol


def test_refinements_survive_a_file_and_leave_no_trace_when_they_are_off() -> None:
    options = PredictorOptions(
        zoom_in=ZoomIn(min_crop_share=0.4, first_size=256, late_size=480, late_click=3, side_step=32),
        antialias=True,
        merge=ProgressiveMerge(from_click=5),
    )
    protocol = EvaluationProtocol(options=options)
    assert EvaluationProtocol.from_settings(json.loads(json.dumps(protocol.settings()))) == protocol
    assert "merge" not in EvaluationProtocol().settings()
    assert not {"late_size", "late_click", "side_step"} & EvaluationProtocol().settings()["zoom_in"].keys()


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ({"max_clicks": 3, "min_clicks": 4}, "between 1 and 3, not 4"),
        ({"min_clicks": 0}, "between 1 and 20, not 0"),
        ({"target_iou": 0.5}, "at least 0.8, not 0.5"),
        ({"target_iou": float("nan")}, "at least 0.8"),
    ],
)
def test_rules_that_contradict_each_other_are_refused(rules: dict[str, float], sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        EvaluationProtocol(**rules)


def test_from_a_mask_only_targets_that_it_cannot_have_reached_count() -> None:
    assert EvaluationProtocol(target_iou=0.95, from_mask=True).targets == pytest.approx([0.85, 0.90, 0.95])
    assert EvaluationProtocol(target_iou=0.95).targets == pytest.approx([0.80, 0.85, 0.90, 0.95])
