import pytest

from agent.fleet import Thresholds, soc
from agent.fleet.state import SocState

THRESHOLDS = Thresholds()


def feed(values: list[float], *, every_s: float = 30.0) -> tuple[SocState, list[int]]:
    state = SocState()
    return state, [soc.accept(state, value, int(i * every_s * 1000), THRESHOLDS) for i, value in enumerate(values)]


@pytest.mark.parametrize(
    ("title", "values", "step_pct"),
    [
        ("whole percents", [80.0, 79.0, 78.0], 1.0),
        ("halves", [80.0, 79.5, 79.0], 0.5),
        ("tenths", [80.0, 79.7, 79.5], 0.1),
        ("hundredths", [80.0, 79.97, 79.93], 0.01),
        ("100/255", [100 / 255 * n for n in (200, 199, 198)], 100 / 255),
        ("100/255 shown with one decimal", [round(100 / 255 * n, 1) for n in range(250, 150, -1)], 0.35),
    ],
)
def test_the_step_is_learnt(title: str, values: list[float], step_pct: float):
    state, _ = feed(values)
    assert state.step_pct == pytest.approx(step_pct, abs=0.06 if "decimal" in title else 1e-6), title


@pytest.mark.parametrize(
    ("title", "values", "verdicts"),
    [
        ("zeros at waking up", [60.0, 0.0, 0.0, 60.0], [soc.JUMPED, soc.REJECTED, soc.REJECTED, soc.SAME]),
        ("a zero before anything else", [0.0, 61.0], [soc.REJECTED, soc.JUMPED]),
        ("one wild value", [60.0, 85.0, 60.0], [soc.JUMPED, soc.REJECTED, soc.SAME]),
        ("recalibration", [60.0, 66.0, 66.0, 66.0], [soc.JUMPED, soc.REJECTED, soc.REJECTED, soc.JUMPED]),
        ("one step of 1 %", [60.0, 59.0], [soc.JUMPED, soc.CHANGED]),
        ("a truly empty battery", [2.0, 1.0, 0.0], [soc.JUMPED, soc.CHANGED, soc.CHANGED]),
    ],
)
def test_what_cannot_be_true_is_refused(title: str, values: list[float], verdicts: list[int]):
    assert feed(values)[1] == verdicts, title


def test_a_full_battery_may_be_less_full_than_it_says():
    state, _ = feed([100.0])
    state.step_pct = 0.01
    low, high = soc.interval(state, 0.0)
    assert low == pytest.approx(99.35)
    assert high > 100.0
