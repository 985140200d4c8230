"""The report that lies beside a published model."""

from __future__ import annotations

from collections.abc import Mapping

from ritm_model.evaluation import Comparison
from training.decision import DECIDING, Decision
from training.measure import Measured


def report_of(
    job: str,
    source: str,
    base: str,
    fingerprint: str,
    counts: Mapping[str, int],
    before: Measured,
    after: Measured,
    comparisons: Mapping[str, Comparison],
    decision: Decision,
) -> dict[str, object]:
    """What was measured and decided, as plain JSON."""
    values = {"before": before.values(), "after": after.values()}
    return {
        "job": job,
        "source": source,
        "fingerprint": fingerprint,
        "base": base,
        "data": dict(counts),
        "metrics": values,
        "noc_before": values["before"][DECIDING],
        "noc_after": values["after"][DECIDING],
        "comparisons": {
            measure: {
                "difference": round(found.difference, 4),
                "low": round(found.interval.low, 4),
                "high": round(found.interval.high, 4),
            }
            for measure, found in comparisons.items()
        },
        "decision": decision.reason,
    }
