"""Faults: each does what it says, and none of them costs a good reading."""

from collections import Counter
from functools import cache
from itertools import product
from typing import Any

import msgspec
import pytest

from agent.dialects.native import NativeDialect
from agent.errors import REASONS, Rejected
from agent.messages import Message
from simulator.faults import EXCLUSIVE, NAMES, SYMPTOMS, Faults
from simulator.fleet import Fleet
from simulator.hostile import HOSTILE_PAYLOADS
from simulator.reports import Reading
from simulator.simulation import Plan, Simulation
from tests.cases import Cases

NOW_S = 1_795_368_000


class Sent:
    """Everything that simulated vans sent, decoded by the agent's own decoder."""

    def __init__(self, *faults: str, vans: int = 8, hours: float = 0.4, clock: str = "10:30") -> None:
        self.simulation = Simulation(Plan(vans=vans, seed=6, hours=hours, live_s=NOW_S, faults=faults, clock=clock))
        self.good: list[Reading] = []
        self.rejected: Counter[str] = Counter()
        self.accepted: set[tuple[str, int]] = set()
        self.topics_with_arrays: list[str] = []
        dialect = NativeDialect()
        if self.simulation.faults is not None:
            self._watch(self.simulation.faults)
        for time_s, messages in self.simulation.history():
            self._decode(dialect, time_s, messages)
        self._decode(dialect, NOW_S, self.simulation.last())

    def _watch(self, faults: Faults) -> None:
        """Record each reading that counts as good, with the distortions that it has."""
        before = faults._before

        def noting_before(van: int, reading: Reading) -> list[Reading]:
            self.good.append(reading)
            return before(van, reading)

        faults._before = noting_before  # type: ignore[method-assign]

    def _decode(self, dialect: NativeDialect, time_s: int, messages: list[tuple[str, bytes]]) -> None:
        for topic, payload in messages:
            if payload.startswith(b"[{"):
                self.topics_with_arrays.append(topic)
            try:
                for item in dialect.decode(Message(topic, payload), time_s * 1000):
                    if isinstance(item, Rejected):
                        self.rejected[item.reason] += 1
                    else:
                        self.accepted.add((item.vehicle_id, item.time_ms))
            except Rejected as rejected:
                self.rejected[rejected.reason] += 1


@cache
def sent_with(name: str, hours: float = 0.4, clock: str = "10:30") -> Sent:
    """Simulate once for all tests with the same arguments."""
    return Sent(name, hours=hours, clock=clock)


@pytest.mark.parametrize("name", [*NAMES, "all"])
def test_no_fault_costs_a_good_reading(name: str) -> None:
    sent = sent_with(name)
    faults = sent.simulation.faults
    assert faults is not None
    missing = [each for each in sent.good if (each["vehicle_id"], each["time"]) not in sent.accepted]
    assert missing == []
    assert len(sent.good) > 0
    # Only extra messages were refused.
    assert sum(sent.rejected.values()) <= faults.extras


@pytest.mark.parametrize("name", ["sentinels", "local-time", "teleports", "hostile"])
def test_faults_that_make_dead_letters(name: str) -> None:
    assert sent_with(name).rejected


@pytest.mark.parametrize("name", ["duplicates", "stale", "wake-up-zero", "zero-position", "drift", "power-unit"])
def test_faults_that_make_none(name: str) -> None:
    sent = sent_with(name)
    assert not sent.rejected
    assert sent.simulation.faults is not None


def test_held_back_readings_come_as_arrays() -> None:
    sent = sent_with("late-batches")
    assert sent.topics_with_arrays


def test_a_van_that_is_offline_at_its_depot_says_nothing() -> None:
    sent = sent_with("offline-charge", hours=0.1, clock="05:00")
    assert sent.simulation.faults is not None
    assert sent.simulation.faults.silenced > 0


def test_no_hostile_payload_is_a_reading() -> None:
    dialect = NativeDialect()
    with Cases() as cases:
        for kind, payload in product(("soc", "location", "telemetry"), HOSTILE_PAYLOADS):
            with cases.case(f"{kind} {payload[:60]!r}"):
                try:
                    items: list[Any] = list(dialect.decode(Message(f"vans/van-001/{kind}", payload), NOW_S * 1000))
                except Rejected as rejected:
                    items = [rejected]
                assert items
                assert all(isinstance(item, Rejected) and item.reason in REASONS for item in items)


def test_unknown_faults_are_named() -> None:
    with pytest.raises(ValueError, match="odometer-rest"):
        Faults(["odometer-rest"], Fleet(vans=1, seed=1, start_s=NOW_S))


def test_no_van_has_two_faults_that_exclude_each_other() -> None:
    fleet = Fleet(vans=200, seed=1, start_s=NOW_S)
    struck = Faults(["all"], fleet)._struck
    for group in EXCLUSIVE:
        assert max(sum(van) for van in zip(*(struck[name] for name in group), strict=True)) == 1
    # Each fault has its vans all the same.
    assert all(any(vans) for vans in struck.values())
    assert struck.keys() == set(NAMES)


def test_every_fault_is_described() -> None:
    assert all(len(text) > 20 for text in SYMPTOMS.values())


def readings(**values: Any) -> list[Reading]:
    base = {
        "vehicle_id": "van-001",
        "kind": "telemetry",
        "time": NOW_S * 1000,
        "soc_pct": 55.4,
        "battery_power_kw": -12.0,
        "current_a": -30.0,
        "charging": False,
        "latitude_deg": 48.1,
        "longitude_deg": 11.5,
        "altitude_m": 500.0,
        "speed_kmh": 40.0,
        "odometer_km": 1234.56,
    }
    return [{**base, **values}]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("soc-steps", {"soc_pct": 55.4}, {"soc_pct": 55.0}),
        ("full-early", {"soc_pct": 99.4}, {"soc_pct": 100.0}),
        ("full-early", {"soc_pct": 99.3}, {"soc_pct": 99.3}),
        ("swapped-sign", {}, {"battery_power_kw": 12.0, "current_a": 30.0}),
        ("flag-while-driving", {}, {"charging": True}),
        ("flag-while-driving", {"speed_kmh": 0.0}, {"charging": False}),
        ("odometer-whole", {}, {"odometer_km": 1234.0}),
    ],
)
def test_distortions(name: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    faults = Faults([name], Fleet(vans=1, seed=1, start_s=NOW_S, clock="11:00"))
    (sent,) = faults.apply(readings(**given))
    assert {key: sent[key] for key in expected} == expected


def test_a_fix_is_repeated_for_a_while() -> None:
    faults = Faults(["repeated-fixes"], Fleet(vans=1, seed=1, start_s=NOW_S, clock="11:00"))
    seen = []
    for second in range(0, 40, 5):
        (sent,) = faults.apply(readings(time=(NOW_S + second) * 1000, latitude_deg=48.1 + second * 1e-4))
        seen.append(sent["latitude_deg"])
    assert len(set(seen)) == 3


def test_messages_are_json_or_hostile() -> None:
    simulation = Simulation(Plan(vans=4, seed=6, hours=0.2, live_s=NOW_S, faults=("all",)))
    for _, messages in simulation.history():
        for _, payload in messages:
            if payload not in HOSTILE_PAYLOADS:
                msgspec.json.decode(payload)
