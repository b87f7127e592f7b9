"""The shard: what batches become when clocks are set, letters are replayed and the agent restarts."""

import json
from collections.abc import Callable, Sequence

import pytest

from agent.config import FleetFile, FleetSettings, Settings
from agent.dialects.decoder import Decoder, make_dialects
from agent.messages import Batch, Message, MessageKind
from agent.shard.output import ShardOutput
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from tests.doubles import make_shard

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
NOON_MS = 1_790_000_000_000 // DAY_MS * DAY_MS + 12 * HOUR_MS


class Desk:
    """A shard, the batches that it gets one after the other, and their output."""

    def __init__(self, shard: Shard | None = None) -> None:
        self.shard = shard or make_shard()
        self.out = ShardOutput()
        """The output since it was last taken."""
        self.offset = 0
        self.listening_since_ms = NOON_MS - HOUR_MS

    def process(self, received_ms: int, *messages: Message) -> None:
        batch = Batch(self.offset, received_ms, self.listening_since_ms, list(messages))
        self.offset = batch.end
        self.out.add(self.shard.process(batch))

    def tick(self, now_ms: int) -> None:
        self.process(now_ms, Message("", b"%d" % now_ms, qos=0, kind=MessageKind.TICK))

    def rows(self, measurement: str) -> list[tuple[object, ...]]:
        """The rows of one measurement since the last call. All other rows are discarded."""
        return self.out.take_rows()[0][measurement]


def telemetry(time_ms: int, *, van: str = "van-1", **fields: object) -> Message:
    content = {"time": time_ms, "soc_pct": 60.0, "latitude_deg": 52.0, "longitude_deg": 13.0, **fields}
    return Message(f"vans/{van}/telemetry", json.dumps(content).encode())


def minutes_of(rows: Sequence[tuple[object, ...]]) -> list[int]:
    return [(int(str(row[1])) - NOON_MS) // MINUTE_MS for row in rows]


def test_fleet_points_go_on_at_once_when_the_clock_is_set_back() -> None:
    """The clock was an hour ahead for two minutes; a restart in between must not make the agent wait for it either."""
    desk = Desk()
    desk.process(NOON_MS, telemetry(NOON_MS - 1000))
    for minute in (60, 61):
        desk.tick(NOON_MS + minute * MINUTE_MS)
    assert minutes_of(desk.rows("fleet")) == [60, 61]
    states = {key: state for chunk in desk.shard.snapshot() for key, state in chunk.items()}
    desk.shard.restore(states.items())
    for seconds in range(120, 301, 10):
        desk.tick(NOON_MS + seconds * 1000)
    assert minutes_of(desk.rows("fleet")) == [2, 3, 4, 5]


def test_a_clock_corrected_by_a_moment_rolls_no_minute_up_twice() -> None:
    desk = Desk()
    desk.process(NOON_MS, telemetry(NOON_MS - 1000))
    for now_ms in (NOON_MS + MINUTE_MS + 2, NOON_MS + MINUTE_MS - 40, NOON_MS + MINUTE_MS + 9_960):
        desk.tick(now_ms)
    assert minutes_of(desk.rows("fleet")) == [1]


IMPOSSIBLE: dict[str, Callable[[int], dict[str, object]]] = {
    # The other side of the world, from one second to the next.
    "positions_rejected": lambda second: {"latitude_deg": -40.0 - second},
    # 500 km within a second, and another 500 km in each second after it.
    "odometer_rejected": lambda second: {"odometer_km": 5000.0 + 500.0 * second},
    # No motor and no charger of a van moves 900 kW.
    "power_rejected": lambda _: {"battery_power_kw": -900.0},
}


@pytest.mark.parametrize("counter", IMPOSSIBLE)
def test_what_is_counted_of_the_vans_never_falls_on_a_rewind(counter: str) -> None:
    """Two impossible values are refused. Then the shard is restored from a checkpoint before them."""
    desk = Desk()
    good = {"odometer_km": 5000.0, "battery_power_kw": -1.0}

    def send(*seconds: int, bad: bool) -> None:
        for second in seconds:
            time_ms = NOON_MS + second * 1000
            desk.process(time_ms, telemetry(time_ms, **(good | (IMPOSSIBLE[counter](second) if bad else {}))))

    send(*range(30), bad=False)
    states = {key: state for chunk in desk.shard.snapshot() for key, state in chunk.items()}
    send(30, 31, bad=True)
    totals = desk.shard.totals()
    assert {name: getattr(totals, name) for name in IMPOSSIBLE} == {name: 2 * (name == counter) for name in IMPOSSIBLE}
    desk.shard.restore(states.items())
    assert getattr(desk.shard.totals(), counter) == 2
    send(30, 31, 32, bad=True)
    assert getattr(desk.shard.totals(), counter) == 3


# -- replayed dead letters


def replayed(message: Message, *, at_ms: int, retained: bool = False) -> Message:
    return Message(message.topic, message.payload, retained=retained, kind=MessageKind.REPLAYED, other_arrival_ms=at_ms)


def test_a_replayed_letter_reaches_the_van_whatever_it_has_sent_meanwhile() -> None:
    """A day of readings, then a replay of letters from 500 s to a day old: each is stored as a raw point."""
    desk = Desk()
    now_ms = NOON_MS
    while now_ms < NOON_MS + DAY_MS:
        now_ms += 10_000
        desk.process(now_ms, telemetry(now_ms - 500))
    desk.rows("battery")
    ages_ms = [500_000, HOUR_MS, DAY_MS - 5000]
    for age_ms in ages_ms:
        old = telemetry(now_ms - age_ms - 3000)
        desk.process(now_ms - age_ms, replayed(old, at_ms=now_ms))
    assert [row[1] for row in desk.rows("battery")] == [now_ms - age_ms - 3000 for age_ms in ages_ms]
    assert desk.shard.counters.late == 3


def test_an_old_message_never_sends_a_driving_van_offline() -> None:
    """A letter of two hours ago is replayed in the middle of a drive. The next tick finds the van driving."""
    desk = Desk()
    now_ms = NOON_MS
    for number in range(60):
        now_ms += 10_000
        place = 52.0 + number * 0.1 / 111.195
        desk.process(now_ms, telemetry(now_ms - 500, latitude_deg=place, speed_kmh=36.0))
    old = telemetry(now_ms - 2 * HOUR_MS)
    desk.process(now_ms - 2 * HOUR_MS, replayed(old, at_ms=now_ms))
    desk.tick(now_ms + 5000)
    assert [row[2] for row in desk.rows("energy")][-1] == "driving"
    assert desk.out.take_rows()[0]["trip"] == []


def test_letters_of_a_wrong_clock_are_taken_in_once_it_is_right() -> None:
    """The host's clock was 200 days behind, so 30 readings were "in the future". It is set, and they are replayed."""
    desk = Desk()
    behind_ms = NOON_MS - 200 * DAY_MS
    sent = [telemetry(NOON_MS + 10_000 * number) for number in range(30)]
    for message in sent:
        desk.process(behind_ms, message)
    assert [letter.reason for letter in desk.out.take_dead_letters()] == ["in_future"] * 30
    right_ms = NOON_MS + 400_000
    desk.process(right_ms, telemetry(right_ms - 500))
    for message in sent:
        desk.process(behind_ms, replayed(message, at_ms=right_ms + 60_000))
    assert desk.out.take_dead_letters() == []
    assert len(desk.rows("battery")) == 31


def test_what_is_refused_again_keeps_its_first_arrival() -> None:
    desk = Desk()
    broken = Message("vans/van-1/soc", b"{")
    desk.process(NOON_MS, replayed(broken, at_ms=NOON_MS + HOUR_MS, retained=True))
    (letter,) = desk.out.take_dead_letters()
    assert (letter.reason, letter.received_ms, letter.retained) == ("malformed", NOON_MS, True)


def test_a_stale_value_stays_stale_in_a_replay() -> None:
    """A retained state of charge of unknown age is stored, but does not count as a reading of now."""
    settings = Settings()
    roster = Roster(FleetFile(), fleet_settings=settings.fleet, emissions=settings.emissions, derived_every_s=10.0)
    desk = Desk(Shard(Decoder(make_dialects(["saic"])), roster))
    value = Message("saic/user/vehicles/LSJTEST0000000001/drivetrain/soc", b"55.0")
    desk.process(NOON_MS, replayed(value, at_ms=NOON_MS + HOUR_MS, retained=True))
    desk.tick(NOON_MS + HOUR_MS + 10_000)
    assert desk.shard.counters.stale == 1
    assert desk.rows("battery") == []


# -- the host's clock


def test_a_clock_set_back_by_an_hour_silences_nobody() -> None:
    """The clock was an hour ahead and is set right. Every reading is taken, and the van stays online."""
    desk = Desk()
    for number in range(60):
        now_ms = NOON_MS + number * 10_000
        desk.process(now_ms + HOUR_MS, telemetry(now_ms - 500))
        desk.tick(now_ms + HOUR_MS + 5000)
    desk.listening_since_ms = NOON_MS + 600_000  # as the intake has it: the clock was set, silence counts from here
    for number in range(60, 240):
        now_ms = NOON_MS + number * 10_000
        desk.process(now_ms, telemetry(now_ms - 500))
        desk.tick(now_ms + 5000)
    assert desk.shard.counters.accepted == 240
    rows = desk.out.take_rows()[0]
    assert len(rows["battery"]) == 240
    assert {row[2] for row in rows["energy"]} == {"parked"}


def test_a_clock_wrongly_set_back_by_an_hour_refuses_nobody() -> None:
    """The clocks of the vans are right, so every reading seems to come from the future."""
    desk = Desk()
    for number in range(120):
        now_ms = NOON_MS + number * 10_000
        sent = telemetry(now_ms - 500)
        if number < 60:
            desk.process(now_ms, sent)
            continue
        desk.listening_since_ms = NOON_MS + 600_000 - HOUR_MS
        desk.process(now_ms - HOUR_MS, Message(sent.topic, sent.payload, other_arrival_ms=now_ms))
        desk.tick(now_ms - HOUR_MS + 5000)
    assert desk.shard.counters.accepted == 120
    assert desk.out.take_dead_letters() == []
    assert {row[2] for row in desk.rows("energy")} == {"parked"}


def test_a_van_that_falls_silent_as_the_clock_is_set_back_is_missed_in_time() -> None:
    """Its last arrival seems to lie an hour ahead. It goes offline after the usual 15 minutes, not after 75."""
    desk = Desk()
    for number in range(60):
        now_ms = NOON_MS + number * 10_000
        desk.process(now_ms + HOUR_MS, telemetry(now_ms - 500))
    desk.listening_since_ms = now_ms
    for minute in range(1, 31):
        desk.tick(now_ms + minute * MINUTE_MS)
    assert desk.shard.totals().offline == 1


def test_two_shards_in_one_process_do_not_know_of_each_other() -> None:
    """Two shards that are fed in turn give what each gives alone: rows, letters, alerts, counts and checkpoints."""

    def feed(desk: Desk, number: int, turn: int) -> None:
        now_ms = NOON_MS + turn * 10_000
        soc_pct = 60.0 - turn - 30.0 * number
        desk.process(now_ms, telemetry(now_ms - 500, van=f"van-{turn % 5}", soc_pct=soc_pct))
        desk.process(now_ms, Message(f"ovms/van-{number}/metric/v/b/soc", b"%.1f" % soc_pct))
        desk.tick(now_ms)

    def desks() -> list[Desk]:
        settings = Settings.model_construct(fleet=FleetSettings(max_unknown_vehicles=4))
        return [Desk(make_shard(dialects=("native", "ovms"), settings=settings)) for _ in range(2)]

    def seen(desk: Desk) -> list[object]:
        rows = {name: [(row[0].tags(), *row[1:]) for row in rows] for name, rows in desk.out.rows.items()}
        states = {key: state for chunk in desk.shard.snapshot() for key, state in chunk.items()}
        return [rows, desk.out.dead_letters, desk.out.alerting, vars(desk.shard.counters), states]

    apart, together = desks(), desks()
    for number, desk in enumerate(apart):
        for turn in range(30):
            feed(desk, number, turn)
    for turn in range(30):
        for number, desk in enumerate(together):
            feed(desk, number, turn)
    expected = [seen(desk) for desk in apart]
    assert [seen(desk) for desk in together] == expected
    assert expected[0] != expected[1]
    assert all(desk.out.dead_letters and desk.out.rows["fleet"] and desk.out.alerting for desk in together)
