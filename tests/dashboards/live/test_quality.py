"""The figures of the data quality page: a count of 0 is shown as 0, an unknown one as unknown."""

import pytest

from dashboards.live.agent_metrics import Metrics
from dashboards.live.pages.quality import counters

STORED = {"accepted_total": 90.0, "late_total": 7.0, "duplicates_total": 5.0, "dead_letters_total": 3.0}


def said(**values: float) -> Metrics:
    """The text of `/metrics`, by the part of the name that differs."""
    return Metrics(0.0, {f"vanpulse_{name}_total": {(): value} for name, value in values.items()})


@pytest.mark.parametrize(
    ("metrics", "stored", "expected"),
    [
        pytest.param(said(readings_late=0.0), {}, {"late_total": 0.0}, id="0 is a count, also before the first minute"),
        pytest.param(said(readings_late=0.0), STORED, {"late_total": 0.0}, id="0 now, not what an earlier agent said"),
        pytest.param(said(readings_late=2.0), STORED, {"late_total": 2.0}, id="now goes before the last minute"),
        pytest.param(said(), STORED, {"late_total": 7.0}, id="not said: the last minute"),
        pytest.param(said(), {}, {"late_total": None, "duplicates_total": None}, id="nobody knows"),
        pytest.param(said(), STORED, {"dead_letters_total": 0.0}, id="no reason has a sample: nothing was rejected"),
        pytest.param(None, STORED, {**STORED, "sessions_lost_total": None}, id="the agent does not answer"),
    ],
)
def test_what_the_agent_counts(
    metrics: Metrics | None, stored: dict[str, float], expected: dict[str, float | None]
) -> None:
    counts = counters(metrics, stored)
    assert {field: counts[field] for field in expected} == expected
