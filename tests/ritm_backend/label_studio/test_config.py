"""Labeling configurations: the three usual ways to write them, and hostile ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_backend.label_studio.config import parse_config
from ritm_backend.label_studio.errors import ConfigError, TaskError
from ritm_backend.label_studio.outputs import choose_output
from ritm_ops.label_studio.images import MAX_CONFIG_CHARACTERS

ONE_LABEL_B = """<View><Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image"><Label value="Cat"/></BrushLabels>
  <KeyPoint name="kp" toName="image" smart="true"/></View>"""


def test_with_labels_of_its_own_a_brush_names_its_masks(config):
    brush = choose_output(config, "image", "Dog")

    assert (brush.control.kind, brush.control.name) == ("brushlabels", "brush")
    assert brush.label_for("Dog") == "Dog"


def test_a_label_the_brush_does_not_know_is_not_used(config):
    assert choose_output(config, "image", "Fish").label_for("Fish") is None


def test_clicks_without_label_get_the_only_label_but_never_one_of_several(config):
    assert choose_output(parse_config(ONE_LABEL_B), "image", None).label_for(None) == "Cat"
    assert choose_output(config, "image", None).label_for(None) is None


def test_a_separate_list_of_labels_names_the_masks_of_a_plain_brush(recorded):
    brush = choose_output(parse_config(recorded("18")["label_config"]), "image", "Other")

    assert brush.control.kind == "brush"
    assert brush.labels is not None
    assert (brush.labels.kind, brush.labels.name) == ("labels", "lab")
    assert brush.label_for("Other") == "Other"


def test_of_several_brushes_the_one_that_knows_the_label_is_taken():
    config = parse_config(
        """<View><Image name="image" value="$image"/>
        <BrushLabels name="plants" toName="image"><Label value="Tree"/><Label value="Moss"/></BrushLabels>
        <BrushLabels name="animals" toName="image"><Label value="Cat"/><Label value="Dog"/></BrushLabels>
        </View>"""
    )

    assert choose_output(config, "image", "Dog").control.name == "animals"
    assert choose_output(config, "image", "Stone").control.name == "plants"


def test_labels_that_come_with_the_tasks_are_all_accepted():
    config = parse_config(
        '<View><Image name="i" value="$i"/><BrushLabels name="b" toName="i" value="$labels"/></View>'
    )

    assert choose_output(config, "i", "Anything").label_for("Anything") == "Anything"
    assert choose_output(config, "i", None).label_for(None) is None


def test_an_alias_is_what_results_carry():
    config = parse_config(
        '<View><Image name="i" value="$i"/>'
        '<BrushLabels name="b" toName="i"><Label value="A long name" alias="short"/></BrushLabels></View>'
    )

    assert choose_output(config, "i", "short").label_for("short") == "short"


def test_a_configuration_without_brush_says_so():
    with pytest.raises(ConfigError, match="no BrushLabels, BitmaskLabels, .* for the image 'image'"):
        choose_output(parse_config('<View><Image name="image" value="$image"/></View>'), "image", "Cat")


def test_a_brush_works_on_its_own_image_only():
    config = parse_config(
        """<View><Image name="left" value="$l"/><Image name="right" value="$r"/>
        <BrushLabels name="bl" toName="left"><Label value="Cat"/></BrushLabels>
        <BrushLabels name="br" toName="right"><Label value="Cat"/></BrushLabels></View>"""
    )

    assert choose_output(config, "right", "Cat").control.name == "br"
    assert config.image_reference("right", None, {"l": "/a.jpg", "r": "/b.jpg"}) == "/b.jpg"


def test_item_index_chooses_from_a_list_of_images():
    config = parse_config('<View><Image name="i" valueList="$pages"/></View>')
    data = {"pages": ["/1.jpg", "/2.jpg"]}

    assert config.image_reference("i", 1, data) == "/2.jpg"
    assert config.image_reference("i", None, data) == "/1.jpg"
    for beyond in (2, -1):
        with pytest.raises(TaskError, match="no image under '\\$pages'"):
            config.image_reference("i", beyond, data)


REPEATER = """<View><Repeater on="$images" indexFlag="{{idx}}" mode="pagination">
  <Image name="page_{{idx}}" value="$images[{{idx}}].url"/>
  <BrushLabels name="brush_{{idx}}" toName="page_{{idx}}"><Label value="Cat"/></BrushLabels>
  <KeyPointLabels name="click_{{idx}}" toName="page_{{idx}}" smart="true">
    <Label value="Cat"/></KeyPointLabels>
</Repeater></View>"""


def test_pages_of_a_repeater_have_their_own_image_and_controls():
    config = parse_config(REPEATER)
    data = {"images": [{"url": "/0.jpg"}, {"url": "/1.jpg"}]}

    assert config.image_reference("page_1", None, data) == "/1.jpg"
    assert choose_output(config, "page_1", "Cat").control.name == "brush_1"
    assert config.is_smart("click_1", "page_1")
    with pytest.raises(TaskError, match=r"no image under '\$images\[2\]"):
        config.image_reference("page_2", None, data)
    for other in ("page_", "page_x", "page_1x", "brush_1", "page_{{idx}}"):
        with pytest.raises(TaskError):
            config.image_reference(other, None, data)


@given(st.integers(0, 99), st.integers(0, 99), st.sampled_from(["{{idx}}", "#", "(i)", "$n"]))
def test_repeaters_in_repeaters(outer, inner, flag):
    config = parse_config(
        f"""<View><Repeater on="$sheets" indexFlag="{flag}">
        <Repeater on="$x" indexFlag="{{{{j}}}}">
        <Image name="p{flag}-{{{{j}}}}-{flag}" value="/a/{flag}/{{{{j}}}}.png"/>
        </Repeater></Repeater></View>"""
    )

    assert config.image_reference(f"p{outer}-{inner}-{outer}", None, {}) == f"/a/{outer}/{inner}.png"


@pytest.mark.parametrize(
    ("value", "data", "reference"),
    [
        ("$image", {"image": "/data/upload/1/a.jpg"}, "/data/upload/1/a.jpg"),
        ("$image", {"$undefined$": "/data/upload/1/a.jpg"}, "/data/upload/1/a.jpg"),
        ("$meta.photo[1]", {"meta": {"photo": ["a", "b"]}}, "b"),
        ("$meta.photo", {"meta.photo": "flat"}, "flat"),
        ("https://cdn.example/$id/full.jpg", {"id": 7}, "https://cdn.example/7/full.jpg"),
        ("/fixed.jpg", {}, "/fixed.jpg"),
    ],
)
def test_where_the_image_is(value, data, reference):
    config = parse_config(f'<View><Image name="i" value="{value}"/></View>')

    assert config.image_reference("i", None, data) == reference


@pytest.mark.parametrize(
    "data", [None, {}, [], {"image": None}, {"image": 5}, {"image": ""}, {"image": {"a": 1}}]
)
def test_a_task_without_its_image_says_so(config, data):
    with pytest.raises(TaskError, match="no image under"):
        config.image_reference("image", None, data)


def test_tags_and_attributes_are_read_without_regard_to_case():
    config = parse_config('<View><image Name="i" VALUE="$i"/><BRUSHLABELS name="b" toname="i"/></View>')

    assert choose_output(config, "i", None).control.name == "b"
    assert config.image_reference("i", None, {"i": "x"}) == "x"


def test_only_smart_tools_ask_for_masks_unless_none_is_smart(config):
    plain = parse_config(
        '<View><Image name="i" value="$i"/><KeyPointLabels name="joints" toName="i"/></View>'
    )
    both = parse_config(
        '<View><Image name="i" value="$i"/><KeyPointLabels name="joints" toName="i"/>'
        '<KeyPoint name="ask" toName="i" smartOnly="true"/></View>'
    )

    assert config.is_smart("kp", "image")
    assert plain.is_smart("joints", "i")
    assert both.is_smart("ask", "i")
    assert not both.is_smart("joints", "i")


BOMB = """<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><View>&b;</View>"""


@pytest.mark.parametrize(
    ("xml", "sentence"),
    [
        ("", "not well-formed"),
        ("<View>", "not well-formed"),
        ("<View>\ud800</View>", "not well-formed"),
        ("<View>\0</View>", "not well-formed"),
        (BOMB, "document type"),
        ('<!DOCTYPE v SYSTEM "file:///etc/passwd"><View/>', "document type"),
        (" " * (MAX_CONFIG_CHARACTERS + 1), "longer than"),
    ],
)
def test_what_is_no_configuration_is_refused(xml, sentence):
    with pytest.raises(ConfigError, match=sentence):
        parse_config(xml)


def test_deep_nesting_is_harmless():
    depth = 100_000
    config = parse_config("<V>" * depth + "</V>" * depth)

    assert config.images == ()
