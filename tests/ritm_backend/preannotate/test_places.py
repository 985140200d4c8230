"""Which picture of which task a file name means; none rather than the wrong one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ritm_backend.preannotate.places import Matching, Place, places_of
from ritm_ops.label_studio.images import image_tags, parse_xml


def matched(names: list[str], *references: str) -> tuple[dict[str, list[int]], dict[str, str]]:
    """The tasks of each name; tasks are numbered from 1."""
    places = [Place(task, "image", None, reference) for task, reference in enumerate(references, 1)]
    matching = Matching(names, places)
    return (
        {name: [place.task for place in found] for name, found in matching.places.items()},
        matching.problems,
    )


def test_names_as_label_studio_stores_them() -> None:
    found, problems = matched(
        ["cow.jpg", "/home/me/images/My dog.JPG", "12", "deer.png"],
        "/data/upload/3/0a1b2c3d-cow.jpg",
        "/data/upload/3/0a1b2c3d-My_dog.jpg",
        "/data/local-files/?d=set%2F12.png",
        "s3://bucket/wild/deer.png",
        "s3://bucket/wild/elk.png",
    )
    assert found == {"cow.jpg": [1], "/home/me/images/My dog.JPG": [2], "12": [3], "deer.png": [4]}
    assert problems == {}


def test_folders_tell_names_apart() -> None:
    found, problems = matched(
        ["a/1.png", "b/1.png", "2.png"], "s3://x/a/1.png", "s3://x/b/1.png", "s3://x/a/2.png"
    )
    assert found == {"a/1.png": [1], "b/1.png": [2], "2.png": [3]}
    assert problems == {}
    found, problems = matched(["1.png"], "s3://x/a/1.png", "s3://x/b/1.png")
    assert (found, problems) == ({}, {"1.png": "Several images of tasks may be '1.png'."})
    found, problems = matched(["a/1.png", "b/1.png"], "/data/upload/1/00000000-1.png")
    assert found == {}
    assert problems["a/1.png"] == "The image 'a/1.png' may be another one of that name."
    found, problems = matched(["a/1.png", "b/1.png"], "s3://x/b/1.png")  # nothing of a has a task
    assert found == {"b/1.png": [1]}


def test_tasks_may_share_a_picture() -> None:
    assert matched(["1.png"], "s3://x/1.png", "s3://x/1.png")[0] == {"1.png": [1, 2]}
    assert matched(["1.png"], "/data/upload/1/00000000-1.png", "/data/upload/1/11111111-1.png")[0] == {}


def test_what_is_in_no_task_is_named() -> None:
    assert matched(["x.png"], "s3://x/1.png")[1] == {"x.png": "No task has the image 'x.png'."}


def test_the_pictures_of_a_task() -> None:
    tags = image_tags(
        parse_xml(
            '<View><Image name="one" value="$a"/><Image name="many" valueList="$b"/>'
            '<Repeater on="$c"><Image name="p_{{idx}}" value="$c[{{idx}}]"/></Repeater></View>'
        )
    )
    data = {"a": "1.png", "b": ["2.png", "3.png"], "c": ["4.png"]}
    assert list(places_of(5, data, tags)) == [
        Place(5, "one", None, "1.png"),
        Place(5, "many", 0, "2.png"),
        Place(5, "many", 1, "3.png"),
        Place(5, "p_0", None, "4.png"),
    ]
    assert list(places_of(5, None, tags)) == []


NAMES = st.lists(st.sampled_from(["a", "b"]), max_size=2).flatmap(
    lambda folders: st.sampled_from(["1.png", "2.png", "1.jpg", "1"]).map(
        lambda name: "/".join([*folders, name])
    )
)


@given(names=st.lists(NAMES, unique=True, max_size=5), references=st.lists(NAMES, max_size=5))
def test_every_name_has_places_or_a_reason_and_no_place_two_names(
    names: list[str], references: list[str]
) -> None:
    found, problems = matched(names, *(f"s3://x/{reference}" for reference in references))
    assert sorted([*found, *problems]) == sorted(names)
    taken = [task for tasks in found.values() for task in tasks]
    assert len(taken) == len(set(taken))
    for name, tasks in found.items():
        assert len({references[task - 1] for task in tasks}) == 1
        if name in references:
            assert references[tasks[0] - 1] == name
