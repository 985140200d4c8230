"""What a labeling configuration says about images, brushes and labels.

Three ways to write one are common, and all are understood:

    A  BrushLabels + KeyPointLabels smart + RectangleLabels smart    every control has its own labels
    B  BrushLabels + KeyPoint smart                                  clicks carry no label
    C  Labels + Brush + KeyPoint smart                               one list of labels for all controls

Like the editor, this reads names of tags and attributes without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree as ET

from ritm_backend.label_studio.errors import ConfigError, TaskError

MAX_CONFIG_CHARACTERS = 1_000_000
UPLOAD_KEY = "$undefined$"  # where Label Studio puts an upload made before the project had a configuration

_LABEL_LISTS = ("brushlabels", "keypointlabels", "rectanglelabels", "labels")
_CONTROLS = (*_LABEL_LISTS, "brush", "keypoint", "rectangle")
_VARIABLE = re.compile(r"\$([\w.\[\]]+)")


@dataclass(frozen=True, slots=True)
class ImageTag:
    """An `Image`; `value` names the task's data, as in `$image`, and holds several images if `is_list`."""

    name: str
    value: str
    is_list: bool


@dataclass(frozen=True, slots=True)
class Control:
    """A tool or a list of labels. `kind` is its tag in lower case, which is also the type of its results.

    `labels` is None where the labels come with each task, so that any label must be taken.
    """

    kind: str
    name: str
    to_names: tuple[str, ...]
    labels: tuple[str, ...] | None
    is_smart: bool

    def accepts(self, label: str) -> bool:
        return self.labels is None or label in self.labels


@dataclass(frozen=True, slots=True)
class Brush:
    """Where a mask goes: the brush, and the control whose labels name it (the brush itself, or none)."""

    control: Control
    labels: Control | None

    def label_for(self, wanted: str | None) -> str | None:
        """The wanted label if there is such, else the only one, else None: the annotator has to choose."""
        if self.labels is None:
            return None
        if wanted is not None and self.labels.accepts(wanted):
            return wanted
        known = self.labels.labels
        return known[0] if known is not None and len(known) == 1 else None


@dataclass(frozen=True, slots=True)
class LabelingConfig:
    images: tuple[ImageTag, ...]
    controls: tuple[Control, ...]

    def of_image(self, to_name: str, *kinds: str) -> Iterator[Control]:
        """Controls of the given kinds that work on an image, in the order of the configuration."""
        return (c for c in self.controls if c.kind in kinds and to_name in c.to_names)

    def is_smart(self, from_name: str, to_name: str) -> bool:
        """Whether a point or box of this control asks for a mask.

        All do, except those of a plain tool beside smart ones, which serves another purpose. (Points can
        also come under the name of a list of labels.)
        """
        tools = list(self.of_image(to_name, "keypointlabels", "keypoint", "rectanglelabels", "rectangle"))
        if not any(tool.is_smart for tool in tools):
            return True
        return not any(tool.name == from_name and not tool.is_smart for tool in tools)

    def brush(self, to_name: str, label: str | None, preferred: str | None = None) -> Brush:
        """The brush for masks of this label on this image: one that knows the label, else any.

        Of several it is the one with the preferred name, else the first.

        Raises:
            ConfigError: The image has no brush.
        """
        brushes = [Brush(control, control) for control in self.of_image(to_name, "brushlabels")]
        lists = list(self.of_image(to_name, "labels"))
        for control in self.of_image(to_name, "brush"):
            knowing = [c for c in lists if label is not None and c.accepts(label)]
            brushes.append(Brush(control, next(iter(knowing or lists), None)))
        if not brushes:
            raise ConfigError(
                f"The labeling configuration has no BrushLabels or Brush for the image {to_name[:80]!r}."
            )
        fitting = [b for b in brushes if label is not None and b.label_for(label) == label] or brushes
        return next((b for b in fitting if b.control.name == preferred), fitting[0])

    def image_reference(self, to_name: str, item_index: int | None, data: object) -> str:
        """Where the image is, as the task's data says; `item_index` chooses one of a `valueList`.

        Raises:
            TaskError: No such image.
        """
        tag = next((image for image in self.images if image.name == to_name), None)
        if tag is None:
            raise TaskError(f"The labeling configuration has no Image called {to_name[:80]!r}.")
        found = _resolve(tag.value, data)
        if isinstance(found, list):
            index = item_index or 0
            found = found[index] if 0 <= index < len(found) else None
        if not isinstance(found, str) or not found:
            raise TaskError(f"The task's data holds no image under {tag.value[:80]!r}.")
        return found


def parse_config(xml: str) -> LabelingConfig:
    """Read a labeling configuration. It comes from anybody who can reach the server.

    Raises:
        ConfigError: Not well-formed, too long, or with a document type, which could blow up memory.
    """
    if len(xml) > MAX_CONFIG_CHARACTERS:
        raise ConfigError(f"The labeling configuration is longer than {MAX_CONFIG_CHARACTERS:,} characters.")
    return _parse(xml)


@lru_cache(maxsize=32)
def _parse(xml: str) -> LabelingConfig:
    if "<!DOCTYPE" in xml:  # without a document type there are no entities to expand
        raise ConfigError("The labeling configuration must not have a document type.")
    try:
        root = ET.fromstring(xml)  # noqa: S314  (see the line above)
    except (ET.ParseError, ValueError):
        raise ConfigError("The labeling configuration is not well-formed XML.") from None
    images, controls = [], []
    for element in root.iter():
        kind = str(element.tag).lower()
        attributes = {name.lower(): value for name, value in element.attrib.items()}
        if kind == "image" and "name" in attributes:
            images.append(_image_tag(attributes))
        elif kind in _CONTROLS and "name" in attributes:
            controls.append(_control(kind, attributes, element))
    return LabelingConfig(tuple(images), tuple(controls))


def _image_tag(attributes: dict[str, str]) -> ImageTag:
    several = attributes.get("valuelist")
    return ImageTag(attributes["name"], several or attributes.get("value", ""), bool(several))


def _control(kind: str, attributes: dict[str, str], element: ET.Element) -> Control:
    labels: tuple[str, ...] | None = ()
    if kind in _LABEL_LISTS:
        labels = None if "value" in attributes else tuple(dict.fromkeys(_labels(element)))
    return Control(
        kind=kind,
        name=attributes["name"],
        to_names=tuple(name.strip() for name in attributes.get("toname", "").split(",")),
        labels=labels,
        is_smart="true" in (attributes.get("smart", "").lower(), attributes.get("smartonly", "").lower()),
    )


def _labels(element: ET.Element) -> Iterator[str]:
    for child in element.iter():
        if str(child.tag).lower() == "label":
            attributes = {name.lower(): value for name, value in child.attrib.items()}
            label = attributes.get("alias") or attributes.get("value")
            if label:
                yield label


def _resolve(value: str, data: object) -> object:
    """`$image` gives the data as it is; variables inside a longer text are filled in."""
    whole = _VARIABLE.fullmatch(value)
    if whole:
        found = _look_up(whole[1], data)
        return _look_up(UPLOAD_KEY, data) if found is None else found
    if not _VARIABLE.search(value):
        return value
    parts = {m[0]: _look_up(m[1], data) for m in _VARIABLE.finditer(value)}
    if not all(isinstance(part, str | int) for part in parts.values()):
        return None
    return _VARIABLE.sub(lambda m: str(parts[m[0]]), value)


def _look_up(path: str, data: object) -> object:
    """Follow a path such as `images[0].url`; a key that is written like a path comes first."""
    if isinstance(data, dict) and path in data:
        return data[path]
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and step in map(str, range(len(data))):
            data = data[int(step)]
        else:
            return None
    return data
