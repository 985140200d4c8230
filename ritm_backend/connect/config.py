"""Labeling configurations: the one we recommend, and what an existing one lacks for clicking.

A configuration works when a smart keypoint and a control that can hold the answer, such as a brush, point to
the same image. The keypoint either carries the same labels as that control (`KeyPointLabels`), or none
(`KeyPoint`), or both share a `Labels` list.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import quoteattr

from ritm_backend.label_studio.config import Control, LabelingConfig, parse_config
from ritm_backend.label_studio.errors import ConfigError
from ritm_backend.label_studio.options import Kind
from ritm_model.errors import RitmError
from ritm_ops.label_studio.client import JSON
from ritm_ops.label_studio.images import with_indices

Level = Literal["ok", "advice", "problem"]
Style = Literal["continuous", "labelled"]

KIND_TAGS: dict[Kind, str] = {
    "brush": "Brush",
    "bitmask": "Bitmask",
    "polygon": "Polygon",
    "box": "Rectangle",
    "ellipse": "Ellipse",
}
OUTPUTS = tuple(tag.lower() + labels for tag in KIND_TAGS.values() for labels in ("labels", ""))
KEYPOINTS = ("keypointlabels", "keypoint")
TAGS = {
    (tag + labels).lower(): tag + labels
    for tag in (*KIND_TAGS.values(), "KeyPoint")
    for labels in ("Labels", "")
}

SMART = ' smart="true" smartOnly="true"'  # no second, plain tool that does nothing

# Colours that stay apart for colour-blind annotators too (after Okabe and Ito).
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#999999")


@dataclass(frozen=True)
class Finding:
    """One line of the checklist: how it stands, and what to do about it ("" when nothing)."""

    level: Level
    what: str
    fix: str = ""


def recommended_config(labels: Sequence[str], style: Style | None = None, kind: Kind = "brush") -> str:
    """The labeling configuration (XML) we recommend for regions of a kind by clicking.

    `continuous` has a keypoint without labels: annotators click on and on, and the region gets its label from
    its own control (with several labels they choose it on the finished region). `labelled` has a label list
    for clicking: the label is chosen before each click and the region carries it at once. Without a style,
    one label gives `continuous` and several give `labelled`.

    Raises RitmError when there is no label, an empty one, or one twice.
    """
    labels = [label.strip() for label in labels]
    if not labels or not all(labels):
        raise RitmError("A project needs at least one label, and no label may be empty.")
    if len(set(labels)) != len(labels):
        raise RitmError("Each label may be given only once.")
    if style is None:
        style = "continuous" if len(labels) == 1 else "labelled"
    if style == "continuous":
        clicking = [
            f'  <KeyPoint name="click" toName="image"{SMART} strokeWidth="5"/>',
            f'  <Rectangle name="box" toName="image"{SMART}/>',
        ]
    else:
        clicking = [
            *_label_list("KeyPointLabels", "click", labels, SMART + ' strokeWidth="5"', numbered=True),
            *_label_list("RectangleLabels", "box", labels, SMART),
        ]
    return "\n".join(
        [
            "<View>",
            '  <Image name="image" value="$image" zoom="true"/>',
            *clicking,
            *_label_list(f"{KIND_TAGS[kind]}Labels", "region" if kind == "box" else kind, labels),
            "</View>",
        ]
    )


def _label_list(
    tag: str, name: str, labels: Sequence[str], attributes: str = "", *, numbered: bool = False
) -> Iterator[str]:
    yield f'  <{tag} name="{name}" toName="image"{attributes}>'
    for index, label in enumerate(labels):
        # The COCO export refuses labelled keypoints without an order.
        order = f' model_index="{index}"' if numbered else ""
        yield f'    <Label value={quoteattr(label)} background="{COLOURS[index % len(COLOURS)]}"{order}/>'
    yield f"  </{tag}>"


def check_config(xml: str) -> list[Finding]:
    """What a labeling configuration lacks for clicking; a single `ok` when nothing."""
    try:
        config = parse_config(xml)
    except ConfigError as error:
        return [Finding("problem", str(error), _use_recommended([]))]
    findings = list(_check(config))
    findings += _check_numbers(xml)
    if not any(finding.level == "problem" for finding in findings):
        answers = ", ".join(_shown(control) for control in _outputs(config))
        ready = f"The labeling configuration has a smart keypoint, and for the answers {answers}."
        findings.insert(0, Finding("ok", ready))
    return findings


def _check(config: LabelingConfig) -> Iterator[Finding]:
    outputs = _outputs(config)
    keypoints = [control for control in config.controls if control.kind in KEYPOINTS]
    if not config.images:
        labels = (label for control in config.controls for label in control.labels or ())
        yield Finding(
            "problem",
            "The labeling configuration shows no image.",
            _use_recommended(list(dict.fromkeys(labels))),
        )
        return
    images = {image.name for image in config.images}
    image = config.images[0].name
    for control in (*outputs, *keypoints):
        for target in sorted(set(control.to_names) - images):
            yield Finding(
                "problem",
                f"{_shown(control)} points to {target!r}, which is no image.",
                f'Set toName="{image}" on {_shown(control)}.',
            )
    if not outputs:
        yield Finding(
            "problem",
            "There is no brush, bitmask, polygon, rectangle or ellipse for the answers.",
            f'Add <BrushLabels name="brush" toName="{image}"> with your labels, or another of these kinds.',
        )
    if not any(keypoint.is_smart for keypoint in keypoints):
        yield Finding(
            "problem",
            "There is no smart keypoint to click with.",
            f'Add smart="true" to {_shown(keypoints[0])}.'
            if keypoints
            else f'Add <KeyPoint name="click" toName="{image}" smart="true"/>.',
        )
    if outputs:
        for keypoint in keypoints:
            if keypoint.is_smart:
                yield from _check_pair(keypoint, outputs)


def _outputs(config: LabelingConfig) -> list[Control]:
    """The controls that can hold an answer; smart rectangles and ellipses only if there are no others."""
    found = [control for control in config.controls if control.kind in OUTPUTS]
    holding = [c for c in found if not (c.is_smart and c.kind.startswith(("rectangle", "ellipse")))]
    return holding or found


def _check_pair(keypoint: Control, outputs: Sequence[Control]) -> Iterator[Finding]:
    paired = [output for output in outputs if set(output.to_names) & set(keypoint.to_names)]
    if not paired:
        yield Finding(
            "problem",
            f"{_shown(keypoint)} and {_shown(outputs[0])} point to different images.",
            f'Set toName="{keypoint.to_names[0]}" on {_shown(outputs[0])}.',
        )
        return
    painted = [label for output in paired for label in output.labels or ()]
    if keypoint.kind != "keypointlabels" or keypoint.labels is None or not painted:
        return
    missing = [label for label in keypoint.labels if label not in painted]
    if missing:
        yield Finding(
            "problem",
            f"{_shown(paired[0])} lacks labels of {_shown(keypoint)}: {', '.join(missing)}.",
            "Give both the same labels.",
        )
    unclickable = [label for label in dict.fromkeys(painted) if label not in keypoint.labels]
    if unclickable:
        yield Finding(
            "advice",
            f"These labels can be drawn but not clicked with: {', '.join(unclickable)}.",
            f"Add them to {_shown(keypoint)}.",
        )


def _check_numbers(xml: str) -> Iterator[Finding]:
    """The COCO export of Label Studio refuses keypoint labels without an order."""
    for element in ET.fromstring(xml).iter():  # noqa: S314  (parse_config took it)
        if str(element.tag).lower() != "keypointlabels":
            continue
        labels = [_attributes(label) for label in element.iter() if str(label.tag).lower() == "label"]
        if any("model_index" not in label for label in labels):
            tag = f'<KeyPointLabels name="{_attributes(element).get("name", "")}">'
            yield Finding(
                "advice",
                f"Labels of {tag} have no model_index, so Label Studio refuses the COCO export.",
                f'Add model_index="0", model_index="1", … to the labels of {tag}.',
            )


def _attributes(element: ET.Element) -> dict[str, str]:
    """By lower-case names, as Label Studio's editor reads them."""
    return {name.lower(): value for name, value in element.attrib.items()}


def trial_point(xml: str) -> dict[str, JSON] | None:
    """A positive click in the middle of the image, as Label Studio's editor would send it.

    None where the configuration has no smart keypoint. Raises ConfigError where it cannot be read.
    """
    tools = (control for control in parse_config(xml).controls if control.kind in KEYPOINTS)
    keypoint = next((tool for tool in tools if tool.is_smart), None)
    if keypoint is None:
        return None
    indices = dict.fromkeys(keypoint.flags, "0")  # in a Repeater, its first element
    labels: JSON = list((keypoint.labels or ())[:1])
    value: dict[str, JSON] = {"x": 50.0, "y": 50.0, "width": 0.3, "labels": labels}
    if keypoint.kind == "keypointlabels":
        value["keypointlabels"] = labels
    return {
        "id": "ritm-trial",
        "type": keypoint.kind,
        "from_name": with_indices(keypoint.name, indices),
        "to_name": with_indices(keypoint.to_names[0], indices),
        "image_rotation": 0,
        "is_positive": True,
        "value": value,
    }


def _shown(control: Control) -> str:
    return f'<{TAGS[control.kind]} name="{control.name}">'


def _use_recommended(labels: Sequence[str]) -> str:
    return "Use this labeling configuration instead:\n" + recommended_config(labels or ["Object"])
