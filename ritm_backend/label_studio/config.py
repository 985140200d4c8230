"""What a labeling configuration says about images, tools and labels.

Three ways to write one are common, and all are understood:

    A  BrushLabels + KeyPointLabels smart + RectangleLabels smart    every control has its own labels
    B  BrushLabels + KeyPoint smart                                  clicks carry no label
    C  Labels + Brush + KeyPoint smart                               one list of labels for all controls

In the place of the brush there may be a bitmask, polygon, rectangle or ellipse, or several of them; which of
them answers is decided in `outputs.py`.

Like the editor, this reads names of tags and attributes without regard to case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from xml.etree import ElementTree as ET

from ritm_backend.label_studio.errors import ConfigError, TaskError
from ritm_ops.label_studio.images import (
    ConfigXmlError,
    ImageTag,
    NoImageError,
    elements,
    image_tags,
    indices_in,
    parse_xml,
    reference_of,
    with_indices,
)

_TOOLS = ("brush", "bitmask", "polygon", "rectangle", "ellipse", "keypoint")
_LABEL_LISTS = (*(f"{tool}labels" for tool in _TOOLS), "labels")
_CONTROLS = (*_LABEL_LISTS, *_TOOLS)


@dataclass(frozen=True, slots=True)
class Control:
    """A tool or a list of labels. `kind` is its tag in lower case, which is also the type of its results.

    `labels` is None where the labels come with each task, so that any label must be taken. `flags` stand in
    its names for the indices of the Repeaters around it.
    """

    kind: str
    name: str
    to_names: tuple[str, ...]
    labels: tuple[str, ...] | None
    is_smart: bool
    flags: tuple[str, ...] = ()

    def on(self, to_name: str) -> Control | None:
        """The control as it works on this image, or None. In a Repeater, it has the index of the image."""
        for written in self.to_names:
            indices = indices_in(written, to_name, self.flags)
            if indices is not None:
                return replace(self, name=with_indices(self.name, indices), to_names=(to_name,))
        return None

    def accepts(self, label: str) -> bool:
        return self.labels is None or label in self.labels


@dataclass(frozen=True, slots=True)
class LabelingConfig:
    images: tuple[ImageTag, ...]
    controls: tuple[Control, ...]

    def of_image(self, to_name: str, *kinds: str) -> Iterator[Control]:
        """Controls of the given kinds that work on an image, in the order of the configuration."""
        found = (control.on(to_name) for control in self.controls if control.kind in kinds)
        return (control for control in found if control is not None)

    def is_smart(self, from_name: str, to_name: str) -> bool:
        """Whether a point or box of this control asks for a mask.

        All do, except those of a plain tool beside smart ones, which serves another purpose. (Points can
        also come under the name of a list of labels.)
        """
        tools = list(self.of_image(to_name, "keypointlabels", "keypoint", "rectanglelabels", "rectangle"))
        if not any(tool.is_smart for tool in tools):
            return True
        return not any(tool.name == from_name and not tool.is_smart for tool in tools)

    def is_smart_brush(self, from_name: str, to_name: str) -> bool:
        """Whether a mask of this control is a stroke that asks for one: there is a brush that says so.

        Strokes, too, can come under the name of a list of labels.
        """
        brushes = list(self.of_image(to_name, "brushlabels", "brush"))
        is_plain = any(brush.name == from_name and not brush.is_smart for brush in brushes)
        return any(brush.is_smart for brush in brushes) and not is_plain

    def image_reference(self, to_name: str, item_index: int | None, data: object) -> str:
        """Where the image is, as the task's data says; `item_index` chooses one of a `valueList`.

        Raises:
            TaskError: No such image.
        """
        try:
            return reference_of(self.images, to_name, item_index or 0, data)
        except NoImageError as error:
            raise TaskError(str(error)) from None


def parse_config(xml: str) -> LabelingConfig:
    """Read a labeling configuration. It comes from anybody who can reach the server.

    Raises:
        ConfigError: Not well-formed, too long, or with a document type, which could blow up memory.
    """
    try:
        return _parse(xml)
    except ConfigXmlError as error:
        raise ConfigError(str(error)) from None


@lru_cache(maxsize=32)
def _parse(xml: str) -> LabelingConfig:
    root = parse_xml(xml)
    controls = [
        _control(kind, attributes, element, tuple(repeater.flag for repeater in repeaters))
        for kind, attributes, element, repeaters in elements(root)
        if kind in _CONTROLS and "name" in attributes
    ]
    return LabelingConfig(image_tags(root), tuple(controls))


def _control(
    kind: str, attributes: Mapping[str, str], element: ET.Element, flags: tuple[str, ...]
) -> Control:
    labels: tuple[str, ...] | None = ()
    if kind in _LABEL_LISTS:
        labels = None if "value" in attributes else tuple(dict.fromkeys(_labels(element)))
    return Control(
        kind=kind,
        name=attributes["name"],
        to_names=tuple(name.strip() for name in attributes.get("toname", "").split(",")),
        labels=labels,
        is_smart="true" in (attributes.get("smart", "").lower(), attributes.get("smartonly", "").lower()),
        flags=flags,
    )


def _labels(element: ET.Element) -> Iterator[str]:
    for child in element.iter():
        if str(child.tag).lower() == "label":
            attributes = {name.lower(): value for name, value in child.attrib.items()}
            label = attributes.get("alias") or attributes.get("value")
            if label:
                yield label
