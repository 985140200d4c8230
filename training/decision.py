"""Whether a fine-tuned model is published: a pure function of what was measured before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ritm_model.evaluation import Comparison

DECIDING = "NoC@90"


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is a sentence for people."""

    publish: bool
    reason: str


def decide(comparisons: Mapping[str, Comparison], margin: float) -> Decision:
    """Publish only what is better beyond doubt, and nothing that has become worse beyond doubt.

    The mean number of clicks to an IoU of 0.90 must have fallen by more than `margin`, the whole of its 95 %
    interval included. No other measure may have risen with the whole of its interval.

    Args:
        comparisons: clicks after less clicks before on the same held-out objects, by name; DECIDING is one.
        margin: in clicks per object; below 0, by which any measure may become worse.
    """
    deciding = comparisons[DECIDING]
    change = (
        f"{DECIDING} changed by {deciding.difference:+.2f} clicks "
        f"(95 % interval {deciding.interval.low:+.2f} to {deciding.interval.high:+.2f}, "
        f"{deciding.samples} objects)"
    )
    if not deciding.interval.high < -margin:
        wanted = f"fell by {margin:g} clicks or more" if margin else "fell"
        return Decision(False, f"Not published: it is not certain that it {wanted}; {change}.")
    worse = [name for name, found in comparisons.items() if found.interval.low > max(0.0, -margin)]
    if worse:
        return Decision(False, f"Not published: {' and '.join(worse)} became worse; {change}.")
    return Decision(True, f"{change}.")
