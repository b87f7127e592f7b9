"""Whether a generation mix is complete. Each fuel is a list of MW by hour; None is an hour without a value."""

import pytest

from agent.factors.generation import Generation

HOUR = 3_600_000
_ = None


def complete_hours(**fuels):
    generation = Generation()
    for name, hours in fuels.items():
        for hour, power in enumerate(hours):
            if power is not None:
                generation.add(name, hour * HOUR, (hour + 1) * HOUR, power)
    return [hour for start, until, _ in generation.complete_mixes() for hour in range(start // HOUR, until // HOUR)]


SUN = [0, 0, 0, 0, 0, 0, 0.5, 5, 9, 12, 14, 15, 15, 14, 12, 9, 5, 0.5, 0, 0, 0, 0, 0, 0]
NIGHTLESS = [power or None for power in SUN]
DAY = [40] * 24


@pytest.mark.parametrize(
    ("title", "fuels", "complete"),
    [
        ("all fuels in all hours", {"coal": [60, 60, 60], "wind": [40, 40, 40]}, [0, 1, 2]),
        ("the last hours lack what gives most", {"coal": [60, 60, _, _], "wind": [40] * 4}, [0, 1]),
        ("an hour in the middle does", {"coal": [60, _, 60], "wind": [40] * 3}, [0, 2]),
        ("the first hours do: the file begins in the middle", {"coal": [_, _, 60], "wind": [40] * 3}, [2]),
        ("a fuel that is really zero says 0", {"coal": [60, 0, 0], "wind": [40] * 3}, [0, 1, 2]),
        ("zero before and silent after is still zero", {"coal": [0, _, _], "wind": [40] * 3}, [0, 1, 2]),
        ("a clean fuel that is missing makes the hour too dirty", {"nuclear": [60, _, 60], "gas": [9] * 3}, [0, 2]),
        ("a fuel that hardly counts may be missing", {"oil": [1, _, 1], "gas": [99] * 3}, [0, 1, 2]),
        ("many that hardly count may not", {"oil": [1, _], "waste": [1, _], "peat": [1, _], "gas": [99] * 2}, [0]),
        ("hours that are missing altogether are not there", {"coal": [60, _, 60], "wind": [40, _, 40]}, [0, 2]),
        ("nothing was generated, and said so", {"coal": [0, 0], "wind": [0, 0]}, [0, 1]),
        ("solar that is left out at night", {"solar": NIGHTLESS * 2, "wind": DAY * 2}, list(range(48))),
        (
            "solar that is missing from midnight on: its night is complete, its day is not",
            {"solar": [*SUN, *[_] * 24], "wind": DAY * 2},
            # 0.5 of 40.5 MW is 1.2 %, 5 of 45 MW is 11 %: missed from the hour in which it gave 5 MW the day before.
            [*range(31), *range(41, 48)],
        ),
        (
            "a station that was shut down for good is missed for a week",
            {"nuclear": [*[9] * 24, *[_] * 24 * 9], "wind": [40] * 24 * 10},
            [*range(24), *range(24 + 7 * 24 + 1, 240)],
        ),
        (
            "a fuel that is missing for longer in the middle is missed all the time",
            {"coal": [*[60] * 24, *[_] * 24 * 9, 60], "wind": [40] * (24 * 10 + 1)},
            [*range(24), 240],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_which_hours_are_complete(title, fuels, complete):
    assert complete_hours(**fuels) == complete


def test_quarters_and_hours_are_joined_and_values_of_one_fuel_add_up():
    generation = Generation()
    generation.add("wind", 0, HOUR, 40)
    generation.add("coal", 0, HOUR // 4, 10)
    generation.add("coal", HOUR // 4, HOUR, 20)
    generation.add("coal", 0, HOUR, 5)
    assert list(generation.complete_mixes()) == [
        (0, HOUR // 4, {"coal": 15, "wind": 40}),
        (HOUR // 4, HOUR, {"coal": 25, "wind": 40}),
    ]
