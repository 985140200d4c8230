"""Which pictures a task shows: single ones, lists, and pages of Repeaters."""

from __future__ import annotations

import pytest

from ritm_ops.label_studio.images import Picture, image_tags, parse_xml, pictures_of, reference_of

PAGES = """<View><Repeater on="$pages" mode="pagination">
  <Image name="page_{{idx}}" value="$pages[{{idx}}]{of_a_record}"/></Repeater></View>"""
SHEETS = """<View><Repeater on="$sheets" indexFlag="#i"><Repeater on="$sheets[#i].pages" indexFlag="#j">
  <Image name="p#i-#j" value="$sheets[#i].pages[#j]"/></Repeater></Repeater></View>"""


def shown(xml: str, data: object) -> list[Picture]:
    tags = image_tags(parse_xml(xml))
    found = [picture for tag in tags for picture in pictures_of(tag, data)]
    for picture in found:  # as it is found again from a region that names it
        again = reference_of(tags, picture.to_name, picture.item_index or 0, data)
        assert again == picture.reference
    return found


@pytest.mark.parametrize(
    ("of_a_record", "data"),
    [("", ["/0.jpg", "/1.jpg"]), (".url", [{"url": "/0.jpg"}, {"url": "/1.jpg"}])],
)
def test_each_page_of_a_repeater_is_a_picture(of_a_record: str, data: object) -> None:
    found = shown(PAGES.replace("{of_a_record}", of_a_record), {"pages": data})
    assert found == [Picture("page_0", None, "/0.jpg"), Picture("page_1", None, "/1.jpg")]


def test_a_page_without_a_picture_is_left_out() -> None:
    data = {"pages": [{"url": "/0.jpg"}, {"text": "none"}, {"url": "/2.jpg"}]}
    found = shown(PAGES.replace("{of_a_record}", ".url"), data)
    assert [picture.to_name for picture in found] == ["page_0", "page_2"]


def test_repeaters_in_repeaters() -> None:
    data = {"sheets": [{"pages": ["/00.jpg"]}, {"pages": []}, {"pages": ["/20.jpg", "/21.jpg"]}]}
    found = shown(SHEETS, data)
    assert [(picture.to_name, picture.reference) for picture in found] == [
        ("p0-0", "/00.jpg"),
        ("p2-0", "/20.jpg"),
        ("p2-1", "/21.jpg"),
    ]


@pytest.mark.parametrize("data", [None, {}, {"pages": "/0.jpg"}, {"pages": 3}, {"$undefined$": "/0.jpg"}])
def test_a_task_without_such_a_list_has_no_pages(data: object) -> None:
    assert shown(PAGES.replace("{of_a_record}", ""), data) == []


def test_a_repeater_may_repeat_a_fixed_address() -> None:
    """Its list says how often, not the picture."""
    xml = '<View><Repeater on="$n"><Image name="i{{idx}}" value="/all/{{idx}}.jpg"/></Repeater></View>'
    assert [picture.reference for picture in shown(xml, {"n": [1, 2]})] == ["/all/0.jpg", "/all/1.jpg"]
