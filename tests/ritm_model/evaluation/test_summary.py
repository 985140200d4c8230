"""What is said about an evaluation follows from its curves."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.evaluation import (
    Evaluation,
    EvaluationProtocol,
    SampleResult,
    compare_evaluations,
    summarise,
)
from ritm_model.evaluation.report.tables import (
    comparison_table,
    group_table,
    iou_table,
    noc_table,
    trouble_table,
)
from ritm_model.evaluation.summary import size_of

PROTOCOL = EvaluationProtocol(max_clicks=4, target_iou=0.9)


def result(index: int, *ious: float, category: str = "", pixels: int = 5000) -> SampleResult:
    return SampleResult(
        index=index,
        name=f"{index}.jpg",
        category=category,
        height=100,
        width=100,
        object_pixels=pixels,
        clicks=tuple(Click(i, i) for i in range(len(ious))),
        ious=tuple(float(np.float32(value)) for value in ious),
        boundary_ious=tuple(value / 2 for value in ious),
        click_seconds=tuple(0.1 * (i + 1) for i in range(len(ious))),
        seconds=float(len(ious)),
    )


def evaluation(*samples: SampleResult, model: str = "first") -> Evaluation:
    return Evaluation(model, "photos", PROTOCOL, samples)


FIRST = evaluation(
    result(0, 0.5, 0.9, category="cat", pixels=1023),
    result(1, 0.7, 0.6, 0.7, 0.95, category="dog", pixels=1024),
    result(2, 0.1, 0.2, 0.2, 0.3, category="cat", pixels=9216),
)
SECOND = evaluation(result(0, 0.92), result(1, 0.95), result(2, 0.1, 0.2, 0.2, 0.3), model="second")


def test_the_numbers_are_those_of_the_curves() -> None:
    summary = summarise(FIRST)
    eighty, _, ninety = summary.targets

    assert (summary.samples, summary.clicks) == (3, 10)
    assert ninety.noc == pytest.approx((2 + 4 + 4) / 3)
    assert (ninety.at_limit, ninety.failures) == (2, 1)
    assert ninety.interval.low <= ninety.noc <= ninety.interval.high
    assert eighty.target == 0.8
    assert summary.iou_after == pytest.approx({1: 1.3 / 3, 2: 1.7 / 3, 3: 1.8 / 3})
    assert summary.boundary_iou_after[2] == pytest.approx(1.7 / 6)
    assert summary.initial_iou is None
    assert (summary.stability.clicks, summary.stability.lowering) == (7, 1)
    assert summary.stability.mean_drop == pytest.approx(0.1)


def test_time_is_that_of_all_clicks() -> None:
    seconds = summarise(FIRST).seconds
    assert seconds.per_click == pytest.approx(1)
    assert seconds.per_sample == pytest.approx(10 / 3)
    assert 0.1 <= seconds.click_p50 < seconds.click_p95 <= 0.4


def test_groups_add_up() -> None:
    summary = summarise(FIRST)
    assert [(one.group, one.samples) for one in summary.by_category] == [("cat", 2), ("dog", 1)]
    assert [one.noc[-1] for one in summary.by_category] == [3, 4]
    assert [one.failures[-1] for one in summary.by_category] == [1, 0]
    assert [(one.group, one.samples) for one in summary.by_size] == [
        ("small", 1),
        ("medium", 1),
        ("large", 1),
    ]


@pytest.mark.parametrize(
    ("pixels", "size"), [(1023, "small"), (1024, "medium"), (9215, "medium"), (9216, "large")]
)
def test_sizes_are_those_of_coco(pixels: int, size: str) -> None:
    assert size_of(pixels) == size


def test_a_data_set_without_classes_has_no_table_of_them() -> None:
    assert summarise(SECOND).by_category == ()


def test_the_first_click_after_a_given_mask_can_lower_its_iou() -> None:
    worse = replace(result(0, 0.7, 0.9), initial_iou=0.8)
    summary = summarise(evaluation(worse))
    assert summary.initial_iou == pytest.approx(0.8)
    assert (summary.stability.clicks, summary.stability.lowering) == (2, 1)


def test_models_are_compared_sample_by_sample() -> None:
    found = compare_evaluations(FIRST, SECOND)[PROTOCOL.targets[-1]]
    assert (found.wins, found.losses, found.ties) == (2, 0, 1)
    assert found.difference == pytest.approx(-4 / 3)


def test_what_cannot_be_compared_is_named() -> None:
    with pytest.raises(RitmError, match="first and second were not evaluated on the same samples"):
        compare_evaluations(FIRST, replace(SECOND, samples=SECOND.samples[:2]))
    other_rules = replace(SECOND, protocol=replace(PROTOCOL, max_clicks=9))
    with pytest.raises(RitmError, match="counted by different rules"):
        compare_evaluations(FIRST, other_rules)


def test_nothing_annotated_is_named() -> None:
    with pytest.raises(RitmError, match="No sample of photos"):
        summarise(evaluation())


def test_a_summary_is_json() -> None:
    row = json.loads(json.dumps(summarise(FIRST).to_json()))
    assert row["targets"][2]["at_limit"] == 2
    assert row["by_size"][0]["group"] == "small"


def test_tables_are_aligned_and_say_what_is_not_known() -> None:
    stopped_early = replace(SECOND, protocol=replace(PROTOCOL, target_iou=0.85))
    results = [(FIRST, summarise(FIRST)), (stopped_early, summarise(stopped_early))]

    table = noc_table(results)

    header, first, second = table.splitlines()
    assert header.split() == ["MODEL", "DATA", "N", "NoC@80", "NoC@85", "NoC@90"]
    assert first[header.index("NoC@90") :].startswith("3.33 (")
    assert second[header.index("NoC@90") :] == "?"
    assert trouble_table(results).splitlines()[1].split()[2:8] == ["2", "2", "2", "1", "1", "1"]
    assert "0.433 / 0.217" in iou_table(results).splitlines()[1]
    assert "cat" in group_table(PROTOCOL, summarise(FIRST).by_category, "CLASS")
    assert "no clear difference" in comparison_table(compare_evaluations(FIRST, SECOND))
