"""Which vans sleep shows in nothing: the same journal gives the same rows, alerts, letters, counts and states."""

import json
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.errors import LogCorrupt
from agent.fleet import STATE_VERSION, decode_state, encode_state, new_state, tick
from agent.fleet.quiet import quiet_ms_of
from agent.fleet.state import VanState
from agent.fleet.stored_state import condense
from agent.messages import Batch, Message, MessageKind
from agent.points.measurements import MEASUREMENTS
from agent.shard.registry import ASLEEP_AFTER_MS
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from agent.shard.stored_van import StoredVan
from agent.shard.summary import summarize
from tests.fleet.drives import make_context

START_MS = 1_790_000_000_000
MINUTE_MS = 60_000
VANS = tuple(f"van-{number}" for number in range(7))
FLEET = FleetFile.model_validate(
    {
        "depots": {"north": {"latitude_deg": 52.0, "longitude_deg": 13.0}},
        "vans": {name: {"depot": depot} for name, depot in zip(VANS, ["north", "south", "north"], strict=False)},
    }
)
ALL_AWAKE = None


class Turn(NamedTuple):
    """What one van does for a while, after all vans were silent for `pause_ms`."""

    pause_ms: int
    van: str
    does: str
    readings: int
    period_ms: int


def turns() -> st.SearchStrategy[list[Turn]]:
    pauses = [0, 1000, 20_000, ASLEEP_AFTER_MS, 16 * MINUTE_MS, 70 * MINUTE_MS, 9 * 60 * MINUTE_MS, 30 * 60 * MINUTE_MS]
    does = ["drive", "drive", "stand", "charge", "drain", "strange", "bad", "again", "checkpoint", "restart", "deaf"]
    does += ["load", "drop", "manifest"]
    one = st.builds(
        Turn,
        pause_ms=st.sampled_from(pauses),
        van=st.sampled_from(VANS),
        does=st.sampled_from(does),
        readings=st.integers(1, 25),
        period_ms=st.sampled_from([1000, 10_000, 45_000]),
    )
    return st.lists(one, min_size=3, max_size=25)


def new_shard(awake_vans: int | None) -> Shard:
    fleet_settings = FleetSettings(energy_price_per_kwh=0.3, unknown_vehicles="accept", max_unknown_vehicles=3)
    roster = Roster(FLEET, fleet_settings=fleet_settings, emissions=EmissionsSettings(), derived_every_s=10.0)
    return Shard(Decoder(make_dialects(["native"])), roster, awake_vans=awake_vans)


class Life:
    """One agent and its fleet, seen from outside."""

    def __init__(self, awake_vans: int | None, *, restarts: bool = True) -> None:
        self.awake_vans = awake_vans
        self.restarts = restarts
        self.shard = new_shard(awake_vans)
        self.said: list[object] = []
        self.stored: dict[str, bytes] = {}
        self.now_ms = START_MS
        self.listening_since_ms = START_MS
        self.offset = 0
        self.soc_pct = dict.fromkeys(VANS, 80.0)
        self.km = dict.fromkeys(VANS, 0.0)
        self.sent: dict[str, Message] = {}
        self.most_asleep = 0

    def live(self, what: list[Turn]) -> "Life":
        for turn in what:
            self.wait(turn.pause_ms)
            self.take(turn)
        self.wait(17 * MINUTE_MS)
        self.checkpoint()
        return self

    def wait(self, pause_ms: int) -> None:
        """Ticks each ten seconds at first, then rarely, as after a downtime."""
        until_ms = self.now_ms + pause_ms
        while self.now_ms + 10_000 <= until_ms:
            step_ms = 10_000 if until_ms - self.now_ms < 6 * MINUTE_MS else 3 * MINUTE_MS
            self.now_ms += step_ms
            self.process([Message("", b"%d" % self.now_ms, kind=int(MessageKind.TICK))])

    def take(self, turn: Turn) -> None:
        match turn.does:
            case "checkpoint":
                self.checkpoint()
            case "restart":
                self.checkpoint()
                if self.restarts:
                    self.shard.restore(self.stored.items())
            case "deaf":
                self.listening_since_ms = self.now_ms
            case "again":
                self.process(list(self.sent.values()))
            case "bad":
                self.process([Message(f"vans/{turn.van}/soc", b"{"), Message(f"vans/{turn.van}/tyres", b"{}")])
            case "load" | "drop":
                self.now_ms += turn.period_ms
                fields = {"time": self.now_ms - 500} | (
                    {"payload_kg": 10.0 * turn.readings} if turn.does == "load" else {"action": "unload", "items": 1}
                )
                self.process([Message(f"vans/{turn.van}/{turn.does}", json.dumps(fields).encode())])
            case "manifest":  # of the last hours, or days
                drops = [
                    {"time": self.now_ms - number * 420 * MINUTE_MS, "action": "unload", "items": 1, "seq": number}
                    for number in range(turn.readings)
                ]
                self.process([Message(f"$manifest/{turn.van}", json.dumps(drops).encode())])
            case _:
                for number in range(turn.readings):
                    self.now_ms += turn.period_ms
                    self.process([self.reading(turn, number)])

    def reading(self, turn: Turn, number: int) -> Message:
        van, does = turn.van, turn.does
        hours = turn.period_ms / 3_600_000
        power_kw = {"drive": -9.0, "charge": 22.0}.get(does, -0.2)
        speed_kmh = 40.0 if does == "drive" else 0.0
        self.km[van] += speed_kmh * hours
        lost_pct = 2.0 if does == "drain" else -power_kw * hours * 1.3
        self.soc_pct[van] = min(100.0, max(1.0, self.soc_pct[van] - lost_pct))
        strange = does == "strange" and number % 3 == 0
        fields: dict[str, Any] = {
            "time": self.now_ms - 500,
            "soc_pct": 0.0 if strange else round(self.soc_pct[van], 1),
            "battery_power_kw": power_kw,
            "latitude_deg": -40.0 if strange else round(52.0 + self.km[van] / 111.195, 6),
            "longitude_deg": 13.0,
            "speed_kmh": speed_kmh,
            "battery_temp_c": 70.0 if does == "strange" else 20.0,
            "plugged_in": does == "charge",
        }
        message = Message(f"vans/{van}/telemetry", json.dumps(fields).encode())
        self.sent[van] = message
        return message

    def process(self, messages: list[Message]) -> None:
        shard = self.shard
        batch = Batch(self.offset, self.now_ms, self.listening_since_ms, messages)
        self.offset = batch.end
        out = shard.process(batch)
        self.said.append([(row[0].tags(), *row[1:]) for found in out.rows.values() for row in found])
        self.said.append((out.row_count, out.dead_letters))
        self.said += [shard.active_alerts(vehicle_id) for vehicle_id in out.alerting]
        self.most_asleep = max(self.most_asleep, len(shard.vans) - len(shard.vans.awake))

    def checkpoint(self) -> None:
        for chunk in self.shard.snapshot():
            self.stored |= chunk
        self.said.append((self.shard.totals(), self.shard.alerting_vans(), len(self.shard.vans)))

    def outcome(self) -> tuple[object, ...]:
        """Everything that leaves the shard, and the states that a restart would begin with."""
        states = {name: kept for name, kept in self.stored.items() if "/" not in name}
        kept = {name: msgspec.msgpack.decode(encoded, type=StoredVan) for name, encoded in states.items()}
        for each in kept.values():
            assert each.summary == summarize(decode_state(each.state))
        states_of_all = [encode_state(self.shard.vans.state(name)) for name in self.shard.vans]
        return (
            self.said,
            vars(self.shard.counters),
            list(self.stored),
            [(name, encode_state(decode_state(each.state))) for name, each in kept.items()],
            states_of_all,
        )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(turns())
def test_who_sleeps_does_not_show(what: list[Turn]) -> None:
    expected = Life(ALL_AWAKE).live(what).outcome()
    assert Life(3).live(what).outcome() == expected
    assert Life(1).live(what).outcome() == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(turns())
def test_nor_does_a_restart(what: list[Turn]) -> None:
    assert Life(3).live(what).outcome() == Life(3, restarts=False).live(what).outcome()


def test_the_life_above_has_all_that_matters() -> None:
    """Such lives have alerts, days, silences, dead letters, and vans that sleep through them."""
    what = [
        Turn(0, "van-0", "drive", 25, 45_000),
        Turn(0, "van-1", "charge", 25, 45_000),
        Turn(0, "van-2", "drain", 25, 10_000),
        Turn(0, "van-3", "strange", 25, 10_000),
        Turn(0, "van-4", "stand", 25, 10_000),
        Turn(0, "van-5", "bad", 1, 10_000),
        Turn(0, "van-5", "stand", 1, 10_000),
        Turn(0, "van-6", "stand", 1, 10_000),
        Turn(0, "van-0", "again", 1, 10_000),
        Turn(0, "van-0", "drop", 1, 10_000),
        Turn(0, "van-0", "stand", 25, 45_000),
        Turn(13 * 60 * MINUTE_MS, "van-0", "manifest", 3, 45_000),
        Turn(16 * MINUTE_MS, "van-0", "restart", 1, 10_000),
        Turn(30 * 60 * MINUTE_MS, "van-0", "checkpoint", 1, 10_000),
    ]
    life = Life(3).live(what)
    assert life.most_asleep >= 4
    counters = life.shard.counters
    assert counters.rejected["malformed"] == counters.rejected["unknown_topic"] == 1
    assert counters.rejected["unknown_vehicle"] == 2
    assert counters.duplicates
    assert counters.internal_errors == 0
    totals = life.shard.totals()
    columns = 2 + len(MEASUREMENTS["tour"].fields)
    tours = [
        row
        for said in life.said
        if isinstance(said, list)
        for row in said
        if len(row) == columns and type(row[-1]) is str
    ]
    assert len(tours) == 2, "closed by silence, and said again with the manifest"
    assert totals.offline
    assert totals.positions_rejected
    assert totals.soc_rejected
    assert life.shard.alerting_vans()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(turns(), st.sampled_from([-1, -60_000, -10_000_000]))
def test_a_tick_does_nothing_while_the_van_may_be_quiet(what: list[Turn], beyond_ms: int) -> None:
    context = make_context()
    life = Life(ALL_AWAKE)
    for turn in what:
        life.take(turn)
        for vehicle_id in life.shard.vans:
            state = life.shard.vans.state(vehicle_id)
            before = encode_state(state)
            quiet_ms = summarize(state).quiet_ms(context.thresholds)
            assert quiet_ms == quiet_ms_of(state, context.thresholds)
            silence_ms = max(0, min(quiet_ms, 10**9) + beyond_ms)
            if silence_ms < quiet_ms:
                copy = decode_state(before)
                assert tick(copy, 0, silence_ms, context) == []
                assert encode_state(copy) == before


@given(
    st.lists(st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 13824.0]), min_size=12, max_size=12), st.binary()
)
def test_a_condensed_state_is_the_same_state(numbers: list[float], name: bytes) -> None:
    state = new_state(name.hex())
    state.position.candidate_latitude_deg, state.position.candidate_longitude_deg = numbers[:2]
    state.totals.used_kwh, state.totals.net_kwh, state.consumption.per_100km_kwh = numbers[2:5]
    state.capacity.samples_kwh = numbers
    encoded = encode_state(state)
    condensed = condense(encoded)
    assert len(condensed) < len(encoded)
    assert encode_state(decode_state(condensed)) == encoded


def test_a_state_that_uses_every_byte_stays_as_it_is() -> None:
    state = new_state("van-1")
    state.recent_ms = list(range(256))
    state.capacity.samples_kwh = [float.fromhex(f"0x1.{number:02x}{number:02x}p3") for number in range(256)]
    encoded = encode_state(state)
    assert len(set(encoded)) == 256
    assert condense(encoded) == encoded
    assert decode_state(encoded) == state


def test_what_an_earlier_version_kept_is_taken_up() -> None:
    before = Life(ALL_AWAKE)
    before.take(Turn(0, "van-1", "drive", 20, 10_000))
    before.checkpoint()
    kept = msgspec.msgpack.decode(before.stored["van-1"], type=StoredVan)
    after = Life(3)
    after.shard.restore([("van-1", msgspec.msgpack.encode((kept.state, [3.58e12, 1_790_000_000_000, 0, False])))])
    assert after.shard.vans.state("van-1") == before.shard.vans.state("van-1")
    assert after.shard.totals() == before.shard.totals()


@pytest.mark.parametrize("with_summary", [True, False])
def test_a_state_of_another_version_is_refused_at_the_start(with_summary: bool) -> None:
    state: VanState = new_state("van-1")
    state.version = STATE_VERSION + 1
    kept = StoredVan(encode_state(state), summary=summarize(state) if with_summary else None)
    with pytest.raises(LogCorrupt, match="version 2, this program reads version 1"):
        new_shard(3).restore([("van-1", msgspec.msgpack.encode(kept))])


def test_what_cannot_be_read_is_refused_at_the_start() -> None:
    with pytest.raises(LogCorrupt, match="'van-1' cannot be read"):
        new_shard(3).restore([("van-1", b"\x93nonsense")])


def test_vans_of_which_the_same_is_known_share_it() -> None:
    vans = new_shard(10).vans
    assert vans.add("van-8").context is vans.add("van-9").context
    assert vans.add("van-0").context is not vans.add("van-1").context


def test_the_tags_of_a_van_are_one_object_whatever_happens() -> None:
    life = Life(1)
    for van in ("van-0", "van-1", "van-0"):
        life.take(Turn(0, van, "stand", 1, 1000))
        life.take(Turn(0, van, "restart", 1, 1000))
    series = life.shard.vans.wake("van-0").series
    life.shard.restore(life.stored.items())
    assert life.shard.vans.wake("van-0").series is series
