"""Several regions of one object, and of several annotators, in a real Label Studio."""

from __future__ import annotations

import json
from typing import Any

from backend import connected
from label_studio_editor import browser_page, is_draft_with_a_mask, log_in, open_task
from label_studio_server import LEGACY_TOKEN, SAMPLES, LabelStudio
from playwright.sync_api import Page
from processes import Server

from ritm_backend.label_studio.config import parse_config
from ritm_backend.label_studio.existing import Existing, ExistingRegions
from ritm_backend.label_studio.prompts import objects_in
from ritm_backend.label_studio.regions import read_regions
from ritm_ops.label_studio.results import read_results

PICTURE = SAMPLES / "coins.jpg"
ON_THE_COIN = (101, 195)
ALSO_ON_IT = (106, 179)
BESIDE_IT = (69, 194)
WIDTH, HEIGHT = 384, 303

CONFIG = """<View><Image name="image" value="$image" zoom="true"/>
  <KeyPoint name="click" toName="image" smart="true"/>
  <PolygonLabels name="polygon" toName="image"><Label value="Coin"/></PolygonLabels>
  <RectangleLabels name="box" toName="image"><Label value="Coin"/></RectangleLabels>
</View>"""


def project_of(
    studio: LabelStudio, backend: Server, title: str, **parameters: str
) -> tuple[int, dict[str, Any]]:
    """A project with these extra parameters of its backend, and its only task."""
    project = studio.call("POST", "/api/projects", json={"title": title, "label_config": CONFIG})["id"]
    task = studio.upload(project, PICTURE)
    connected(studio.url, LEGACY_TOKEN, "--project", title, "--backend", backend.url)
    tell(studio, project, **parameters)
    return project, task


def tell(studio: LabelStudio, project: int, **parameters: str) -> None:
    """Label Studio hands the parameters on when they are saved."""
    (connection,) = studio.call("GET", f"/api/ml?project={project}")
    body = {"project": project, "url": connection["url"], "extra_params": parameters}
    studio.call("PATCH", f"/api/ml/{connection['id']}", json=body)


def keypoint(id: str, x: float, y: float) -> dict[str, Any]:
    value = {"x": 100 * x / WIDTH, "y": 100 * y / HEIGHT, "width": 0.5}
    common = {"from_name": "click", "to_name": "image", "original_width": WIDTH, "original_height": HEIGHT}
    return {"id": id, "type": "keypoint", "is_positive": True, "value": value, **common}


def written(page: Page, studio: LabelStudio, project: int, parameters: str) -> str:
    """Write the parameters into Label Studio's form and save it; returns what stood there."""
    log_in(page, studio)
    page.goto(f"{studio.url}/projects/{project}/settings/ml")
    page.locator("[class*=backend-card] button").last.click()
    page.get_by_text("Edit", exact=True).click()
    field = page.locator("textarea[name=extra_params]")
    field.wait_for()
    stood = field.input_value()
    field.fill(parameters)
    with page.expect_response(lambda response: response.request.method == "PATCH") as saved:
        page.get_by_text("Validate and Save", exact=True).click()
    assert saved.value.ok
    return stood


def asked(studio: LabelStudio, project: int, task: int, *result: dict[str, Any]) -> list[dict[str, Any]]:
    """What Label Studio's server answers a click with, as its editor asks."""
    (connection,) = studio.call("GET", f"/api/ml?project={project}")
    body = {"task": task, "context": {"result": list(result)}}
    answer = studio.call("POST", f"/api/ml/{connection['id']}/interactive-annotating", json=body)
    assert "errors" not in answer, answer
    regions: list[dict[str, Any]] = answer["data"]["result"]
    return regions


def test_parameters_are_heard_from_label_studios_form(studio: LabelStudio, backend: Server) -> None:
    project = studio.call("POST", "/api/projects", json={"title": "Form", "label_config": CONFIG})["id"]
    task = studio.upload(project, PICTURE)
    connected(studio.url, LEGACY_TOKEN, "--project", "Form", "--backend", backend.url, "--refine", "everyone")
    with browser_page() as page:
        stood = written(page, studio, project, '{"also": "box"}')
        again = written(page, studio, project, '{"also": "box", "output": "polygon"}')

    assert (json.loads(stood), json.loads(again)) == ({"refine": "everyone"}, {"also": "box"})
    kinds = {region["type"] for region in asked(studio, project, task["id"], keypoint("k", *ON_THE_COIN))}
    assert kinds == {"polygonlabels", "rectanglelabels"}


def test_a_polygon_and_its_box_are_refined_accepted_and_stored_together(
    studio: LabelStudio, backend: Server
) -> None:
    project, task = project_of(studio, backend, "Both", output="polygon", also="box")
    with browser_page() as page:
        editor = open_task(page, studio, project, task, PICTURE)
        first = editor.click(*ON_THE_COIN)
        made = editor.click(*BESIDE_IT, "Alt")
        editor.accept()
        editor.submit()
    polygon, box = (
        next(r for r in made if r["type"] == f"{name}labels") for name in ("polygon", "rectangle")
    )
    assert {polygon["id"], box["id"]} <= {region["id"] for region in first}
    assert box["parentID"] == polygon["id"]

    (annotation,) = studio.call("GET", f"/api/tasks/{task['id']}/annotations/")
    accepted = {region["id"]: region for region in annotation["result"]}
    assert accepted.keys() == {region["id"] for region in made}
    assert accepted[box["id"]]["parentID"] == polygon["id"]
    assert accepted[box["id"]]["value"]["rectanglelabels"] == ["Coin"]
    exported = studio.call("GET", f"/api/projects/{project}/export?exportType=JSON")
    kinds = [drawing.kind for drawing in read_results(exported[0]["annotations"][0]["result"]).drawings]
    assert sorted(set(kinds)) == ["polygon", "rectangle"]


def test_a_second_annotator_does_not_get_the_mask_of_the_first(studio: LabelStudio, backend: Server) -> None:
    project, task = project_of(studio, backend, "Blind", output="polygon")
    number = task["id"]
    first = asked(studio, project, number, keypoint("a", *ON_THE_COIN), keypoint("b", *ALSO_ON_IT))
    studio.call("POST", f"/api/tasks/{number}/annotations/", json={"result": first, "lead_time": 1.0})

    blind = asked(studio, project, number, keypoint("c", *ON_THE_COIN))
    assert not {region["id"] for region in blind} & {region["id"] for region in first}
    alone = asked(studio, *in_a_new_project(studio, backend, "Alone"), keypoint("c", *ON_THE_COIN))
    assert [region["value"]["points"] for region in blind] == [region["value"]["points"] for region in alone]

    tell(studio, project, output="polygon", refine="everyone")
    (refined, *_) = asked(studio, project, number, keypoint("d", *ON_THE_COIN))
    assert refined["id"] in {region["id"] for region in first}


def in_a_new_project(studio: LabelStudio, backend: Server, title: str) -> tuple[int, int]:
    project, task = project_of(studio, backend, title, output="polygon")
    return project, task["id"]


SQUARES = {"first": (88, 175, 40), "second": (150, 172, 32)}  # around two coins: left, top and side


def square(id: str) -> dict[str, Any]:
    """A polygon of a prediction."""
    left, top, side = SQUARES[id]
    corners = [(left, top), (left + side, top), (left + side, top + side), (left, top + side)]
    return {
        "id": id,
        "type": "polygonlabels",
        "from_name": "polygon",
        "to_name": "image",
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "value": {
            "points": [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in corners],
            "closed": True,
            "polygonlabels": ["Coin"],
        },
    }


def refined_by_a_click(task: dict[str, Any], id: str) -> Existing:
    """What a click in the middle of a square would go on from."""
    left, top, side = SQUARES[id]
    config = parse_config(CONFIG)
    point = read_regions([keypoint("k", left + side / 2, top + side / 2)])
    (prompt,) = objects_in(point, config)
    found = ExistingRegions(1 << 20).choose(task, prompt, (WIDTH, HEIGHT), config, of_everyone=False)
    assert found is not None
    assert found.id == id
    return found


def test_the_editor_says_which_regions_of_a_prediction_nobody_has_touched(
    studio: LabelStudio, backend: Server
) -> None:
    project, task = project_of(studio, backend, "Guessed", output="polygon")
    prediction = {
        "task": task["id"],
        "result": [square(id) for id in SQUARES],
        "model_version": "detector",
        "score": 0.9,
    }
    studio.call("POST", "/api/predictions/", json=prediction)
    studio.call("PATCH", f"/api/projects/{project}", json={"model_version": "detector"})
    route = f"/api/tasks/{task['id']}/"
    assert all(refined_by_a_click(studio.call("GET", route), id).is_guess for id in SQUARES)

    left, top, side = SQUARES["first"]
    with browser_page() as page:
        editor = open_task(page, studio, project, task, PICTURE)
        (refined, *_) = editor.click(left + side // 2, top + side // 2, "Control")
        assert refined["id"] == "first"
        with page.expect_response(is_draft_with_a_mask):
            editor.accept()
    opened = studio.call("GET", route)
    assert len(opened["drafts"]) == 1
    assert not refined_by_a_click(opened, "first").is_guess
    assert refined_by_a_click(opened, "second").is_guess
