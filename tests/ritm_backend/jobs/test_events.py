"""What Label Studio's events say, however many masks they hold."""

from __future__ import annotations

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from ritm_backend.jobs.events import WITH_MASKS_BYTES, LabelStudioEvent, event_of
from ritm_ops.label_studio.results import Drawing, read_results
from ritm_ops.label_studio.shapes import ShapeError


def told(body: object) -> LabelStudioEvent:
    return event_of(Request(EnvironBuilder(method="POST", json=body).get_environ()))


def brush(number: int, count: int) -> dict[str, object]:
    value = {"format": "rle", "rle": [200] * count, "brushlabels": ["Cell"]}
    size = {"original_width": 8, "original_height": 8}
    return {"id": f"mask-{number}", "type": "brushlabels", "from_name": "b", "value": value, **size}


def drawings(bytes_of_each: int) -> tuple[LabelStudioEvent, tuple[Drawing, ...]]:
    event = told(
        {
            "action": "ANNOTATION_CREATED",
            "annotation": {"result": [brush(number, bytes_of_each) for number in range(3)]},
            "project": {"id": 4, "created_at": "2026-11-22T23:25:55.093213Z"},
        }
    )
    (results,) = event.results
    return event, read_results(results).drawings


@pytest.mark.parametrize("bytes_of_each", [10, WITH_MASKS_BYTES // 6])
def test_the_objects_and_the_project_of_an_event_are_known(bytes_of_each: int) -> None:
    event, found = drawings(bytes_of_each)
    assert (event.action, event.project) == ("ANNOTATION_CREATED", "4.1795389955")
    assert [each.id for each in found] == ["mask-0", "mask-1", "mask-2"]


def test_masks_of_large_events_are_not_kept() -> None:
    few, many = (drawings(count)[1][0] for count in (10, WITH_MASKS_BYTES // 6))
    assert few.shape.value()["rle"] == bytes([200] * 10)
    assert many.shape.value()["rle"] == b""
    with pytest.raises(ShapeError):
        many.mask(8, 8)


def test_what_is_no_event_says_nothing() -> None:
    for body in ([], {"action": 3}, "x", {"action": "A" * 10, "annotation": [None, {"was_cancelled": True}]}):
        assert told(body).results == ()
