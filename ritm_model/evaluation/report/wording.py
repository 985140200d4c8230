"""What the numbers say, in sentences for people who do not know the field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ritm_model.evaluation.compare import Comparison
from ritm_model.evaluation.protocol import EvaluationProtocol
from ritm_model.evaluation.report.runs import Group, Run, zoom_words
from ritm_model.evaluation.summary import TargetSummary
from ritm_model.inference import PredictorOptions

HEADLINE = 0.9
NO_BREAK = "\N{NO-BREAK SPACE}"
CONFIDENCE = f"95{NO_BREAK}% confidence"


def headline_target(protocol: EvaluationProtocol) -> float:
    """The target that the sentences and charts speak of: 90 %, or what is closest to it."""
    return min(protocol.targets, key=lambda target: abs(target - HEADLINE))


def headline(run: Run) -> TargetSummary:
    """The numbers for that target."""
    target = headline_target(run.evaluation.protocol)
    return next(row for row in run.summary.targets if row.target == target)


def percent(share: float) -> str:
    """0.9000000000000001 becomes "90 %", which no line end can split."""
    return f"{round(100 * share, 3):g}{NO_BREAK}%"


def duration(seconds: float) -> str:
    """In milliseconds below a second."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def counted(count: int, what: str, plural: str = "") -> str:
    """ "1 click", "2 clicks"."""
    return f"{count:,} {what if count == 1 else plural or what + 's'}"


def opening(groups: Sequence[Group]) -> str:
    """What was done."""
    runs = [run for group in groups for run in group.runs]
    models = list(dict.fromkeys(run.evaluation.model for run in runs))
    sizes = {run.evaluation.dataset: run.summary.samples for run in runs}
    data = _listed([f"{counted(size, 'object')} of {name}" for name, size in sizes.items()])
    protocol = runs[0].evaluation.protocol
    who = models[0] if len(models) == 1 else counted(len(models), "model")
    limit = counted(protocol.max_clicks, "click")
    until = (
        f"until {limit} were used"
        if protocol.target_iou > 1
        else f"until the mask agreed with the truth to {percent(protocol.target_iou)} or {limit} were used"
    )
    return (
        f"A simulated annotator marked {data} with {who}, clicking each time on the largest mistake, {until}."
    )


def verdicts(group: Group) -> list[str]:
    """What came out, one sentence a run, and one for each comparison."""
    sentences = [_verdict(run, run.label if len(group.runs) > 1 else "The model") for run in group.runs]
    for label, compared in group.comparisons.items():
        target = headline_target(group.runs[0].evaluation.protocol)
        sentences.append(comparison_sentence(group.runs[0].label, label, compared[target]))
    return sentences


def _verdict(run: Run, who: str) -> str:
    row, limit = headline(run), run.evaluation.protocol.max_clicks
    objects = counted(run.summary.samples, "object")
    if row.failures == run.summary.samples:
        clicks = counted(limit, "click")
        return f"{who} never reached {percent(row.target)} within {clicks}, on any of {objects}."
    never = (
        f"{row.failures:,} of {objects} never got there and count as {limit}"
        if row.failures
        else "every object got there"
    )
    return (
        f"{who} needed {row.noc:.2f} clicks per object on average to reach {percent(row.target)} "
        f"({CONFIDENCE}: {row.interval.low:.2f} to {row.interval.high:.2f}); {never}."
    )


def comparison_sentence(first: str, second: str, found: Comparison) -> str:
    """Whether the second needs fewer clicks than the first."""
    counts = f"better on {found.wins:,}, worse on {found.losses:,}, equal on {found.ties:,}"
    if not found.is_clear:
        return f"There is no clear difference between {second} and {first} ({counts})."
    size, low, high = abs(found.difference), *sorted((abs(found.interval.low), abs(found.interval.high)))
    kind = "fewer" if found.difference < 0 else "more"
    return (
        f"{second} needs {size:.2f} clicks {kind} per object than {first} "
        f"({CONFIDENCE}: {low:.2f} to {high:.2f}; {counts})."
    )


def rules(protocol: EvaluationProtocol) -> list[tuple[str, str]]:
    """The rules of an evaluation, line by line."""
    options = protocol.options
    zoom_in = protocol.settings()["zoom_in"]
    stop = "never" if protocol.target_iou > 1 else f"at an IoU of {percent(protocol.target_iou)}"
    start = f"from a mask with mistakes (IoU 75 to 85{NO_BREAK}%)" if protocol.from_mask else "from nothing"
    limit = "all" if options.net_clicks_limit is None else f"the first {options.net_clicks_limit}"
    return [
        ("Settings", _profile(protocol)),
        ("Start", start),
        ("Content", f"{stop}, after {counted(protocol.min_clicks, 'click')} at least"),
        ("Gives up", f"after {counted(protocol.max_clicks, 'click')}"),
        ("Mode", protocol.mode),
        ("Mirror image", "averaged with it (flip)" if options.with_flip else "not used (no flip)"),
        ("Zoom-in", zoom_words(zoom_in)),
        ("Threshold", f"{options.threshold:g}"),
        ("Clicks seen", f"{limit} by the network"),
    ]


def _profile(protocol: EvaluationProtocol) -> str:
    options = protocol.options
    if protocol.reference:
        is_fixed = options.zoom_in is not None and isinstance(options.zoom_in.target_size, tuple)
        return "as published (fixed size)" if is_fixed else "as published (cvpr)"
    serving = PredictorOptions.serving().zoom_in
    assert serving is not None
    shown = options.zoom_in and replace(  # in the sizes that suit any network
        options.zoom_in,
        target_size=serving.target_size,
        first_size=serving.first_size,
        late_size=serving.late_size,
        late_click=serving.late_click,
        side_step=serving.side_step,
    )
    return "as annotators get it (serving)" if shown == serving else "own"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
