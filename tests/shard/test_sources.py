"""Several sources in one shard: nobody judges the silence of a van that it does not listen to."""

import json
import random
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.fleet.modes import OFFLINE, PARKED
from agent.messages import Batch, Message, tick_message
from agent.shard.output import ShardOutput
from agent.shard.shard import Shard
from tests.doubles import make_shard

SECOND_MS = 1000
MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
NOON_MS = 1_790_000_000_000 // DAY_MS * DAY_MS + 12 * 60 * MINUTE_MS

Row = tuple[object, ...]


class Event(NamedTuple):
    """A batch of one source."""

    time_ms: int
    messages: list[Message]
    source: str = ""
    term: int = 0


def telemetry(van: str, time_ms: int, **fields: object) -> Message:
    content = {"time": time_ms, "soc_pct": 60.0, "latitude_deg": 52.0, "longitude_deg": 13.0, **fields}
    return Message(f"vans/{van}/telemetry", json.dumps(content).encode())


def at_50_kmh(van: str, second: int) -> Message:
    km = second * 50 / 3600
    return telemetry(
        van,
        NOON_MS + second * SECOND_MS - SECOND_MS,
        speed_kmh=50.0,
        soc_pct=80 - second / 200,
        odometer_km=1000 + km,
        latitude_deg=52 + km / 111.2,
    )


def tick(time_ms: int, source: str, *, since_ms: int = NOON_MS) -> Event:
    return Event(time_ms, [tick_message(time_ms, since_ms)], source)


def process(events: Sequence[Event], *, shard: Shard | None = None, restore_every: int = 0) -> ShardOutput:
    """Give the events to one shard; restore it from its snapshots after each `restore_every` of them."""
    shard = shard or make_shard()
    out = ShardOutput()
    states: dict[str, bytes] = {}
    offset = 0
    for number, event in enumerate(events, 1):
        batch = Batch(offset, event.time_ms, NOON_MS, event.messages, event.source, event.term)
        offset = batch.end
        shard.process(batch, into=out)
        if restore_every and number % restore_every == 0:
            states |= {key: state for part in shard.snapshot() for key, state in part.items()}
            shard = make_shard(awake_vans=1)
            shard.restore(states.items())
    assert not shard.counters.internal_errors
    return out


def rows_of_vans(out: ShardOutput, *vans: str) -> dict[tuple[str, str], list[Row]]:
    """All rows of these vans, by measurement and van, in the order in which they came."""
    return {
        (name, van): [(row[0].tags(), *row[1:]) for row in rows if row[0].vehicle_id == van]
        for name, rows in out.rows.items()
        for van in vans
    }


def an_hour(source: str, van: str, *, down_s: int = 0) -> list[Event]:
    """A drive of an hour and half an hour of rest. The source is down from the 20th minute on, for `down_s`.

    The broker keeps what the van sends meanwhile, and delivers it when the source is back.
    """
    events: list[Event] = []
    kept: list[Message] = []
    since_ms = NOON_MS
    for second in range(0, 5400, 10):
        now_ms = NOON_MS + second * SECOND_MS
        is_down = 1200 <= second < 1200 + down_s
        if second < 3600:
            kept.append(at_50_kmh(van, second))
        if is_down:
            since_ms = now_ms + 10 * SECOND_MS
            continue
        if kept:
            events.append(Event(now_ms, kept, source))
            kept = []
        events.append(tick(now_ms, source, since_ms=since_ms))
    return events


def merged(*streams: Sequence[Event]) -> list[Event]:
    """The events of all streams by their time."""
    return sorted((event for stream in streams for event in stream), key=lambda event: event.time_ms)


@pytest.mark.parametrize("restore_every", [0, 97])
@pytest.mark.parametrize("down_s", [60, 300, 600, 1200, 1800])
def test_an_outage_of_one_source_does_not_show_in_the_rows_of_any_van(down_s: int, restore_every: int) -> None:
    """East is down while its van drives. Its rows are those without the outage, and so are those of west's van."""
    east, west = "van-east", "van-west"
    undisturbed = merged(an_hour("east", east), an_hour("west", west))
    disturbed = merged(an_hour("east", east, down_s=down_s), an_hour("west", west))
    expected = rows_of_vans(process(undisturbed), east, west)
    assert [len(expected["trip", van]) for van in (east, west)] == [1, 1]
    assert rows_of_vans(process(disturbed, restore_every=restore_every), east, west) == expected


def streams(source: str) -> st.SearchStrategy[list[Event]]:
    """What a source brings: readings of two vans at rest, driving or charging, ticks and pauses."""

    def build(moves: list[tuple[int, int, bool]]) -> list[Event]:
        events: list[Event] = []
        now_ms, km = NOON_MS, 0.0
        for pause_s, kind, ticks in moves:
            now_ms += pause_s * SECOND_MS
            van = f"{source}-{kind % 2}"
            km += pause_s * 40 / 3600 if kind > 1 else 0.0
            message = telemetry(
                van,
                now_ms - 500,
                speed_kmh=40.0 if kind > 1 else 0.0,
                latitude_deg=round(52 + km / 111.195, 6),
                soc_pct=max(5.0, round(80 - km / 5, 1)),
            )
            events.append(Event(now_ms, [message], source))
            if ticks:
                events.append(tick(now_ms, source))
        return [*events, tick(now_ms + 20 * MINUTE_MS, source)]

    move = st.tuples(st.sampled_from([1, 10, 30, 200, 1000, 4000]), st.integers(0, 3), st.booleans())
    return st.lists(move, max_size=40).map(build)


@settings(max_examples=40, deadline=None)
@given(streams("east"), streams("west"), st.randoms(use_true_random=False), st.sampled_from([0, 3]))
def test_a_source_beside_another_one_brings_what_it_brings_alone(
    east: list[Event], west: list[Event], chance: random.Random, restore_every: int
) -> None:
    """However the two are mixed: one may be behind the other by hours."""
    mixed: list[Event] = []
    ways = [list(east), list(west)]
    while any(ways):
        way = chance.choice([way for way in ways if way])
        mixed += [way.pop(0) for _ in range(min(len(way), chance.randint(1, 6)))]
    both = process(mixed, restore_every=restore_every)
    for source, alone in (("east", east), ("west", west)):
        vans = (f"{source}-0", f"{source}-1")
        assert rows_of_vans(both, *vans) == rows_of_vans(process(alone), *vans)


def modes(shard: Shard, *vans: str) -> list[int]:
    return [shard.vans.state(van).motion.mode for van in vans]


def test_vans_of_a_source_that_was_given_up_belong_to_the_one_that_ticks_then() -> None:
    """24 h after its last tick. Their silence counts from that moment, and ends when the source is back."""
    shard = make_shard()
    process([Event(NOON_MS, [telemetry("van-1", NOON_MS)], "east"), tick(NOON_MS, "east")], shard=shard)
    process([tick(NOON_MS + hour * 60 * MINUTE_MS, "west") for hour in range(25)], shard=shard)
    assert modes(shard, "van-1") == [PARKED]
    given_up_ms = NOON_MS + DAY_MS + 10 * SECOND_MS
    offline_ms = shard.vans.wake("van-1").context.thresholds.offline_after_ms  # type: ignore[union-attr]
    process([tick(given_up_ms, "west"), tick(given_up_ms + offline_ms - 1, "west")], shard=shard)
    assert modes(shard, "van-1") == [PARKED]
    states = {key: state for part in shard.snapshot() for key, state in part.items()}
    shard.restore(states.items())
    back_ms = given_up_ms + offline_ms
    process([tick(back_ms, "east", since_ms=back_ms), tick(back_ms + 10 * MINUTE_MS, "west")], shard=shard)
    assert modes(shard, "van-1") == [PARKED], "the source is back, and has just begun to listen"
    process([tick(back_ms + offline_ms, "east", since_ms=back_ms)], shard=shard)
    assert modes(shard, "van-1") == [OFFLINE]


def test_vans_without_a_source_belong_to_the_one_that_ticks_first() -> None:
    """As those of a journal whose states were moved to a log that several agents share."""
    shard = make_shard()
    process([Event(NOON_MS, [telemetry("van-1", NOON_MS)]), tick(NOON_MS, "")], shard=shard)
    offline_ms = shard.vans.wake("van-1").context.thresholds.offline_after_ms  # type: ignore[union-attr]
    first_ms = NOON_MS + 60 * MINUTE_MS
    for source in ("east", "west"):
        process([tick(first_ms, source)], shard=shard)
    process([tick(first_ms + offline_ms, "west")], shard=shard)
    assert modes(shard, "van-1") == [PARKED]
    process([tick(first_ms + offline_ms, "east")], shard=shard)
    assert modes(shard, "van-1") == [OFFLINE]


def test_a_message_without_a_source_moves_no_van() -> None:
    """A replayed dead letter is appended by the agent that processes."""
    shard = make_shard()
    process([Event(NOON_MS, [telemetry("van-1", NOON_MS)], "east"), tick(NOON_MS, "east")], shard=shard)
    process([Event(NOON_MS + SECOND_MS, [telemetry("van-1", NOON_MS + SECOND_MS)])], shard=shard)
    process([tick(NOON_MS + 60 * MINUTE_MS, "west")], shard=shard)
    before = modes(shard, "van-1")
    process([tick(NOON_MS + 60 * MINUTE_MS, "east")], shard=shard)
    assert modes(shard, "van-1") != before


def test_the_minute_of_the_roll_up_is_that_of_the_slowest_source_that_is_heard() -> None:
    """West is three seconds behind, then goes down: after two minutes the roll-up goes on without it."""
    events = [Event(NOON_MS, [telemetry("van-1", NOON_MS)], "east")]
    written: list[tuple[int, int]] = []
    shard = make_shard()
    for second in range(0, 400, 10):
        now_ms = NOON_MS + second * SECOND_MS
        events += [tick(now_ms, "east")]
        if second < 100:
            events.append(tick(now_ms - 3 * SECOND_MS, "west"))
        out = process(events, shard=shard)
        events = []
        written += [(second, (int(str(row[1])) - NOON_MS) // SECOND_MS) for row in out.rows["fleet"]]
    assert written == [(0, 0), (70, 60), (210, 180), (240, 240), (300, 300), (360, 360)]


def test_values_that_wait_to_be_joined_wait_for_their_own_source() -> None:
    """A state of charge and a position of one moment, with an outage of their source between them: one reading."""
    shard = make_shard(dialects=("ovms",))
    topic = "ovms/user/van-1/metric/v"

    def value(name: str, text: bytes) -> Message:
        return Message(f"{topic}/{name}", text)

    first = [value("b/soc", b"60"), value("p/latitude", b"52.0")]
    out = process([Event(NOON_MS, first, "east"), tick(NOON_MS + 60 * SECOND_MS, "west")], shard=shard)
    assert not out.rows["battery"]
    out = process([tick(NOON_MS + 20 * MINUTE_MS, "east")], shard=shard)
    assert [row[1] for row in out.rows["battery"]] == [NOON_MS]


@pytest.mark.parametrize("restore_every", [0, 7])
def test_ticks_of_an_agent_whose_source_was_taken_over_do_not_count(restore_every: int) -> None:
    """It was frozen in the 20th minute, and wakes up again and again. What it says of its listening is out of date."""
    taken_over_ms = NOON_MS + 1200 * SECOND_MS
    events = [event._replace(term=1 + (event.time_ms >= taken_over_ms)) for event in an_hour("east", "van-1")]
    stale = [
        tick(written_ms, "east")._replace(time_ms=read_ms, term=1)
        for read_ms in range(taken_over_ms + 5000, taken_over_ms + 3600_000, 300_000)
        for written_ms in (taken_over_ms - 1000, read_ms, read_ms + 60_000)
    ]
    disturbed = process(merged(events, stale), restore_every=restore_every)
    assert disturbed.rows == process(events, restore_every=restore_every).rows


def test_an_older_term_counts_again_once_the_newer_one_is_down() -> None:
    """The topic with the terms was lost, so they begin again at 1."""
    shard = make_shard()
    process(
        [Event(NOON_MS, [telemetry("van-1", NOON_MS)], "east", 7), tick(NOON_MS, "east")._replace(term=7)], shard=shard
    )
    later_ms = NOON_MS + 60 * MINUTE_MS
    process([tick(later_ms, "east")._replace(term=1)], shard=shard)
    assert modes(shard, "van-1") == [OFFLINE]
