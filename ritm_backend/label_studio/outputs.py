"""Which control answers: one that shares the image and the label with the click."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ritm_backend.label_studio.config import Control, LabelingConfig
from ritm_backend.label_studio.errors import ConfigError
from ritm_backend.label_studio.options import KINDS, Kind

_CONTROLS: dict[Kind, tuple[str, str]] = {
    "brush": ("brushlabels", "brush"),
    "bitmask": ("bitmasklabels", "bitmask"),
    "polygon": ("polygonlabels", "polygon"),
    "box": ("rectanglelabels", "rectangle"),
    "ellipse": ("ellipselabels", "ellipse"),
}


@dataclass(frozen=True, slots=True)
class Output:
    """Where a region goes: its control, and the control whose labels name it (the same one, or none)."""

    kind: Kind
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


def outputs_of(config: LabelingConfig, to_name: str, label: str | None) -> Iterator[Output]:
    """The controls that a region on this image can go to, those of one kind in order."""
    lists = list(config.of_image(to_name, "labels"))
    knowing = [control for control in lists if label is not None and control.accepts(label)]
    for kind in KINDS:
        with_labels, without = _CONTROLS[kind]
        for control in config.of_image(to_name, with_labels):
            yield Output(kind, control, control)
        for control in config.of_image(to_name, without):
            yield Output(kind, control, next(iter(knowing or lists), None))


def choose_output(
    config: LabelingConfig,
    to_name: str,
    label: str | None,
    order: Sequence[Kind] = KINDS,
    preferred: str | None = None,
) -> Output:
    """The control for regions of this label on this image: one that knows the label, else any.

    Of several it is the one with the preferred name, else the first of the kind that comes first in `order`.
    A smart rectangle or ellipse asks for masks rather than holding them, so it is taken if there is no other.

    Raises:
        ConfigError: The image has none.
    """
    known = [output for output in outputs_of(config, to_name, label) if output.kind in order]
    if not known:
        names = "BrushLabels, BitmaskLabels, PolygonLabels, RectangleLabels or EllipseLabels"
        raise ConfigError(f"The labeling configuration has no {names} for the image {to_name[:80]!r}.")
    fitting = [each for each in known if label is not None and each.label_for(label) == label] or known
    named = next((each for each in fitting if each.control.name == preferred), None)
    return named or min(fitting, key=lambda each: (_asks(each), order.index(each.kind)))


def choose_outputs(
    config: LabelingConfig,
    to_name: str,
    label: str | None,
    order: Sequence[Kind],
    also: Kind | None,
    preferred: str | None,
) -> tuple[Output, ...]:
    """The control that answers, and the second one that the project asks for, if it has one.

    Raises:
        ConfigError: The image has none.
    """
    first = choose_output(config, to_name, label, order, preferred)
    if also is None or also == first.kind:
        return (first,)
    second = [each for each in outputs_of(config, to_name, label) if each.kind == also]
    fitting = [each for each in second if label is None or each.label_for(label) == label]
    return (first, *sorted(fitting, key=_asks)[:1])


def _asks(output: Output) -> bool:
    return output.kind in ("box", "ellipse") and output.control.is_smart
