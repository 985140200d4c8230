"""Which picture a drawing lies on: never a wrong one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_ops.label_studio.results import Drawing
from ritm_ops.label_studio.shapes import Polygon
from training.exports.tasks.assigning import Tags, assigned


def drawing(to_name: str = "image", item_index: int | None = None, from_name: str = "b") -> Drawing:
    shape = Polygon(((0, 0), (9, 0), (9, 9)))
    return Drawing(f"{to_name}-{item_index}", "polygon", from_name, to_name, item_index, None, None, shape)


def pictures(drawings: list[Drawing], data: object, config: str = "") -> dict[str, str]:
    """The picture of each drawing that has one."""
    found, _ = assigned(drawings, data, Tags.read(config) if config else None)
    return {item.id: reference for reference, items in found.items() for item in items}


PAGES = ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize(
    ("item", "data", "expected"),
    [
        (drawing("image"), {"image": "a.png", "mask": "b.png"}, "a.png"),
        (drawing("image"), {"image": "frame 17", "text": "a.png"}, "frame 17"),
        (drawing("img"), {"image": "a.png", "text": "a cat", "n": 5}, "a.png"),
        (
            drawing("img"),
            {"photo": "s3://b/a", "page": "https://wiki/cat"},
            "s3://b/a",
        ),
        (drawing("img"), {"photo": "https://host/no-suffix?id=4"}, "https://host/no-suffix?id=4"),
        (drawing("img"), {"image": "no suffix at all"}, "no suffix at all"),
        (drawing("img"), {"image": "a.png", "image2": "b.png"}, None),
        (drawing("img"), {"text": "hello"}, None),
        (drawing("img"), [], None),
        (drawing("images", 1), {"images": PAGES}, "b.png"),
        (drawing("img", 2), {"images": PAGES}, "c.png"),
        (drawing("img", 0), {"images": PAGES}, "a.png"),
        (drawing("img"), {"images": PAGES}, None),
        (drawing("img"), {"images": PAGES[:1]}, "a.png"),
        (drawing("img", 3), {"images": PAGES}, None),
        (drawing("img", -1), {"images": PAGES}, None),
        (drawing("image", 1), {"image": "a.png"}, None),
        (drawing("page_2"), {"images": [{"url": page} for page in PAGES]}, "c.png"),
        (drawing("page_3"), {"images": [{"url": page} for page in PAGES]}, None),
        (drawing("img2", 0), {"images": PAGES}, "a.png"),
        (drawing("page_0"), {"images": PAGES, "other": PAGES}, None),
        (drawing("page_0"), {"images": PAGES, "cover": "d.png"}, None),
    ],
)
def test_without_a_configuration(item: Drawing, data: object, expected: str | None) -> None:
    assert pictures([item], data).get(item.id) == expected


CONFIG = """<View><Image name="left" value="$a"/><Image name="right" value="$b"/>
<Image name="many" valueList="$c"/>
<Repeater on="$d" indexFlag="{{idx}}"><Image name="page_{{idx}}" value="$d[{{idx}}].url"/></Repeater>
<BrushLabels name="b" toName="right"/><BrushLabels name="both" toName="left,right"/></View>"""
DATA = {"a": "a.png", "b": "b.png", "c": ["c0.png", "c1.png"], "d": [{"url": "d0.png"}, {"url": "d1.png"}]}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (drawing("left"), "a.png"),
        (drawing("right"), "b.png"),
        (drawing("", from_name="b"), "b.png"),
        (drawing("", from_name="both"), None),
        (drawing("left,right"), None),
        (drawing("many", 1), "c1.png"),
        (drawing("many", 2), None),
        (drawing("page_1"), "d1.png"),
        (drawing("page_2"), None),
        (drawing("a"), None),
    ],
)
def test_with_the_configuration(item: Drawing, expected: str | None) -> None:
    assert pictures([item], DATA, CONFIG).get(item.id) == expected


def test_two_tags_cannot_share_the_only_picture_that_is_recognised() -> None:
    """The other may show a picture that looks like none."""
    assert pictures([drawing("img"), drawing("img2")], {"photo": "a.png", "x": "frame"}) == {}


names = st.sampled_from(["image", "img", "page_0", "page_1", "b", "c"])


@given(
    st.lists(st.builds(drawing, names, st.none() | st.integers(-1, 3)), max_size=4),
    st.dictionaries(names, st.sampled_from(["a.png", "b.jpg", "text", 5, None, PAGES, [{"url": "z.png"}]])),
)
def test_every_drawing_is_assigned_or_has_a_reason(drawings: list[Drawing], data: dict[str, Any]) -> None:
    found, others = assigned(drawings, data, None)
    placed = [item.id for items in found.values() for item in items]
    assert sorted([*placed, *(id for id, _ in others)]) == sorted(item.id for item in drawings)
    for reference, items in found.items():
        for item in items:
            if isinstance(data.get(item.to_name), str):
                assert reference == data[item.to_name]
    assert all(reason.endswith(".") for _, reason in others)
