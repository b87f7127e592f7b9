"""Recorded drives are read unchanged, put in order and moved to the present."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from agent.journal import Journal
from agent.messages import Message, MessageKind
from simulator.recordings import RecordingError, Thinning, load, timeline
from tests.recorded_drives import DATA, needs_recorded_drives

END_MS = 1_795_368_000_000

needs_twizy = needs_recorded_drives("twizy")
needs_i3 = needs_recorded_drives("i3")

Sent = list[tuple[str, dict[str, Any]]]


def replayed(*names: str, **options: Any) -> Sent:
    recordings = [each for name in names for path in sorted(DATA.glob(name)) for each in load(path)]
    messages = timeline(recordings, end_ms=END_MS, thinning=Thinning(**options))
    return [(topic, json.loads(payload)) for _, (topic, payload) in messages]


def driven_km(sent: Sent, longest_s: float = 2.0) -> float:
    total = 0.0
    for (_, before), (_, after) in itertools.pairwise(sent):
        seconds = (after["time"] - before["time"]) / 1000.0
        if seconds <= longest_s:
            total += after["speed_kmh"] / 3600.0 * seconds
    return total


@needs_twizy
def test_twizy_drives_become_two_vans_within_the_last_week() -> None:
    sent = replayed("twizy/*.csv")
    assert {topic for topic, _ in sent} == {"vans/twizy-t1/telemetry", "vans/twizy-t2/telemetry"}
    times = [payload["time"] for _, payload in sent]
    assert times == sorted(times)
    assert times[-1] == END_MS
    assert END_MS - times[0] < 7 * 86_400_000


@needs_twizy
def test_twizy_times_advance_although_dates_are_corrupt() -> None:
    sent = replayed("twizy/T2_03_29_2021.csv")
    steps = [after["time"] - before["time"] for (_, before), (_, after) in itertools.pairwise(sent)]
    assert set(steps) == {1000, 30_000}
    assert steps.count(1000) == 8520
    assert driven_km(sent) == pytest.approx(58.9, abs=0.3)


@needs_twizy
def test_impossible_positions_are_sent_as_recorded() -> None:
    sent = replayed("twizy/T1_06_30_2021_2.csv")
    assert sum(payload["latitude_deg"] == 0.0 for _, payload in sent) == 4


@needs_twizy
def test_drives_of_one_day_follow_each_other_by_the_clock() -> None:
    """The file called `_2` was recorded in the morning, `_1` in the afternoon."""
    sent = replayed("twizy/T1_06_30_2021_*.csv")
    first = next(payload for _, payload in sent)
    assert first["soc_pct"] == 93.42
    gap_s = max(after["time"] - before["time"] for (_, before), (_, after) in itertools.pairwise(sent)) / 1000
    # 11:17:41 to 13:30:32 less the rests before and after.
    assert gap_s == pytest.approx(2 * 3600 + 12 * 60 + 51 - 120 - 600, abs=2)


@needs_i3
def test_i3_drives_are_one_way_along_a_parallel() -> None:
    sent = replayed("i3/TripA01.csv", "i3/TripB03.csv")
    assert {payload["latitude_deg"] for _, payload in sent} == {48.2}
    for name in ("odometer_km", "longitude_deg", "time"):
        values = [payload[name] for _, payload in sent]
        assert values == sorted(values), name
    odometer = sent[-1][1]["odometer_km"] - sent[0][1]["odometer_km"]
    longitude = sent[-1][1]["longitude_deg"] - sent[0][1]["longitude_deg"]
    assert longitude * 111.195 * 0.66653 == pytest.approx(odometer, rel=0.001)


@needs_i3
def test_all_i3_drives_fit_into_a_week_and_keep_their_distance() -> None:
    sent = replayed("i3/Trip*.csv")
    assert END_MS - sent[0][1]["time"] < 7 * 86_400_000
    assert sent[-1][1]["odometer_km"] - sent[0][1]["odometer_km"] == pytest.approx(476.4, rel=0.005)


@needs_i3
def test_a_van_stands_before_and_after_its_drive() -> None:
    sent = replayed("i3/TripA01.csv")
    assert [payload["speed_kmh"] for _, payload in sent[:4]] == [0.0] * 4
    assert [payload["speed_kmh"] for _, payload in sent[-20:]] == [0.0] * 20
    assert sent[-1][1]["time"] - sent[-21][1]["time"] == 600_000


@needs_i3
@pytest.mark.parametrize("period_s", [5, 30])
def test_thinning_keeps_the_first_and_the_last_row(period_s: int) -> None:
    whole = replayed("i3/TripA05.csv")
    sent = replayed("i3/TripA05.csv", period_s=float(period_s))
    moving = sent[4:-20]
    assert moving[0][1]["soc_pct"] == whole[4][1]["soc_pct"]
    assert moving[-1][1] == whole[-21][1]
    assert len(moving) == pytest.approx(len(whole[4:-20]) / period_s, abs=2)


@needs_i3
def test_hiding_and_rounding() -> None:
    sent = replayed(
        "i3/TripA05.csv", soc_step_pct=0.5, hidden=frozenset({"voltage_v", "current_a", "battery_power_kw"})
    )
    for _, payload in sent:
        assert not {"voltage_v", "current_a", "battery_power_kw"} & payload.keys()
        assert (payload["soc_pct"] * 2.0) % 1.0 == 0.0


@needs_i3
def test_a_row_without_a_state_of_charge_is_a_location() -> None:
    kinds = [topic.rsplit("/", 1)[1] for topic, _ in replayed("i3/TripB13.csv")]
    assert set(kinds) == {"telemetry", "location"}


def test_native_lines(tmp_path: Path) -> None:
    path = tmp_path / "native.jsonl"
    path.write_text(
        '{"vehicle_id":"a","time":1000,"soc_pct":50.0}\n'
        '{"topic":"vans/b/location","payload":{"time":"1970-01-01T00:00:02Z","latitude_deg":1.0,"longitude_deg":2.0}}\n'
        '{"topic":"vans/a/load","payload":[{"time":3000,"parcels":4},{"time":4000,"parcels":3}]}\n'
    )
    messages = timeline(load(path), end_ms=10_000)
    assert [(at, topic) for at, (topic, _) in messages] == [
        (7000, "vans/a/soc"),
        (9000, "vans/a/load"),
        (10_000, "vans/b/location"),
        (10_000, "vans/a/load"),
    ] or [(at, topic) for at, (topic, _) in messages] == [
        (7000, "vans/a/soc"),
        (9000, "vans/a/load"),
        (10_000, "vans/a/load"),
        (10_000, "vans/b/location"),
    ]


def test_journals(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal.open(path, max_bytes=1 << 24)
    journal.append(
        [
            Message("vans/a/soc", b'{"time":1000,"soc_pct":50.0}'),
            Message("", b"", qos=0, kind=MessageKind.TICK),
            Message("vans/a/soc", b"not json"),
            Message("vans/a/soc", b'{"time":2000,"soc_pct":49.0}'),
        ],
        received_ms=5,
        listening_since_ms=0,
    )
    journal.close()
    sent = timeline(load(path), end_ms=9000)
    assert [json.loads(payload) for _, (_, payload) in sent] == [
        {"time": 8000, "soc_pct": 50.0},
        {"time": 9000, "soc_pct": 49.0},
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not a known recording"),
        ("hello\n", "not a known recording"),
        ("{\n", "truncated"),
        ("Date,Time,Soc,Speed\n", "no readings"),
        ("Date,Time,Soc,Speed\n1/2/2021,x,1,2\n", "invalid literal"),
        ("Date,Time,Soc,Speed\n1/2/2021\n", "invalid literal"),
        ("Date,Time,Soc,Speed\n" + "1" * 200_000, "field larger than"),
    ],
)
def test_files_that_are_no_recording(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(RecordingError, match=words) as caught:
        load(path)
    assert str(path) in str(caught.value)
