import pytest

from agent.fleet import Thresholds, soc
from agent.fleet.soc_limits import Limits
from agent.fleet.soc_state import SocState

THRESHOLDS = Thresholds()


def resting(minutes: float) -> Limits:
    """A van at rest of which nothing else is known: 4 %/min is the fastest charge, 0.2 %/min all that it may use."""
    return Limits(
        rise_pct=2.0,
        fall_pct=0.2 * minutes + 2.0,
        explained_rise_pct=4.0 * minutes,
        frozen_rise_pct=0.0,
        confirmations=2,
        empty_pct=0.0,
        full_at_once=False,
    )


def feed(values: list[float], *, every_s: float = 30.0) -> tuple[SocState, list[int]]:
    state = SocState()
    verdicts = []
    for i, value in enumerate(values):
        time_ms = int(i * every_s * 1000)
        seen_ms = state.candidate_from_ms if state.candidates else time_ms
        verdicts.append(soc.accept(state, value, time_ms, resting((seen_ms - state.time_ms) / 60_000), THRESHOLDS))
    return state, verdicts


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
        ("a module asleep for hours", [38.0, *[0.0] * 50, 38.0], [soc.JUMPED, *[soc.REJECTED] * 50, soc.SAME]),
        ("100 % of a module asleep", [82.0, *[100.0] * 9, 82.0], [soc.JUMPED, *[soc.REJECTED] * 9, soc.SAME]),
        (
            "two sources by turns",
            [61.0, 74.0, 61.0, 61.0, 74.0, 61.0],
            [soc.JUMPED, soc.REJECTED, soc.SAME, soc.SAME, soc.REJECTED, soc.SAME],
        ),
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


@pytest.mark.parametrize(
    ("title", "every_s", "verdicts"),
    [
        # 12 % of 83 kWh are 10 kWh: 60 kW over ten minutes, 1.2 MW over half a minute.
        ("a charge between two polls has a second witness", 600.0, [soc.JUMPED, soc.REJECTED, soc.CONFIRMED]),
        ("no charger is as fast as this", 30.0, [soc.JUMPED, soc.REJECTED, soc.REJECTED]),
    ],
)
def test_a_rise_at_rest_needs_a_second_sighting(title: str, every_s: float, verdicts: list[int]):
    assert feed([50.0, 62.0, 62.0], every_s=every_s)[1] == verdicts, title


def test_what_vanished_without_energy_comes_back_without_any():
    """74 and 61 for hours each: the fall is no use of energy, and so the rise is no charge."""
    state, verdicts = feed([74.0, *[61.0] * 3, *[74.0] * 3], every_s=600.0)
    assert verdicts == [soc.JUMPED, *[soc.REJECTED] * 2, soc.JUMPED, *[soc.REJECTED] * 2, soc.JUMPED]
    assert state.lost_pct == 0.0
